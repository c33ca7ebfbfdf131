"""One coordinate of the plan: vantage x frontend x family x protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from topologies.frontends import Frontend
    from topologies.schema.topology import Vantage


@dataclass(frozen=True, slots=True)
class Cell:
    """What is asked, from where. `sample`: how many fresh connections it takes to see every backend (p >= 0.999)."""

    vantage: Vantage
    frontend: Frontend
    family: str = "v4"
    protocol: str = "tcp"
    sample: int = 3

    @property
    def id(self) -> str:
        """A pytest id, a folder name and a `-k` expression at once: `pod-n3-to-web-local.nodeport.n2-v4-tcp`."""
        target = f"{self.frontend.service}.{self.frontend.label}"
        return f"{self.vantage.name}-to-{target}-{self.family}-{self.protocol}"

    @property
    def place(self) -> tuple[str, str]:
        """Who shares a count of ICMP errors: the client's node, and the node that would refuse.

        That is the node asked by name, or for a virtual address the client's own. Pods are taken together with their
        node, for it may give them its own address.
        """
        here = self.vantage.node or self.vantage.name
        named = self.frontend.node if self.frontend.kind is FrontendKind.NODE_PORT else None
        return here, named or here

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class Omission:
    """A cell that was left out of the plan, and why."""

    cell: str
    reason: str
