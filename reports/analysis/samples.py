"""A run's attempts against another side of a diff, by the same statistics as the verdict's. Pure.

Sources are compared by name, since two clusters have other addresses: each name stands for an address of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from probes.judging import binomial, compare
from probes.judging.backend_coverage import BackendPool
from probes.judging.verdict import Facet
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.expectation import Expectation, Path
from reports.columns import split_place
from topologies.common.addresses import IPAddress
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reports.analysis.diff_side import Reply, SideAnswer
    from reports.records.schema import CellKey

DOUBTFUL = 1e-2  # a sample of another share is reported as unproven up to this probability, above it as the same


@dataclass(frozen=True, slots=True)
class Comparable:
    """One cell's prediction and observation in the form that the verdict compares."""

    expectation: Expectation
    observation: Observation
    naming: Callable[[IPAddress], str]
    pool: Callable[[Expectation], BackendPool] | None = None
    possible: int = 1
    """How many results unknown facts leave; with several, the shares of the expectation mean nothing."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The statistics of one pair of answers.

    `refuted`: the verdict on the observation would be fail by what the other side predicts, or two runs differ in the
    share of answered connections beyond chance. `likely`: how probable chance makes the difference in that share; None
    if no share is compared.
    """

    refuted: bool = False
    likely: float | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the share differs, but not beyond the chance that a verdict allows."""
        return not self.refuted and self.likely is not None and self.likely <= DOUBTFUL


@dataclass(slots=True)
class Samples:
    """The answers of all cells that both sides have: one sample accuses a backend only together with its neighbours."""

    pairs: Mapping[str, tuple[SideAnswer, SideAnswer]]
    addresses: dict[str, IPAddress] = field(default_factory=dict)
    neighbours: dict[tuple[str, str], list[Comparable]] = field(default_factory=dict)
    made: dict[str, Comparable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare every pair of a prediction and an observation."""
        fresh = count(1)
        for before, after in self.pairs.values():
            for reply in (*before.shares, *after.shares):
                self.addresses.setdefault(reply.source, IPAddress(next(fresh)))
        for name, (before, after) in self.pairs.items():
            if before.predicted != after.predicted:
                self._prepare(name, *((before, after) if before.predicted else (after, before)))

    def _prepare(self, name: str, predicted: SideAnswer, observed: SideAnswer) -> None:
        place = picker(observed.cell)
        expectation = self._expectation(predicted)
        one = Comparable(
            expectation=expectation,
            observation=Observation(name, attempts=tuple(self._attempts(observed))),
            naming=str,
            pool=lambda assumed: self._pool(place, assumed),
            possible=predicted.possible,
        )
        self.made[name] = one
        self.neighbours.setdefault(place, []).append(one)

    def _expectation(self, predicted: SideAnswer) -> Expectation:
        paths = tuple(
            Path(
                reply.outcome,
                frozenset({self.addresses[reply.source]} if reply.outcome is Outcome.OK else ()),
                reply.backend or None,
                share,
                by_icmp=predicted.by_icmp and reply.outcome is Outcome.REFUSED,
            )
            for reply, share in predicted.shares.items()
        )
        return Expectation(paths, predicted.rules, predicted.because, predicted.sticky, predicted.sticky_per_node)

    def _attempts(self, observed: SideAnswer) -> Iterable[Attempt]:
        for reply, times in observed.counts.items():
            seen = self.addresses[reply.source] if reply.outcome is Outcome.OK else None
            one = Attempt(reply.outcome, seen, reply.backend or None)
            scouts = observed.scouts[reply]
            yield from [replace(one, scout=True)] * scouts + [one] * (times - scouts)

    def _pool(self, place: tuple[str, str], expectation: Expectation) -> BackendPool:
        """Return all attempts that picked from the same backends there, as `Judge.pool` does."""
        pool = BackendPool()
        for other in self.neighbours[place]:
            if other.possible > 1:
                pool.count_answers(other.observation)
            elif other.expectation.backends == expectation.backends and other.expectation.independent:
                pool.add(other.expectation, other.observation)
        return pool

    def likelihood(self, name: str) -> Likelihood:
        """Return the statistics of one cell."""
        before, after = self.pairs[name]
        if before.predicted and after.predicted:
            return Likelihood()
        if before.predicted != after.predicted:
            one = self.made[name]
            if max(before.possible, after.possible) > 1:
                return Likelihood(bool(compare.complaints(one, [Facet.REACHABILITY])))
            return Likelihood(bool(compare.complaints(one)), compare.likelihood(one))
        likely = _of_two(before, after)
        return Likelihood(likely is not None and likely <= compare.UNLIKELY, likely)


def _of_two(before: SideAnswer, after: SideAnswer) -> float | None:
    """Return how likely chance makes two runs' counts of answers; None if neither may have answers and losses."""
    depends = any(one.sticky or one.sticky_per_node for one in (before, after))
    if depends or not (_mixed(before.may) or _mixed(after.may)):
        return None
    return binomial.fisher_p_value(_answered(before), before.counts.total(), _answered(after), after.counts.total())


def _mixed(may: Iterable[Reply]) -> bool:
    outcomes = {reply.outcome for reply in may}
    return Outcome.OK in outcomes and len(outcomes) > 1


def _answered(observed: SideAnswer) -> int:
    return sum(times for reply, times in observed.counts.items() if reply.outcome is Outcome.OK)


def picker(cell: CellKey) -> tuple[str, str]:
    """Return the Service and the place that picks the backend: as `backend_coverage.picker` does for a planned cell."""
    place = cell.frontend.partition(".")[2]
    asked = split_place(place)[0] if cell.frontend_kind == FrontendKind.NODE_PORT and place != At.LOOPBACK else ""
    return cell.service, asked or cell.vantage_node or "outside"
