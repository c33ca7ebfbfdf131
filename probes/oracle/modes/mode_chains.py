"""The chains of rules of one kube-proxy mode.

A mode has exactly the rules that its chains list. In each chain the first rule that applies decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.observation import Outcome
    from probes.oracle.connection import Selection
    from probes.oracle.rule import Rule
    from probes.oracle.stages.arrival import Arrival
    from probes.oracle.stages.endpoints import Endpoints
    from probes.oracle.upstream import VersionRange
    from topologies.common.addresses import IPAddress


@dataclass(frozen=True, slots=True)
class ModeChains:
    """The chains of one kube-proxy mode, one for each decision."""

    versions: VersionRange
    """The kube-proxy versions that have the mode."""
    arrival: tuple[Rule[Arrival], ...]
    """The processing node, and the source address on arrival there."""
    readiness: tuple[Rule[Endpoints], ...]
    """The usable endpoints."""
    detect_local: tuple[Rule[bool], ...]
    """Whether a packet is pod traffic."""
    source_ranges: tuple[Rule[Selection], ...]
    """The rules for loadBalancerSourceRanges, which are a part of `pool`."""
    pool: tuple[Rule[Selection], ...]
    """The endpoints that may be selected, or how the packet ends."""
    mark: tuple[Rule[bool], ...]
    """Whether the packet is marked for masquerade."""
    source: tuple[Rule[IPAddress], ...]
    """The source address that the endpoint sees."""
    reply: tuple[Rule[Outcome], ...]
    """Whether the reply reaches the client."""

    @property
    def all(self) -> tuple[tuple[Rule[Any], ...], ...]:
        """All chains. A part of a chain comes after the whole chain."""
        parts = (self.arrival, self.readiness, self.detect_local, self.mark, self.source, self.reply)
        return (self.pool, *parts, self.source_ranges)

    @property
    def rules(self) -> frozenset[Rule[Any]]:
        """The rules of all chains."""
        return frozenset(rule for chain in self.all for rule in chain)
