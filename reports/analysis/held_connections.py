"""What became of the connections that were held through a step of a rolling exchange. Pure."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from reports.records.schema import ReportModel, Seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probes.asking.continuous.events import HeldConnection, VantageEvents
    from reports.analysis.measured import Interval

STALLED_S = 1.0  # a retransmitted segment comes after 0.2 s, 0.4 s, 0.8 s; a later answer was held up


class Fate(StrEnum):
    """What became of a held connection. `UNKNOWN`: the client itself ended, so it cannot be judged."""

    SURVIVED = "survived"
    STALLED = "stalled"
    RESET = "reset"
    CLOSED = "closed"
    HUNG = "hung"
    UNKNOWN = "unknown"


class HeldFate(ReportModel):
    """A connection that was open when a step began.

    `at_s`: when it was lost, or the unanswered question was sent; `phase`: the phase of that. `slowest_s`: the longest
    time without an answer. `source_changed`: the client address that the backend saw changed from this to that.
    """

    cell: str
    backend: str
    fate: Fate
    at_s: Seconds | None = None
    phase: str | None = None
    slowest_s: Seconds = 0.0
    source_changed: tuple[str, str] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it did not survive."""
        return self.fate in {Fate.RESET, Fate.CLOSED, Fate.HUNG}


def follow_connections(
    events: Sequence[VantageEvents], whole: Interval, phases: Mapping[str, Interval], zero: float
) -> tuple[HeldFate, ...]:
    """Return what became of every connection that was open when `whole` began."""
    return tuple(
        _follow(held, whole, phases, zero)
        for vantage in events
        for held in vantage.connections
        if held.opened < whole.began and (held.lost_at is None or held.lost_at >= whole.began) and _is_used(held, whole)
    )


def _is_used(held: HeldConnection, whole: Interval) -> bool:
    """Return whether it has not already hung before the step."""
    return held.waits_since is None or held.waits_since >= whole.began


def _follow(held: HeldConnection, whole: Interval, phases: Mapping[str, Interval], zero: float) -> HeldFate:
    fate, at = _fate(held, whole)
    silences = _silences(held, whole)
    slowest = max(silences, key=lambda one: one[1] - one[0], default=(whole.began, whole.began))
    if fate is Fate.SURVIVED and slowest[1] - slowest[0] > STALLED_S:
        fate, at = Fate.STALLED, slowest[0]
    return HeldFate(
        cell=held.cell,
        backend=held.backend,
        fate=fate,
        at_s=None if at is None else at - zero,
        phase=next((name for name, one in phases.items() if at is not None and one.began <= at < one.ended), None),
        slowest_s=slowest[1] - slowest[0],
        source_changed=_find_change(held, whole),
    )


def _fate(held: HeldConnection, whole: Interval) -> tuple[Fate, float | None]:
    """Return what became of it within the step, and when."""
    if held.waits_since is not None and held.waits_since < whole.ended:
        return Fate.HUNG, held.waits_since
    if held.lost_at is not None and held.lost_at < whole.ended:
        known = held.how in set(Fate)
        return Fate(held.how) if known else Fate.RESET, held.lost_at
    last = held.answers[-1].answered if held.answers else held.opened
    return (Fate.SURVIVED, None) if last >= whole.ended - STALLED_S else (Fate.UNKNOWN, last)


def _silences(held: HeldConnection, whole: Interval) -> list[tuple[float, float]]:
    """Return from when to when each question was without an answer that is part of the step."""
    return [(one.sent, one.answered) for one in held.answers if one.answered >= whole.began and one.sent < whole.ended]


def _find_change(held: HeldConnection, whole: Interval) -> tuple[str, str] | None:
    """Return the first change of the client address that the backend saw within the step."""
    return next(
        (
            (one.source, other.source)
            for one, other in pairwise(held.answers)
            if one.source != other.source and whole.began <= other.answered < whole.ended
        ),
        None,
    )
