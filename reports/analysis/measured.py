"""Intervals of time, and those in which a vantage should have asked and did not. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from probes.asking.continuous.events import group_by_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probes.asking.continuous.events import TimedAttempt

MISSED = 2.5  # intervals between two attempts of a cell: at least one was left out, and the next one was late


class Interval(NamedTuple):
    """From `began` up to `ended`, in monotonic seconds."""

    began: float
    ended: float


def overlap(one: Interval, others: Iterable[Interval]) -> bool:
    """Return whether an interval shares a moment with any of the others."""
    return any(other.began < one.ended and one.began < other.ended for other in others)


def find_gaps(attempts: Sequence[TimedAttempt], whole: Interval, interval_s: float) -> tuple[Interval, ...]:
    """Return when a vantage left out attempts of a cell, within `whole`.

    Args:
        attempts: All attempts of one vantage.
        whole: Where to look.
        interval_s: Between two attempts of one cell.

    """
    gaps = []
    for own in group_by_cell(attempts).values():
        times = [one.began for one in own]
        inside = [began for began in times if whole.began <= began < whole.ended]
        earlier = max((began for began in times if began < whole.began), default=whole.began)
        later = min((began for began in times if began >= whole.ended), default=whole.ended)
        for one, other in pairwise([earlier, *inside, later]):
            if other - one > MISSED * interval_s:
                gaps.append(Interval(max(one + interval_s, whole.began), min(other, whole.ended)))
    if not attempts:
        gaps.append(whole)
    return merge(gap for gap in gaps if gap.began < gap.ended)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the intervals in order, those that touch as one."""
    merged: list[Interval] = []
    for one in sorted(intervals):
        if merged and one.began <= merged[-1].ended:
            merged[-1] = Interval(merged[-1].began, max(merged[-1].ended, one.ended))
        else:
            merged.append(one)
    return tuple(merged)
