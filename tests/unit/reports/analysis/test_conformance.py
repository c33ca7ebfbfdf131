"""A conformance report of runs: the statistics of Gateway API's form, features, claims, and what stays the same."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.contract.judging import ContractResult
from probes.contract.load import rows
from probes.contract.model import Feature
from probes.contract.sources import Level
from reports.analysis.conformance.build import FinishedRun, ImplementationClaim, build_report
from reports.analysis.conformance.report import (
    ConformanceError,
    ConformanceReport,
    Implementation,
    RowStatus,
    schema,
)
from reports.analysis.conformance.wording import describe_row
from tests.unit.support.conformance_runs import CELL, STARTED, finished_run
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from reports.analysis.conformance.report import ConformanceProfile, ConformanceRow
    from reports.records.run import Run

WHO = Implementation(organization="o", project="p", url="https://p.example", version="v1", contact=("@o",))
BROKEN, UNUSUAL, NOT_ASKED = ContractResult.BROKEN, ContractResult.UNUSUAL, ContractResult.NOT_ASKED


def _report(*runs: Run, **claim: Any) -> ConformanceReport:
    features: dict[str, Any] = {name: tuple(map(Feature, words)) for name, words in claim.items()}
    finished = [FinishedRun.of(f"run-{number}", run) for number, run in enumerate(runs or (finished_run(),))]
    return build_report(finished, ImplementationClaim(WHO, **features))


def _profile(report: ConformanceReport, name: str) -> ConformanceProfile:
    return next(one for one in report.profiles if one.name == name)


def _row(report: ConformanceReport, name: str) -> ConformanceRow:
    return next(row for row in (*report.rows, *report.unspecified) if row.name == name)


def _not_asked(feature: Feature) -> dict[str, Any]:
    return {row.id.replace("-", "_"): NOT_ASKED for row in rows() if feature in row.features}


def test_must_rows_are_core_and_should_rows_extended() -> None:
    services = _profile(_report(), "SERVICES")

    assert services.core.statistics.model_dump(by_alias=True) == {"Passed": 17, "Skipped": 5, "Failed": 0}
    assert services.extended
    assert services.extended.statistics.model_dump(by_alias=True) == {"Passed": 29, "Skipped": 14, "Failed": 0}
    assert services.core.result == "partial"
    assert services.summary == (
        "Core tests partially succeeded with 5 test skips. Extended tests partially succeeded with 14 test skips."
    )


def test_the_pod_network_and_the_load_balancer_have_profiles_of_their_own() -> None:
    report = _report(finished_run(lb_affinity=UNUSUAL))
    balancer = _profile(report, "LOAD-BALANCER")

    assert [one.name for one in report.profiles] == ["LOAD-BALANCER", "POD-NETWORK", "SERVICES"]
    assert balancer.core.result == "success"
    assert balancer.extended
    assert balancer.extended.result == "failure"
    assert balancer.extended.failed_tests == ("lb-affinity",)
    assert "failed with 1 test failures" in balancer.summary


def test_a_broken_must_fails_the_core_with_the_cell_and_the_rules_that_predict_it() -> None:
    report = _report(finished_run(local_outside_node_without=BROKEN))
    row = _row(report, "local-outside-node-without")

    assert _profile(report, "SERVICES").core.failed_tests == ("local-outside-node-without",)
    assert row.status is RowStatus.FAILED
    assert [one.cell for one in row.evidence] == [CELL]
    assert describe_row(row) == "broken promise in 1 of 2 cells, predicted by the rules R4i.3, R4i.4"
    assert set(report.rules) == {"R4i.3", "R4i.4"}
    assert all(report.rules.values())


def test_what_is_unspecified_is_a_list_of_what_the_network_does() -> None:
    report = _report()

    assert {row.level for row in report.unspecified} == {Level.UNSPECIFIED}
    assert Level.UNSPECIFIED not in {row.level for row in report.rows}
    assert len(report.rows) + len(report.unspecified) == len(rows())
    assert describe_row(_row(report, "local-pod-own-node-without")) == "ok from kept (2 cells)"


def test_a_row_that_hairpin_has_no_test_of_is_named_and_does_not_count() -> None:
    report = _report()
    row = _row(report, "invalid-conntrack-state")

    assert row.status is RowStatus.UNTESTED
    assert row.name not in str(_profile(report, row.profile))


def test_a_row_without_a_source_that_was_read_is_provisional_and_does_not_count() -> None:
    kept = _report()
    provisional = [row for row in kept.rows if row.provisional]

    assert [row.number for row in provisional] == [66]
    assert not any(row.counts for row in provisional)
    now: dict[str, Any] = {provisional[0].name.replace("-", "_"): ContractResult.KEPT}
    passed = _report(finished_run(**now))
    assert passed.succeeded_provisional_tests == (provisional[0].name,)


def test_features_are_supported_unsupported_or_skipped() -> None:
    extended = _profile(_report(unsupported=["sctp"]), "SERVICES").extended

    assert extended
    assert extended.supported_features == ("all-node-addresses", "external-ips", "load-balancer", "outside-client")
    assert extended.unsupported_features == ("sctp",)
    assert extended.skipped_features == ("dual-stack", "udp", "zones")


def test_rows_of_an_unsupported_feature_do_not_count() -> None:
    without = _not_asked(Feature.EXTERNAL_IPS)
    skipped, unsupported = (_report(finished_run(**without), unsupported=one) for one in ((), ["external-ips"]))

    assert _profile(skipped, "SERVICES").core.statistics.skipped == 5 + 3
    assert _profile(unsupported, "SERVICES").core.statistics.skipped == 5
    assert _row(unsupported, "externalip-outside").status is RowStatus.UNSUPPORTED


def test_a_profile_without_a_row_that_counts_is_left_out() -> None:
    without = _not_asked(Feature.LOAD_BALANCER)
    report = _report(finished_run(**without), unsupported=["load-balancer"])

    assert [one.name for one in report.profiles] == ["POD-NETWORK", "SERVICES"]


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"claims": ["load-balancer"]}, r"claims load-balancer: got 6 rows \(38 health.* of 12 skipped"),
        ({"claims": ["sctp"]}, r"claims sctp: got no row asked, want every row of 1 row \(69 sctp"),
        ({"unsupported": ["external-ips"]}, r"unsupported external-ips: got 3 rows .* asked, want a run without it"),
        ({"claims": ["udp"], "unsupported": ["udp"]}, "udp: got it in both, want it in one"),
    ],
)
def test_a_claim_that_the_runs_do_not_show_is_refused(claim: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        _report(**claim)


def test_a_claim_whose_rows_were_all_asked_is_reported() -> None:
    assert _report(claims=["outside-client", "external-ips"]).claimed_features == ("external-ips", "outside-client")


def test_one_skipped_row_refuses_the_claim() -> None:
    with pytest.raises(ConformanceError, match=r"1 row \(98 externalip-outside: it needs more\) of 3 skipped"):
        _report(finished_run(externalip_outside=NOT_ASKED), claims=["external-ips"])


def test_a_row_has_its_worst_verdict_of_all_runs_in_any_order() -> None:
    runs = (
        finished_run(externalip_outside=BROKEN, lb_affinity=NOT_ASKED),
        finished_run(lb_affinity=UNUSUAL, externalip_outside=NOT_ASKED, command="pytest -k more"),
    )
    report, other = (_report(*order) for order in (runs, runs[::-1]))

    assert _row(report, "externalip-outside").result is BROKEN
    assert _row(report, "lb-affinity").result is UNUSUAL
    assert _row(report, "externalip-outside").reasons == ()
    assert _row(report, "clusterip-pod-reaches-ready").cells == {"kept": 4}
    assert [one.command for one in report.reproduce] == ["pytest --topology=lab-contract", "pytest -k more"]
    assert other.model_copy(update={"runs": report.runs}) == report


def test_runs_of_two_implementations_are_refused() -> None:
    with pytest.raises(
        ConformanceError, match=r"got kube-proxy iptables 1\.37\.2 in Kubernetes 1\.37\.2 .run-0. and kube"
    ):
        _report(finished_run(), finished_run("lab-small"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"complete": False}, "run-0: got a run that was not finished"), ({"contract": ()}, "got a run without observ")],
)
def test_a_run_that_shows_nothing_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        _report(finished_run(**changed))


def test_only_the_date_and_the_runs_differ_between_two_reports_of_one_result() -> None:
    later = finished_run(finished=STARTED + timedelta(hours=1))
    first, second = (build_report([FinishedRun.of(name, run)], ImplementationClaim(WHO)).to_yaml().splitlines()
                     for name, run in (("a", finished_run()), ("b", later)))  # fmt: skip

    differing = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    assert differing == [("date: '2026-11-26T12:00:00Z'", "date: '2026-11-26T13:00:00Z'"), ("- a", "- b")]


def test_it_has_the_shape_of_gateway_apis_report() -> None:
    written = yaml.safe_load(_report(finished_run(lb_affinity=UNUSUAL)).to_yaml())

    assert list(written) == sorted(written)
    assert written["kind"] == "ConformanceReport"
    assert set(written["implementation"]) == {"organization", "project", "url", "version", "contact"}
    assert {"apiVersion", "date", "mode", "profiles"} <= set(written)
    profile = written["profiles"][0]
    assert set(profile) == {"name", "summary", "core", "extended"}
    assert set(profile["core"]) == {"result", "statistics"}
    assert set(profile["extended"]) >= {"result", "statistics", "skippedTests", "failedTests", "supportedFeatures"}


def test_json_and_yaml_hold_the_same_and_can_be_read() -> None:
    report = _report(finished_run(lb_affinity=UNUSUAL))

    assert json.loads(report.to_json()) == yaml.safe_load(report.to_yaml())
    assert ConformanceReport.model_validate_json(report.to_json()) == report


def test_the_schema_is_that_of_the_models() -> None:
    known = (ROOT / "docs" / "conformance.schema.json").read_text(encoding="utf-8")

    assert known == schema(), (
        "make it again: python -m reports.analysis.conformance.report > docs/conformance.schema.json"
    )
