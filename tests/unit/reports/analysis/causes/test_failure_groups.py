"""What one repair would mend is one group: faults of simulated clusters, and explanations that cover cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Facet, Result
from reports.analysis.causes.common_factors import Coordinates
from reports.analysis.causes.differences import Direction, describe_difference, format_difference
from reports.analysis.causes.failure_groups import FailureGroup, group_failures
from reports.records.schema import ChangedFact, StoredExplanation
from tests.unit.support.broken_cluster import run_of

if TYPE_CHECKING:
    from reports.records.run import Run

N1, SERVICE = "all asked from n1", "all of Service web-np-local"


def groups_of(run: Run) -> tuple[FailureGroup, ...]:
    return group_failures(run.records, run.topology.declared, run.explanations)


def failed_in(run: Run) -> list[str]:
    return [record.cell.id for record in run.records if record.verdict is Result.FAIL]


@pytest.mark.parametrize(
    ("fault", "cells", "where"),
    [
        ("cni-masquerade", 65, N1),
        ("proxy", 50, "46 of 50 at NodePorts of n2"),
        ("policy", 27, SERVICE),
    ],
)
def test_one_fault_is_one_cause_with_its_place(fault: str, cells: int, where: str) -> None:
    (group,) = groups_of(run_of(fault))

    assert (len(group.records), group.where) == (cells, where)


def test_two_faults_at_two_places_are_two_causes() -> None:
    masquerade, policy = run_of("cni-masquerade"), run_of("policy")
    other = {record.cell.id: record for record in policy.records if record.verdict is Result.FAIL}
    both = masquerade.model_copy(
        update={"records": tuple(other.get(record.cell.id, record) for record in masquerade.records)}
    )
    first, second = groups_of(both)

    assert (first.where, second.where) == (N1, "all of Service web-np-local, asked from inside the cluster") or (
        first.where,
        second.where,
    ) == (N1, SERVICE)
    assert len(first.records) + len(second.records) == len(failed_in(both))


def test_a_client_that_could_not_probe_is_one_cause_and_no_failure() -> None:
    (group,) = groups_of(run_of("host-down"))

    assert group.verdict is Result.INCONCLUSIVE
    assert group.headline == "SSH to ext-e1: connection refused"
    assert {record.cell.vantage for record in group.records} == {"ext-e1"}


def explained(run: Run, cells: list[str], contradicted: int = 0) -> Run:
    change = ChangedFact(path="nodes.n2.proxy.mode", value="none", was="iptables", text="kube-proxy of n2 is stopped")
    one = StoredExplanation(
        text="kube-proxy of n2 is stopped", certain=True, changes=(change,), explained=tuple(cells), red=len(cells),
        contradicted=contradicted,
    )  # fmt: skip
    return run.model_copy(update={"explanations": (one,)})


def test_what_one_explanation_covers_is_one_cause() -> None:
    run = run_of("proxy")
    half = failed_in(run)[::2]
    first, *others = groups_of(explained(run, half))

    assert first.explanation == "kube-proxy of n2 is stopped" or others[0].explanation == "kube-proxy of n2 is stopped"
    covered = next(group for group in (first, *others) if group.explanation)
    assert [record.cell.id for record in covered.records] == half


def test_an_explanation_that_contradicts_passed_cells_makes_no_cause() -> None:
    run = run_of("proxy")

    assert [group.explanation for group in groups_of(explained(run, failed_in(run), contradicted=3))] == [""]


def test_ways_to_differ_name_what_was_expected_and_observed() -> None:
    (group,) = groups_of(run_of("cni-masquerade"))
    ways = [(len(one.records), str(one.difference)) for one in group.differences]

    assert ways[:2] == [
        (34, "expected source primary(n1), observed source kept"),
        (14, "expected ok, observed timeout"),
    ]
    assert sum(count for count, _ in ways) == 65


def test_directions_are_told_apart() -> None:
    found = {describe_difference(record).direction for record in groups_of(run_of("cni-masquerade"))[0].records}

    assert found == {Direction.NOT_MASQUERADED, Direction.NOT_PRESERVED, Direction.LOST, Direction.GAINED}


@pytest.mark.parametrize(("sticky", "due"), [(True, "one backend"), (False, "several nodes")])
def test_a_broken_affinity_names_what_was_due(sticky: bool, due: str) -> None:
    record = run_of("cni-masquerade").records[0]
    broken = record.model_copy(
        update={
            "facets": {Facet.AFFINITY: Result.FAIL},
            "expected": record.expected.model_copy(update={"sticky": sticky}),
        }
    )

    found = describe_difference(broken)

    assert (found.direction, found.expected) == (Direction.AFFINITY, due)


def test_a_matrix_shows_the_source_that_was_seen_and_the_one_that_was_due() -> None:
    records = {record.cell.id: record for record in run_of("cni-masquerade").records}

    assert format_difference(records["pod-n1-to-host.clusterip-v4-tcp"]) == ("source kept", "expected primary(n1)")
    assert format_difference(records["pod-n3-to-host.clusterip-v4-tcp"]) == ("", "")


def test_what_all_cells_of_a_run_share_is_no_factor() -> None:
    run = run_of("proxy")
    only = [record for record in run.records if record.cell.service == "web-np"]
    failed = [record for record in only if record.verdict is Result.FAIL]

    texts = [factor.text for factor in Coordinates.count(only, run.topology.declared).share(failed)]
    assert texts[0] == "at NodePorts of n2"
    assert "of Service web-np" not in texts


def test_a_run_without_a_readable_topology_is_still_grouped() -> None:
    run = run_of("policy")

    (group,) = group_failures(run.records, {"workload": {"services": 7}})
    assert group.where == SERVICE


def test_a_cell_that_no_backend_answered_has_no_answer() -> None:
    passed = run_of("none").records[0]
    record = passed.model_copy(
        update={
            "facets": {Facet.REACHABILITY: Result.PASS, Facet.BACKENDS: Result.FAIL},
            "observed": passed.observed.model_copy(update={"backends": {}}),
        }
    )

    assert describe_difference(record).observed == "no answer"
