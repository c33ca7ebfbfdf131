"""A conformance report of a run of the matrix and a run of scenarios: rows, claims, times, JUnit, page and diff."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.contract.load import rows
from probes.contract.model import Feature
from reports.analysis.conformance.build import FinishedRun, ImplementationClaim, build_report
from reports.analysis.conformance.convergence import describe_row_convergence, select_row
from reports.analysis.conformance.diff import ConformanceSide, RowChangeKind, compare_reports
from reports.analysis.conformance.junit import write_junit
from reports.analysis.conformance.report import ConformanceError, ConformanceReport, Implementation, RowStatus
from reports.analysis.conformance.rows import merge_rows
from reports.analysis.conformance.wording import describe_row
from reports.analysis.contract import add_contract
from reports.html import conformance as page
from reports.terminal import conformance as terminal
from tests.unit.support.conformance_runs import finished_run
from tests.unit.support.scenario_runs import BALANCER_ROWS, BROKEN, UNUSUAL, affinity, kept, skipped, stored

if TYPE_CHECKING:
    from pathlib import Path

    from probes.scenarios.results import ScenarioResult
    from reports.analysis.conformance.report import ConformanceRow
    from reports.records.run import Run

WHO = Implementation(organization="o", project="p", url="https://p.example", version="v1", contact=("@o",))
AFFINITY = "affinity-switched-off-and-on"
UPDATED = "lb-no-disruption-during-update"
NEEDED = (*BALANCER_ROWS, UPDATED)


def _scenarios(folder: Path, *results: ScenarioResult, **more: Any) -> Run:
    bare = finished_run(contract=(), command="pytest --topology=lab-contract suites/scenarios", **more)
    return add_contract(bare.model_copy(update={"scenarios": stored(folder, *results)}))


def _report(*runs: Run, claims: tuple[str, ...] = ()) -> ConformanceReport:
    finished = [FinishedRun.of(f"run-{number}", run) for number, run in enumerate(runs)]
    return build_report(finished, ImplementationClaim(WHO, claims=tuple(map(Feature, claims))))


def _row(report: ConformanceReport, name: str) -> ConformanceRow:
    return next(row for row in (*report.rows, *report.unspecified) if row.name == name)


def test_rows_that_scenarios_ask_count_as_passed_and_failed(tmp_path: Path) -> None:
    matrix = finished_run()
    report = _report(matrix, _scenarios(tmp_path, affinity(), kept()))
    before, after = (
        next(one for one in given.profiles if one.name == "SERVICES") for given in (_report(matrix), report)
    )

    assert before.core.statistics.skipped == after.core.statistics.skipped + 1
    assert after.core.failed_tests == (AFFINITY,)
    row = _row(report, AFFINITY)
    assert (row.status, row.scenarios, row.checks) == (RowStatus.FAILED, ("affinity",), {BROKEN: 1, "kept": 3})
    assert describe_row(row) == "broken promise in 1 of 4 checks"
    assert [(one.scenario, one.step, one.cell) for one in row.evidence] == [
        ("affinity", "off", "pod-n2-to-s-web.clusterip")
    ]
    assert describe_row(_row(report, BALANCER_ROWS[0])) == "kept in 2 checks"
    assert describe_row(_row(report, "clusterip-pod-reaches-ready")) == "kept in 2 cells"
    assert len(report.rows) + len(report.unspecified) == len(rows())


def test_the_claim_of_load_balancer_needs_the_run_of_scenarios(tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match=r"claims load-balancer: got 6 rows .* skipped"):
        _report(finished_run(), claims=("load-balancer",))

    report = _report(finished_run(), _scenarios(tmp_path, kept(rows=NEEDED)), claims=("load-balancer",))
    assert report.claimed_features == ("load-balancer",)


def test_a_skipped_scenario_still_refuses_the_claim_and_names_its_reason(tmp_path: Path) -> None:
    without = [row for row in NEEDED if row != UPDATED]
    given = _scenarios(tmp_path, kept(rows=tuple(without)), skipped())

    with pytest.raises(ConformanceError, match=r"got 1 row \(82 lb-no-disruption-during-update"):
        _report(finished_run(), given, claims=("load-balancer",))
    reason = _row(_report(finished_run(), given), "traffic-distribution-same-zone").reasons
    assert "scenario zones: the nodes have no zones" in reason


def test_runs_merge_in_any_order_and_the_slowest_time_counts(tmp_path: Path) -> None:
    runs = [finished_run(), *(_scenarios(tmp_path, kept(took=took)) for took in (0.5, 2.0, 1.0))]
    report, other = _report(*runs), _report(*runs[::-1])

    assert other.convergence == report.convergence
    assert other.rows == report.rows
    (one,) = select_row(BALANCER_ROWS[0], report.convergence)
    assert describe_row_convergence(one) == "balancer, changed: within 2.0 s: n1 1.0-2.0, n2 1.0-2.0"


def test_two_equal_runs_differ_only_in_their_times(tmp_path: Path) -> None:
    first, second = (_report(finished_run(), _scenarios(tmp_path, kept(took=took))) for took in (0.5, 0.7))
    one, two = (yaml.safe_load(report.to_yaml()) for report in (first, second))

    assert {key for key in one if one[key] != two[key]} == {"convergence"}
    sides = [ConformanceSide(name, (*given.rows, *given.unspecified)) for name, given in (("a", first), ("b", second))]
    assert compare_reports(*sides).changes == ()


def test_times_are_numbers_and_a_promise_that_never_held_has_none(tmp_path: Path) -> None:
    written = yaml.safe_load(_report(_scenarios(tmp_path, affinity())).to_yaml())

    assert written["convergence"][0] == {
        "row": AFFINITY,
        "scenario": "affinity",
        "step": "off",
        "topology": "lab-contract",
        "nodes": [
            {"node": "n1", "moreThanSeconds": 0.31, "atMostSeconds": 0.52},
            {"node": "n2", "moreThanSeconds": 9.8, "never": True},
        ],
    }
    assert written["convergence"][1]["nodes"][1] == {"node": "n2", "atMostSeconds": 0.04}


def test_without_scenarios_the_report_has_no_new_key() -> None:
    text = _report(finished_run()).to_yaml()

    assert re.findall(r"convergence|checks|scenarios?:", text) == []


def test_a_diff_shows_rows_that_scenarios_ask(tmp_path: Path) -> None:
    sides = [
        ConformanceSide(name, merge_rows([run]))
        for name, run in (
            ("matrix", finished_run()),
            ("good", _scenarios(tmp_path, affinity(UNUSUAL), kept())),
            ("bad", _scenarios(tmp_path, affinity(BROKEN), kept())),
        )
    ]
    found = compare_reports(sides[1], sides[2])

    assert [(one.kind, one.name) for one in found.changes] == [(RowChangeKind.NEWLY_BROKEN, AFFINITY)]
    assert found.changes[0].evidence == (
        "affinity, off: pod-n2-to-s-web.clusterip: answered by web-a, want ok from-all",
    )
    asked = [one for one in compare_reports(sides[0], sides[1]).changes if one.kind is RowChangeKind.NEWLY_ASKED]
    assert {one.name for one in asked} >= set(BALANCER_ROWS)


def test_junit_has_the_times_of_a_row(tmp_path: Path) -> None:
    root = ET.fromstring(write_junit(_report(_scenarios(tmp_path, affinity()))))  # noqa: S314 - our own text
    (case,) = (one for one in root.iter("testcase") if one.get("name") == AFFINITY)
    found = {one.get("name"): one.get("value") for one in case.iter("property")}

    assert found["converged_s lab-contract affinity (off) n1"] == "0.52"
    assert found["converged_s lab-contract affinity (off) n2"] == "never"
    assert sum(bool(list(one.iter("property"))) for one in root.iter("testcase")) == 1


def test_the_terminal_and_the_page_have_the_times(tmp_path: Path) -> None:
    report = _report(finished_run(), _scenarios(tmp_path, affinity(), kept()))
    text, html = terminal.render(report, 80), page.render(report)

    assert "How long until a change took effect:" in text
    assert f"{AFFINITY}, affinity, off: never at n2; within 0.6 s: n1 0.3-0.6" in " ".join(text.split())
    assert "and 4 faster ones (--all)" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "<dt>took effect</dt><dd>affinity, off: never at n2; within 0.6 s: n1 0.3-0.6" in html
    assert "<code>affinity, off: pod-n2-to-s-web.clusterip</code>" in html
    assert "How long" not in terminal.render(_report(finished_run()), 80)
