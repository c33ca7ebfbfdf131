"""The expected result of a cell: the set of allowed paths, each with the rules that it follows from."""

from __future__ import annotations

from dataclasses import dataclass

from probes.observation import Outcome  # noqa: TC001 - dataclasses are serialised by type at run time
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

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset(path.outcome for path in self.paths)

    @property
    def sources(self) -> frozenset[IPAddress]:
        return frozenset(source for path in self.paths for source in path.sources)

    @property
    def backends(self) -> frozenset[str]:
        return frozenset(path.backend for path in self.paths if path.backend)
