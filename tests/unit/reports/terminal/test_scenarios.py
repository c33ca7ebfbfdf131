"""The section of scenarios at the end of a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from reports.terminal.scenarios import describe_scenarios
from tests.unit.support.conformance_runs import finished_run
from tests.unit.support.scenario_runs import affinity, kept, skipped, stored, unfinished

if TYPE_CHECKING:
    from pathlib import Path

ROWS = finished_run().contract


def test_a_scenario_is_a_line_with_the_times_of_each_node_below(tmp_path: Path) -> None:
    lines = describe_scenarios(stored(tmp_path, kept(), affinity(), skipped(), unfinished()), ROWS, 80)

    assert lines == [
        "✓ balancer: kept in 10 checks",
        "    changed  n1 0.2 to 0.5 s, n2 0.2 to 0.5 s; slowest n1",
        "✗ affinity: broken promise in 1 of 4 checks",
        "    on   n1 0.2 to 0.4 s, n2 at most 0.04 s; slowest n1",
        "    off  n1 0.3 to 0.6 s, n2 never; slowest n2",
        "    broken promise: row 17 affinity-switched-off-and-on (must), step off",
        "      asked     pod-n2 -> s-web.clusterip, decided on n2",
        "      promised  ok from-all",
        "      seen      answered by web-a",
        "- zones: skipped: the nodes have no zones",
        "? recreated: not asked: exec in pod-n1: timed out; not finished: API down",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_keeps_to_its_width(tmp_path: Path, width: int) -> None:
    long = affinity(text="answered by web-a and by web-b " * 9)
    lines = describe_scenarios(stored(tmp_path, long), ROWS, width)

    assert max(map(len, lines)) <= width
    seen = next(number for number, line in enumerate(lines) if line.startswith("      seen      answered"))
    assert re.match(r" {16}\S", lines[seen + 1])


def test_what_rules_predict_is_not_marked_as_a_failure(tmp_path: Path) -> None:
    lines = describe_scenarios(stored(tmp_path, affinity(predicted="broken", rules=("R4.3",))), ROWS, 120)

    assert lines[0] == "! affinity: broken promise in 1 of 4 checks, predicted by the rules R4.3"
    assert lines[-1] == "      seen      answered by web-a; predicted by the rules R4.3"


def test_without_scenarios_there_is_no_section() -> None:
    assert describe_scenarios((), ROWS) == []
