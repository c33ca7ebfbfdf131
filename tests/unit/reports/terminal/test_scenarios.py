"""The section of scenarios at the end of a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from probes.scenarios.results import ScenarioResult, ScenarioStep
from reports.terminal.scenarios import describe_scenarios
from tests.unit.support.conformance_runs import finished_run
from tests.unit.support.scenario_runs import AT, UNUSUAL, affinity, check, kept, skipped, stored, unfinished

if TYPE_CHECKING:
    from pathlib import Path

ROWS = finished_run().contract


def test_a_scenario_is_a_line_with_the_times_of_each_node_below(tmp_path: Path) -> None:
    lines = describe_scenarios(stored(tmp_path, kept(), affinity(), skipped(), unfinished()), ROWS, 80)

    assert lines == [
        "✓ balancer: kept in 10 checks",
        "    changed  within 0.5 s: n1 0.2-0.5, n2 0.2-0.5",
        "✗ affinity: broken promise in 1 of 4 checks",
        "    on   within 0.4 s: n1 0.2-0.4, n2 0-0.04; slowest n1",
        "    off  never at n2; within 0.6 s: n1 0.3-0.6",
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


def test_clients_that_saw_the_same_are_one_entry(tmp_path: Path) -> None:
    row, text = "service-proxy-name-ignored", "ok from kept, want unanswered"
    bad = [check(row, node, UNUSUAL, (9.8, None), promise="unanswered", text=text) for node in ("n1", "n2")]
    other = check(row, "n3", UNUSUAL, (9.8, None), promise="unanswered", text="reset, want unanswered")
    steps = (ScenarioStep("added", "the label is added", AT, (*bad, other)),)
    lines = describe_scenarios(stored(tmp_path, ScenarioResult("label", "A label", (row,), steps, 1.0)), ROWS, 80)

    assert lines == [
        "! label: unusual in 3 checks",
        "    added  never at n1, n2, n3",
        "    unusual: row 12 service-proxy-name-ignored (should), step added",
        "      asked     pod-n1, pod-n2 -> s-web.clusterip, decided on n1, n2",
        "      promised  unanswered",
        "      seen      ok from kept, want unanswered",
        "    unusual: row 12 service-proxy-name-ignored (should), step added",
        "      asked     pod-n3 -> s-web.clusterip, decided on n3",
        "      promised  unanswered",
        "      seen      reset, want unanswered",
    ]
