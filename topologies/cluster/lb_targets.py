"""A load balancer's target pools: the nodes it reports to send to, and those that pass their health check. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ANNOTATION = "hairpin.local/pool"  # on a Service: the nodes its balancer sends to, written by the lab's load balancer


@dataclass(frozen=True, slots=True)
class TargetPool:
    """The nodes behind one Service of type LoadBalancer, by name and in order.

    `reported`: those that its balancer reports; None if it reports none. `healthy`: those that it should send
    to: with a healthCheckNodePort (`externalTrafficPolicy: Local`) those that answer 200, else every node.
    """

    service: str
    reported: tuple[str, ...] | None
    healthy: tuple[str, ...]

    @property
    def lag(self) -> str:
        """How the reported nodes differ from the healthy ones; empty if they do not, or none are reported."""
        if self.reported is None or self.reported == self.healthy:
            return ""
        return f"the balancer of {self.service} sends to {_listed(self.reported)}; healthy: {_listed(self.healthy)}"


def read_annotation(annotations: dict[str, str] | None) -> tuple[str, ...] | None:
    """Return the nodes that the annotation names; None without it."""
    text = (annotations or {}).get(ANNOTATION)
    return None if text is None else tuple(text.split())


def to_annotation(nodes: Iterable[str]) -> str:
    """Return the annotation's text."""
    return " ".join(sorted(nodes))


def _listed(nodes: Iterable[str]) -> str:
    return ", ".join(nodes) or "none"
