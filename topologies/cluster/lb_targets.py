"""A load balancer's pools: which nodes it says it sends to, and which answer their health check. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ANNOTATION = "hairpin.local/pool"  # on a Service: the nodes its balancer sends to, as our lab's balancer tells them


@dataclass(frozen=True, slots=True)
class Pool:
    """The nodes behind one Service of type LoadBalancer, by name and in order.

    `told`: those its balancer says it sends to; None for one that does not say. `healthy`: those it should: where it
    asks the healthCheckNodePort (`externalTrafficPolicy: Local`) those that answer 200, else every node.
    """

    service: str
    told: tuple[str, ...] | None
    healthy: tuple[str, ...]

    @property
    def late(self) -> str:
        """Why the balancer has not caught up yet; empty if it has, or does not say."""
        if self.told is None or self.told == self.healthy:
            return ""
        return f"the balancer of {self.service} sends to {_listed(self.told)}; healthy: {_listed(self.healthy)}"


def told(annotations: dict[str, str] | None) -> tuple[str, ...] | None:
    """The nodes an annotation names; None without it."""
    text = (annotations or {}).get(ANNOTATION)
    return None if text is None else tuple(text.split())


def written(nodes: Iterable[str]) -> str:
    """The annotation's text."""
    return " ".join(sorted(nodes))


def _listed(nodes: Iterable[str]) -> str:
    return ", ".join(nodes) or "none"
