"""What should come back: a set of ways the datapath may take, each with the rules that say so."""

from __future__ import annotations

from dataclasses import dataclass

from probes.observation import Outcome  # noqa: TC001 - dataclasses are serialised by type at run time
from topologies.common.addresses import IPAddress  # noqa: TC001 - dataclasses are serialised by type at run time


@dataclass(frozen=True, slots=True)
class Path:
    """One way a connection may take. Every attempt must match one path in outcome, source and backend together.

    `sources`: the client addresses the backend may see (empty unless ok). `backend`: who answers (None unless ok).
    `share`: the probability of this way, the shares of an expectation add up to 1.
    `by_icmp`: a refusal that kernels may rate-limit (datapath-rules.md section 6.9): siblings may look like timeouts.
    """

    outcome: Outcome
    sources: frozenset[IPAddress] = frozenset()
    backend: str | None = None
    share: float = 1.0
    rules: tuple[str, ...] = ()
    by_icmp: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """The set of allowed paths of a cell, the ids of all rules that made it, and the reason in one sentence.

    `sticky`: all attempts must reach the same backend (session affinity).
    """

    paths: tuple[Path, ...]
    rules: tuple[str, ...]
    because: str
    sticky: bool = False

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset(path.outcome for path in self.paths)

    @property
    def sources(self) -> frozenset[IPAddress]:
        return frozenset(source for path in self.paths for source in path.sources)

    @property
    def backends(self) -> frozenset[str]:
        return frozenset(path.backend for path in self.paths if path.backend)
