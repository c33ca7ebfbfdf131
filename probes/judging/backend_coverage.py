"""Decide whether a backend that never answered is missing, from all attempts that could have reached it. Pure.

One cell's sample is too small to conclude that a backend is missing. With 11 connections to two backends, one in
2,000 samples never reaches one of them, and a matrix has hundreds of samples. All cells of one Service whose backend
is picked by the same node from the same backends form one sample.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.observation import Observation
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell

UNSEEN = 1e-4  # a backend is missing if chance hides it from the whole pool with at most this probability


@dataclass(slots=True)
class BackendPool:
    """Attempts of one or several cells. `hidden`: for each backend the probability that none of them reached it."""

    attempts: int = 0
    cells: int = 0
    seen: Counter[str | None] = field(default_factory=Counter)
    hidden: dict[str, float] = field(default_factory=dict)

    def add(self, expectation: Expectation, observation: Observation) -> None:
        """Count a cell's attempts, each of which picked a backend with the shares that the expectation gives."""
        self.attempts += len(observation.counted)
        self.cells += 1
        self.count_answers(observation)
        shares: Counter[str] = Counter()
        for path in expectation.paths:
            if path.backend:
                shares[path.backend] += path.share  # type: ignore[assignment] # typeshed: a Counter counts in ints
        for backend, share in shares.items():
            unmet = max(0.0, 1 - share) ** len(observation.counted)
            self.hidden[backend] = self.hidden.get(backend, 1.0) * unmet

    def count_answers(self, observation: Observation) -> None:
        """Count the backends that answered a cell."""
        self.seen.update(attempt.backend for attempt in observation.counted)

    @property
    def missing(self) -> frozenset[str]:
        """The backends that no attempt reached, although chance cannot explain it."""
        return frozenset(one for one, chance in self.hidden.items() if chance <= UNSEEN and not self.seen[one])


def picker(cell: Cell) -> tuple[str, str]:
    """Return the Service, and where its backend is picked: the node asked, the client's own, or a load balancer."""
    frontend, vantage = cell.frontend, cell.vantage
    asked = frontend.node if frontend.kind is FrontendKind.NODE_PORT else None
    return frontend.service, asked or vantage.node or "outside"
