"""One coordinate of the plan: vantage x frontend x family x protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topologies.frontends import Frontend
    from topologies.model import Vantage


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

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class Omission:
    """A cell that was left out of the plan, and why."""

    cell: str
    reason: str
