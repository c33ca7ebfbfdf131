"""The verdict on scenarios, on the rows that they ask, and on the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.contract.load import rows
from probes.judging.verdict import Result
from probes.scenarios.results import ScenarioResult, ScenarioStep
from reports.analysis.causes.run_verdict import RunVerdict
from reports.analysis.contract import add_contract, describe_contract
from reports.analysis.convergence import Convergence, describe_nodes, measure_nodes
from reports.analysis.scenario_rows import NO_CELLS, add_checks
from reports.analysis.scenarios import describe_scenario, judge_scenario
from tests.unit.support.broken_cluster import run_of
from tests.unit.support.conformance_runs import finished_run
from tests.unit.support.scenario_runs import (
    AT,
    BROKEN,
    FREE,
    KEPT,
    NOT_ASKED,
    UNUSUAL,
    affinity,
    check,
    kept,
    skipped,
    stored,
    unfinished,
)

if TYPE_CHECKING:
    from pathlib import Path

    from probes.contract.judging import ContractResult
    from reports.records.contract import StoredRow
    from reports.records.run import Run

AFFINITY = "affinity-switched-off-and-on"


def scenario_run(folder: Path, *results: ScenarioResult) -> Run:
    """Return a run that only ran scenarios."""
    bare = finished_run(contract=()).model_copy(update={"scenarios": stored(folder, *results)})
    return add_contract(bare)


def row_of(run: Run, name: str) -> StoredRow:
    return next(row for row in run.contract if row.row == name)


@pytest.mark.parametrize(
    ("result", "verdict", "text"),
    [
        (affinity(), Result.FAIL, "broken promise in 1 of 4 checks"),
        (
            affinity(predicted="kept"),
            Result.FAIL,
            "broken promise in 1 of 4 checks, 1 check not predicted by the rules",
        ),
        (
            affinity(predicted="broken", rules=("R4.3",)),
            Result.PASS,
            "broken promise in 1 of 4 checks, predicted by the rules R4.3",
        ),
        (affinity(UNUSUAL), Result.PASS, "unusual in 1 of 4 checks"),
        (kept(), Result.PASS, "kept in 10 checks"),
        (skipped(), None, "skipped: the nodes have no zones"),
        (unfinished(), Result.INCONCLUSIVE, "not asked: exec in pod-n1: timed out; not finished: API down"),
    ],
)
def test_a_scenario_has_a_verdict_and_words(
    tmp_path: Path, result: ScenarioResult, verdict: Result | None, text: str
) -> None:
    (one,) = stored(tmp_path, result)

    assert judge_scenario(one) is verdict
    assert describe_scenario(one) == text


def test_bounds_are_rounded_outwards_and_a_node_is_as_slow_as_its_slowest_check(tmp_path: Path) -> None:
    (one,) = stored(tmp_path, affinity())
    on, off = (measure_nodes(step.checks) for step in one.steps)

    assert describe_nodes(on) == "within 0.4 s: n1 0.2-0.4, n2 0-0.04; slowest n1"
    assert describe_nodes(off) == "never at n2; within 0.6 s: n1 0.3-0.6"
    slow = check(AFFINITY, "n1", held=(1.29, 1.31))
    assert str(Convergence.of("n1", [check(AFFINITY, "n1", held=(None, 0.3)), slow])) == "1.2 to 1.4 s"  # type: ignore[list-item] # has the same fields


def test_what_was_not_asked_or_not_promised_has_no_time() -> None:
    checks: Any = (check("a", "n1", NOT_ASKED, (None, None)), check("b", "n2", FREE, (None, None)))

    assert measure_nodes(checks) == ()
    assert describe_nodes(()) == ""


def test_of_many_nodes_the_slowest_are_listed() -> None:
    nodes = [Convergence(f"n{number}", 0.0, float(number)) for number in range(1, 10)]

    text = describe_nodes(nodes)
    assert text.startswith("within 9.0 s: n4 0-4.0, ")
    assert text.endswith("n9 0-9.0, 3 faster nodes")


def test_a_row_has_the_worst_verdict_of_its_checks(tmp_path: Path) -> None:
    run = scenario_run(tmp_path, affinity(predicted="broken", rules=("R4.3",)), kept(), skipped(), unfinished())
    row = row_of(run, AFFINITY)

    assert (row.result, row.checks, row.counts) == (BROKEN, {BROKEN: 1, KEPT: 3}, {})
    assert row.scenarios == ("affinity",)
    (one,) = row.differing
    assert one.where == "affinity, off: pod-n2-to-s-web.clusterip"
    assert (one.text, one.predicted, one.rules) == ("answered by web-a, want ok from-all", True, ("R4.3",))
    assert row_of(run, "health-check-node-port-closed").result is KEPT
    assert row_of(run, "health-check-node-port-closed").not_asked == {}


def test_a_row_that_was_not_asked_has_the_reason(tmp_path: Path) -> None:
    run = scenario_run(tmp_path, skipped(), unfinished())

    assert row_of(run, "traffic-distribution-same-zone").not_asked == {"scenario zones: the nodes have no zones": 0}
    assert row_of(run, "services-come-and-go").not_asked == {
        "scenario recreated: API down": 0,
        "exec in pod-n1: timed out": 1,
    }
    assert row_of(run, AFFINITY).not_asked == {"needs a change while it is asked: sessionAffinity changes": 0}
    assert row_of(run, "clusterip-affinity").not_asked == {NO_CELLS: 0}
    assert row_of(run, "slices-with-different-ports").not_asked != {NO_CELLS: 0}
    assert len(run.contract) == len(rows())


def test_the_text_of_a_row_has_no_time_that_differs_between_equal_runs(tmp_path: Path) -> None:
    text = "timeout, want ok (still 20 s after the change)"
    run = scenario_run(tmp_path, affinity(text=text))

    assert row_of(run, AFFINITY).differing[0].text == "timeout, want ok"
    assert run.scenarios[0].checks[3].text == text


def test_a_free_row_lists_what_happens(tmp_path: Path) -> None:
    checks = tuple(check("node-health-while-deleted", node, FREE, text="ok") for node in ("n1", "n2"))
    steps = (ScenarioStep("tainted", "n1 was tainted", AT, checks),)
    run = scenario_run(tmp_path, ScenarioResult("taint", "A taint", ("node-health-while-deleted",), steps, 1.0))

    row = row_of(run, "node-health-while-deleted")
    assert (row.result, row.free, row.checks) == (FREE, {"ok": 2}, {FREE: 2})


def test_the_checks_of_a_row_that_cells_ask_too_are_added(tmp_path: Path) -> None:
    name = "clusterip-without-endpoints-refuses-pods"
    checks = (check(name, "n1"), check(name, "n2", UNUSUAL, (3.0, None), text="timeout", promise="refused"))
    steps = (ScenarioStep("emptied", "it was scaled to zero", AT, checks),)
    stored_rows = finished_run().contract
    merged = add_checks(stored_rows, stored(tmp_path, ScenarioResult("zero", "Zero", (name,), steps, 1.0)))
    row = next(one for one in merged if one.row == name)

    assert (row.result, row.counts, row.checks) == (UNUSUAL, {KEPT: 2}, {UNUSUAL: 1, KEPT: 1})
    assert describe_contract(merged, 200)[1:] == [
        f"  unusual: row 6 {name} (should): 1 of 2 cells and 2 checks",
        "    zero, emptied: pod-n2-to-s-web.clusterip: timeout, want refused",
    ]
    assert [one for one in merged if one.row != name] == [one for one in stored_rows if one.row != name]


@pytest.mark.parametrize("result", [BROKEN, UNUSUAL, KEPT, FREE, NOT_ASKED])
def test_every_result_of_a_check_reaches_its_row(tmp_path: Path, result: ContractResult) -> None:
    steps = (ScenarioStep("a", "b", AT, (check(AFFINITY, "n1", result),)),)
    run = scenario_run(tmp_path, ScenarioResult("one", "One", (AFFINITY,), steps, 1.0))

    assert row_of(run, AFFINITY).result is result


def test_a_run_without_cells_has_the_verdict_of_its_scenarios(tmp_path: Path) -> None:
    passed = RunVerdict.of(scenario_run(tmp_path, kept(), skipped()))
    failed = RunVerdict.of(scenario_run(tmp_path, kept(), affinity()))
    unclear = RunVerdict.of(scenario_run(tmp_path, kept(), unfinished()))
    nothing = RunVerdict.of(scenario_run(tmp_path, skipped()))

    assert passed.headline == "PASS: 1 of 1 scenario (1 skipped)"
    assert failed.headline == "FAIL: 1 of 2 scenarios: affinity"
    assert unclear.headline == "INCONCLUSIVE: 1 of 2 scenarios: recreated"
    assert nothing.headline == "INCONCLUSIVE: 0 of 0 scenarios (1 skipped)"


def test_a_run_of_scenarios_that_did_not_finish_lacks_no_cells(tmp_path: Path) -> None:
    cut = scenario_run(tmp_path, skipped()).model_copy(update={"complete": False, "plan": ("a", "b")})

    assert RunVerdict.of(cut).headline == "INCONCLUSIVE: the run did not finish"


def test_a_broken_promise_is_not_hidden_behind_cells_that_pass(tmp_path: Path) -> None:
    cells = run_of("none")
    failed, passed = (cells.model_copy(update={"scenarios": stored(tmp_path, one)}) for one in (affinity(), kept()))

    assert RunVerdict.of(failed).headline == "FAIL: 1 of 1 scenario: affinity"
    assert RunVerdict.of(failed).total == "618 cells: 618 pass; 1 scenario: 1 fail"
    assert RunVerdict.of(passed).headline == "PASS: 618 of 618 cells, 1 of 1 scenario"
    assert RunVerdict.of(cells).headline == "PASS: 618 of 618 cells"
    assert RunVerdict.of(cells).total == "618 cells: 618 pass"
