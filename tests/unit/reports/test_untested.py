"""A run's output begins with what was not tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.terminal import summary
from tests.unit.support import worlds

if TYPE_CHECKING:
    from reports.records.record import Record

RECORDS = worlds.records()
HELD = "declared backend host-a is not Ready: CrashLoopBackOff"


def inconclusive(count: int, trouble: str) -> list[Record]:
    return [
        record.model_copy(
            update={
                "verdict": Result.INCONCLUSIVE,
                "observed": record.observed.model_copy(update={"trouble": trouble}),
            }
        )
        for record in RECORDS[:count]
    ]


def test_nothing_is_printed_of_a_run_that_was_tested() -> None:
    assert summary.untested([record for record in RECORDS if record.verdict is Result.PASS]) == ()


def test_each_reason_is_one_line_the_one_with_most_cells_first() -> None:
    assert summary.untested([*inconclusive(1, "port 22 closed"), *inconclusive(84, HELD)], [HELD]) == (
        f"NOT TESTED: {HELD}: 84 cells inconclusive",
        "NOT TESTED: port 22 closed: 1 cell inconclusive",
    )


def test_a_missing_backend_is_named_although_no_cell_of_it_was_chosen() -> None:
    assert summary.untested([], [HELD]) == (f"NOT TESTED: {HELD}: no cell of it was chosen",)


def test_many_reasons_are_counted() -> None:
    found = [record for number in range(9) for record in inconclusive(1, f"reason {number}")]

    assert len(summary.untested(found)) == summary.REASONS + 1
    assert summary.untested(found)[-1] == "NOT TESTED: 4 more reasons, below"
