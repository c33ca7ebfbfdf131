"""Measure how near our own load brings the answers of a run to their time limits.

A connection that is lost (timeout, hang, reset) while other answers of the same time were slow shows nothing about the
cluster: the limit may have cut an answer that was on its way. Only measurements decide, never what is expected: the
latency of the answered connections, and how late curl noticed its own time limits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from threading import Lock
from typing import TYPE_CHECKING

from probes.asking.classify import TIMED_OUT
from probes.asking.curl import ANSWER_TIME
from probes.observation import LOST, Attempt, Outcome
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probes.asking.curl import Transfer

NEAR = 1 / 3  # of a limit. If 1 answer of 100 takes a third of it, 1 of 1,000,000 takes the whole (exponential tail)
TAIL = 0.99  # quantile of the answers that shows load
MIDDLE = 0.5  # quantile that shows a slow cluster: a few late answers may be the fault that is tested for
NEIGHBOUR_S = 1.0  # a host that does not answer ARP is "unreachable" after 3 s; a router reports it at once


@dataclass(frozen=True, slots=True)
class Reading:
    """The latency that load adds to one batch, in seconds: to connect, from connected to answered, to notice.

    `connect_s` and `answer_s`: beyond the vantage's fastest answer, so that a distant vantage is not a loaded one.
    `delay_s`: how late curl noticed its connect timeout.
    """

    connect_s: float = 0.0
    answer_s: float = 0.0
    delay_s: float = 0.0
    connect_limit_s: float = 2.0

    @property
    def strain(self) -> float:
        """The latency as a share of its limit, the greatest of the three."""
        return max(
            self.connect_s / self.connect_limit_s, self.answer_s / ANSWER_TIME, self.delay_s / self.connect_limit_s
        )

    @property
    def is_near(self) -> bool:
        """Whether a limit may have cut answers that were on their way."""
        return self.strain >= NEAR

    def __str__(self) -> str:
        return (
            f"connections took {self.connect_s:.2f} s longer than the fastest (limit {self.connect_limit_s:g} s), "
            f"answers {self.answer_s:.2f} s (limit {ANSWER_TIME:g} s), and curl was {self.delay_s:.2f} s late"
        )


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest answer that one vantage got, in seconds: the time that distance and servers take without load."""

    connect_s: float = inf
    answer_s: float = inf

    def including(self, transfers: Iterable[Transfer]) -> Fastest:
        """Return the fastest of these and of those known before."""
        answered = _answered(transfers)
        return Fastest(
            min([self.connect_s, *(one.time_connect for one in answered)]),
            min([self.answer_s, *(one.time_total - one.time_connect for one in answered)]),
        )


def measure(transfers: Sequence[Transfer], connect_limit_s: float, quantile: float, fastest: Fastest) -> Reading:
    """Return the quantile of each latency; 0 for one that no transfer shows.

    Only answered transfers count for the first two: how long a lost one waited is its limit, not a measurement.
    """
    answered = _answered(transfers)
    expired = [
        one.time_total - connect_limit_s for one in transfers if one.exit_code == TIMED_OUT and not one.time_connect
    ]
    return Reading(
        _quantile([one.time_connect - fastest.connect_s for one in answered], quantile),
        _quantile([one.time_total - one.time_connect - fastest.answer_s for one in answered], quantile),
        _quantile(expired, quantile),
        connect_limit_s,
    )


def is_lost(attempt: Attempt, frontend: FrontendKind) -> bool:
    """Whether load alone can end an attempt at such a frontend like this.

    A load balancer whose health checks time out has no healthy node, and refuses.
    """
    if attempt.outcome is Outcome.UNREACHABLE:
        return attempt.seconds >= NEIGHBOUR_S
    refused = attempt.outcome is Outcome.REFUSED and frontend is FrontendKind.LOAD_BALANCER
    return attempt.outcome in LOST or refused


def _quantile(values: Sequence[float], quantile: float) -> float:
    return max(0.0, sorted(values)[min(len(values) - 1, int(quantile * len(values)))]) if values else 0.0


def _answered(transfers: Iterable[Transfer]) -> list[Transfer]:
    return [one for one in transfers if one.exit_code == 0]


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """When a batch was asked (seconds of one clock), and how long its answers took.

    `tail`, `middle`: the readings at those quantiles of its answers.
    """

    began: float
    ended: float
    tail: Reading
    middle: Reading

    @classmethod
    def of(
        cls,
        began: float,
        ended: float,
        transfers: Sequence[Transfer],
        connect_limit_s: float,
        fastest: Fastest | None = None,
    ) -> BatchTiming:
        """Measure a batch that ran from `began` to `ended`; `fastest`: of its vantage, by default its own."""
        known = fastest or Fastest().including(transfers)
        return cls(
            began,
            ended,
            measure(transfers, connect_limit_s, TAIL, known),
            measure(transfers, connect_limit_s, MIDDLE, known),
        )


@dataclass(slots=True)
class LoadMeter:
    """The readings of all batches of a run, from several threads."""

    timings: list[BatchTiming] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def note(self, timing: BatchTiming) -> None:
        """Keep a batch's reading."""
        with self._lock:
            self.timings.append(timing)

    def worst_during(self, batches: Iterable[BatchTiming]) -> Reading:
        """Return the worst reading of all batches that were under way together with one of these, or no latency."""
        with self._lock:
            known = list(self.timings)
        mine = list(batches)
        together = [other.tail for other in known if any(_overlap(one, other) for one in mine)]
        return worst(together)


def worst(readings: Iterable[Reading]) -> Reading:
    """Return the reading that is nearest to its limit; without any, no latency."""
    return max(readings, key=lambda reading: reading.strain, default=Reading())


def _overlap(one: BatchTiming, other: BatchTiming) -> bool:
    return one.began < other.ended and other.began < one.ended
