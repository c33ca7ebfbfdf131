"""The expected result of a cell: the set of allowed paths, each with the rules that it follows from."""

from __future__ import annotations

from dataclasses import dataclass

from probes.observation import Outcome
from probes.oracle.unlisted_addresses import UnlistedAddress
from topologies.common.addresses import IPAddress  # noqa: TC001 - dataclasses are serialised by type at run time


@dataclass(frozen=True, slots=True)
class Path:
    """One path that a connection may take. Every attempt must match one path in outcome, source and backend."""

    outcome: Outcome
    sources: frozenset[IPAddress] = frozenset()
    """The source addresses that the backend may see. Empty unless the outcome is ok."""
    backend: str | None = None
    """The backend that answers. None unless the outcome is ok."""
    share: float = 1.0
    """The probability of this path. The shares of an expectation add up to 1."""
    rules: tuple[str, ...] = ()
    """The ids of the rules that it follows from, in the order of their decisions."""
    by_icmp: bool = False
    """A refusal by ICMP. Kernels rate-limit these, so other attempts may time out (docs/observations.md)."""

    def admits(self, source: IPAddress) -> bool:
        """Return whether the backend may see this source address."""
        if source in self.sources:
            return True
        return any(isinstance(one, UnlistedAddress) and one.admits(source) for one in self.sources)

    def resembles(self, other: Path) -> bool:
        """Return whether one observed attempt may match both paths."""
        if (self.outcome, self.backend) != (other.outcome, other.backend):
            return False
        both = self.sources | other.sources
        unlisted = any(isinstance(one, UnlistedAddress) for one in both)
        return not both or unlisted or not self.sources.isdisjoint(other.sources)


Assumption = tuple[tuple[str, tuple[object, ...]], ...]
"""Unknown facts by their paths, each with the values that it is assumed to have one of."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One result of a cell that is possible as long as some facts are unknown."""

    expectation: Expectation
    """The result with known facts. Its shares add up to 1."""
    assumptions: tuple[Assumption, ...]
    """The choices of unknown facts that lead to it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected result of a cell."""

    paths: tuple[Path, ...]
    """The allowed paths."""
    rules: tuple[str, ...]
    """The ids of the rules of all paths."""
    because: str
    """The reason in words: the sentences of the decisive rules, the nodes with endpoints, and the kube-proxy."""
    sticky: bool = False
    """All attempts must reach the same backend (session affinity)."""
    sticky_per_node: float = 0.0
    """Not 0: a load balancer selects a node for each connection, and each node keeps the client on a backend of its own
    (session affinity). The value is the largest share of the nodes that may give the same answer."""
    alternatives: tuple[Alternative, ...] = ()
    """The possible results, if they depend on unknown facts. All attempts must fit the same one. `paths` are those of
    all alternatives, and their shares mean nothing."""

    @property
    def possible(self) -> tuple[Expectation, ...]:
        """The expectations of which one must fit: the alternatives, or this one alone."""
        return tuple(one.expectation for one in self.alternatives) or (self,)

    @property
    def independent(self) -> bool:
        """Whether each attempt selects its backend independently of the others."""
        return not (self.sticky or self.sticky_per_node)

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset(path.outcome for path in self.paths)

    @property
    def sources(self) -> frozenset[IPAddress]:
        return frozenset(source for path in self.paths for source in path.sources)

    @property
    def backends(self) -> frozenset[str]:
        return frozenset(path.backend for path in self.paths if path.backend)

    @property
    def refused_by_icmp(self) -> bool:
        """Whether ICMP may refuse the cell."""
        return any(path.outcome is Outcome.REFUSED and path.by_icmp for path in self.paths)
