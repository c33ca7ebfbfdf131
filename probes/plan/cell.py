"""One coordinate of the plan: vantage x frontend x family x protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from topologies.frontends import Frontend
    from topologies.schema.topology import Vantage


@dataclass(frozen=True, slots=True)
class Cell:
    """A client and the frontend that it probes.

    `sample`: the number of new connections that reach every backend with probability 0.999.
    """

    vantage: Vantage
    frontend: Frontend
    family: str = "v4"
    protocol: str = "tcp"
    sample: int = 3
    id: str = field(init=False, repr=False, compare=False)
    """A pytest id, a folder name and a `-k` expression at once: `pod-n3-to-web-local.nodeport.n2-v4-tcp`."""

    def __post_init__(self) -> None:
        name = format_id(self.vantage.name, self.frontend.service, self.frontend.label, self.family, self.protocol)
        object.__setattr__(self, "id", name)

    @property
    def place(self) -> tuple[str, str]:
        """The key of a shared ICMP rate limit: the client's node, and the node that would refuse.

        The refusing node is the one whose address is probed, for a virtual address the client's own. Pods count as
        their node, because the node may masquerade them.
        """
        here = self.vantage.node or self.vantage.name
        named = self.frontend.node if self.frontend.kind is FrontendKind.NODE_PORT else None
        return here, named or here

    def __str__(self) -> str:
        return self.id


def format_id(vantage: str, service: str, label: str, family: str = "v4", protocol: str = "tcp") -> str:
    """Return the id of the cell with these parts."""
    return f"{vantage}-to-{service}.{label}-{family}-{protocol}"


@dataclass(frozen=True, slots=True)
class Omission:
    """A cell that was left out of the plan, and why."""

    cell: str
    reason: str
