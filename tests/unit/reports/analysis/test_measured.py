from __future__ import annotations

import pytest

from probes.asking.continuous.events import TimedAttempt
from probes.observation import Outcome
from reports.analysis.measured import Interval, find_gaps, merge, overlap

WHOLE = Interval(10.0, 12.0)


def attempts(*times: float, cell: str = "a") -> list[TimedAttempt]:
    return [TimedAttempt(cell, began, began + 0.01, Outcome.OK) for began in times]


def every(begin: float, end: float, interval: float) -> list[float]:
    return [begin + interval * number for number in range(int((end - begin) / interval) + 1)]


def test_attempts_in_time_leave_no_gap() -> None:
    assert find_gaps(attempts(*every(9.0, 13.0, 0.25)), WHOLE, 0.25) == ()


def test_a_time_without_attempts_is_a_gap_from_the_first_that_was_due() -> None:
    kept = [one for one in every(9.0, 13.0, 0.25) if not 10.6 < one < 11.4]

    assert find_gaps(attempts(*kept), WHOLE, 0.25) == (Interval(10.75, 11.5),)


def test_a_client_that_ended_leaves_the_rest_unmeasured() -> None:
    assert find_gaps(attempts(*every(9.0, 11.0, 0.25)), WHOLE, 0.25) == (Interval(11.25, 12.0),)


def test_a_client_that_never_asked_leaves_everything_unmeasured() -> None:
    assert find_gaps([], WHOLE, 0.25) == (WHOLE,)


def test_one_late_cell_makes_a_gap_of_its_vantage() -> None:
    late = [*attempts(*every(9.0, 13.0, 0.25)), *attempts(9.0, 10.0, 11.0, 13.0, cell="b")]

    assert find_gaps(late, WHOLE, 0.25) == (Interval(10.25, 11.0), Interval(11.25, 12.0))


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ([(1, 2), (4, 5)], [(1, 2), (4, 5)]),
        ([(4, 5), (1, 2)], [(1, 2), (4, 5)]),
        ([(1, 3), (2, 4), (4, 5)], [(1, 5)]),
        ([(1, 9), (2, 4)], [(1, 9)]),
    ],
)
def test_intervals_that_touch_are_one(given: list[tuple[float, float]], merged: list[tuple[float, float]]) -> None:
    assert list(merge(Interval(*one) for one in given)) == merged


def test_overlap_needs_a_common_moment() -> None:
    assert overlap(Interval(1, 3), [Interval(2, 5)])
    assert not overlap(Interval(1, 2), [Interval(2, 5)])
