"""What counts as a change, between predictions and observations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from probes.judging.verdict import Result
from probes.observation import Outcome
from reports.analysis.diff import Comparison, Kind, compare, compare_cell, schema
from reports.analysis.diff_side import Reply, Side, SideAnswer
from reports.analysis.samples import Samples
from reports.records.prediction import Prediction
from reports.records.record import Record
from reports.records.run import DeclaredTopology, Run
from reports.records.schema import Address, CellKey, Expected, ExpectedPath, Observed, Try
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

CELL = CellKey(
    id="pod-n1-to-web.nodeport.n2-v4-tcp",
    vantage="pod-n1",
    vantage_kind="pod",
    vantage_node="n1",
    service="web",
    frontend="nodeport.n2",
    frontend_kind="nodeport",
    family="v4",
    protocol="tcp",
)
KEPT = Address(address="10.244.1.10", name="kept", kept=True)
VTEP = Address(address="10.244.1.0", name="vtep(n1)")
TIMEOUT, REFUSED = Reply(Outcome.TIMEOUT), Reply(Outcome.REFUSED)
A, B = Reply(Outcome.OK, "kept", "web-a"), Reply(Outcome.OK, "kept", "web-b")
LOST = Reply(Outcome.OK, "vtep(n1)", "web-a")


def predicted(*replies: Reply, rules: tuple[str, ...] = ("R3.3",), shares: tuple[float, ...] = ()) -> SideAnswer:
    weights = shares or (1 / len(replies),) * len(replies)
    return SideAnswer(CELL, dict(zip(replies, weights, strict=True)), frozenset(replies), rules)


def way(outcome: Outcome, source: Address | None = None, backend: str | None = None, **more: Any) -> ExpectedPath:
    return ExpectedPath(outcome=outcome, sources=(source,) if source else (), backend=backend, **more)


def attempt(outcome: Outcome, source: Address | None = None, backend: str | None = None) -> Try:
    return Try(outcome=outcome, source=source, backend=backend)


def side(verdict: Result, ways: list[ExpectedPath], attempts: list[Try], *, sticky: bool = False) -> Side:
    """A run of one cell with these attempts, where these ways were expected."""
    outcomes = {one.outcome: sum(other.outcome is one.outcome for other in attempts) for one in attempts}
    record = Record(
        cell=CELL,
        verdict=verdict,
        expected=Expected(summary="", paths=tuple(ways), sticky=sticky),
        observed=Observed(
            summary="", outcomes=outcomes, attempts=tuple(attempts), trouble="" if attempts else "SSH down"
        ),
        rules=("R3.3",),
    )
    run = Run(topology=DeclaredTopology(name="lab"), started="2026-11-22T05:35:08Z", records=(record,))
    return Side.observed("run", run)


def answer(*arguments: Any, **named: Any) -> SideAnswer:
    return side(*arguments, **named).answers[CELL.id]


def kind(before: SideAnswer, after: SideAnswer) -> Kind | None:
    found = compare_cell(before, after)
    return found.kind if found else None


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ((A, B), (TIMEOUT,), Kind.LOST_REACHABILITY),
        ((A, TIMEOUT), (TIMEOUT,), Kind.LOST_REACHABILITY),
        ((A, B), (A, TIMEOUT), Kind.INTERMITTENT),
        ((REFUSED,), (A, TIMEOUT), Kind.GAINED_REACHABILITY),
        ((A, TIMEOUT), (A,), Kind.GAINED_REACHABILITY),
        ((A,), (A, B), Kind.WRONG_BACKEND),
        ((A,), (LOST._replace(backend="web-b"),), Kind.WRONG_BACKEND),
        ((A, B), (B,), Kind.FEWER_BACKENDS),
        ((A,), (LOST,), Kind.LOST_SOURCE),
        ((LOST,), (A,), Kind.GAINED_SOURCE),
        ((LOST,), (LOST._replace(source="primary(n1)"),), Kind.CHANGED_SOURCE),
        ((A, B._replace(source="vtep(n1)")), (B, LOST), Kind.CHANGED_SOURCE),
        ((TIMEOUT,), (REFUSED,), Kind.CHANGED_REFUSAL),
        ((A, TIMEOUT), (A, REFUSED), Kind.CHANGED_REFUSAL),
        ((A, B), (B, A), None),
    ],
)
def test_a_change_has_the_worst_kind_that_fits(
    before: tuple[Reply, ...], after: tuple[Reply, ...], wanted: Kind | None
) -> None:
    assert kind(predicted(*before), predicted(*after)) is wanted


def test_other_probabilities_and_other_rules_are_changes_of_their_own() -> None:
    rare, often = predicted(A, TIMEOUT, shares=(0.75, 0.25)), predicted(A, TIMEOUT, shares=(0.5, 0.5))

    assert kind(rare, often) is Kind.CHANGED_SHARE
    assert kind(predicted(A), predicted(A, rules=("R4.1",))) is Kind.CHANGED_BECAUSE


def test_kinds_go_from_worst_to_mildest_and_every_one_is_counted() -> None:
    found = compare(
        Side("a", "predicted", "", {CELL.id: predicted(A)}, {}),
        Side("b", "predicted", "", {CELL.id: predicted(TIMEOUT)}, {}),
    )

    assert list(found.counts) == list(Kind)
    assert found.counts[Kind.LOST_REACHABILITY] == 1
    assert found.compared == 1
    assert found.same == 0


def test_a_sample_that_missed_an_allowed_answer_is_no_change() -> None:
    ways = [way(Outcome.OK, KEPT, "web-a", share=0.5), way(Outcome.OK, KEPT, "web-b", share=0.5)]
    only_a = answer(Result.PASS, ways, [attempt(Outcome.OK, KEPT, "web-a")] * 3, sticky=True)
    only_b = answer(Result.PASS, ways, [attempt(Outcome.OK, KEPT, "web-b")] * 3, sticky=True)

    assert kind(only_a, only_b) is None
    assert kind(only_a, predicted(A, B)) is None
    assert kind(predicted(A, B), only_a) is None


def test_nodes_that_each_keep_a_client_may_all_keep_it_on_one_backend() -> None:
    ways = [way(Outcome.OK, KEPT, "web-a", share=0.5), way(Outcome.OK, KEPT, "web-b", share=0.5)]
    only_a = answer(Result.PASS, ways[:1], [attempt(Outcome.OK, KEPT, "web-a")] * 14)

    after = Side("run", "observed", "", {CELL.id: only_a}, {})
    counts = {}
    for share in (0.0, 1.0):
        answers = {CELL.id: replace(predicted(A, B), sticky_per_node=share)}
        counts[share] = compare(Side("lab", "predicted", "", answers, {}), after).same

    assert counts == {0.0: 0, 1.0: 1}


def test_a_sample_is_placed_by_what_it_was_allowed_to_show() -> None:
    ways = [way(Outcome.OK, KEPT, "web-a", share=0.5), way(Outcome.OK, VTEP, "web-b", share=0.5)]
    lucky = answer(Result.PASS, ways, [attempt(Outcome.OK, KEPT, "web-a")] * 3)
    elsewhere = B._replace(source="primary(n1)")

    assert kind(lucky, predicted(A, elsewhere)) is Kind.CHANGED_SOURCE


def test_one_answer_of_two_that_are_right_is_no_change() -> None:
    either = [way(Outcome.UNREACHABLE, share=0.5), way(Outcome.TIMEOUT, share=0.5)]
    seen = answer(Result.PASS, either, [attempt(Outcome.TIMEOUT)])

    assert kind(seen, predicted(Reply(Outcome.UNREACHABLE), TIMEOUT)) is None


def test_what_a_failing_run_showed_is_held_against_it() -> None:
    failed = answer(Result.FAIL, [way(Outcome.OK, KEPT, "web-a")], [attempt(Outcome.TIMEOUT)] * 3)

    assert kind(predicted(A), failed) is Kind.LOST_REACHABILITY
    assert kind(failed, predicted(A)) is Kind.GAINED_REACHABILITY


def test_silence_among_refusals_by_icmp_is_the_rate_limit() -> None:
    refusal = [way(Outcome.REFUSED, by_icmp=True)]
    limited = answer(Result.PASS, refusal, [attempt(Outcome.REFUSED), attempt(Outcome.TIMEOUT)])

    assert kind(predicted(REFUSED), limited) is None
    assert kind(limited, predicted(TIMEOUT)) is Kind.CHANGED_REFUSAL


def test_sources_are_compared_by_name_for_addresses_differ_between_clusters() -> None:
    here = answer(Result.PASS, [way(Outcome.OK, KEPT, "web-a")], [attempt(Outcome.OK, KEPT, "web-a")])
    moved = KEPT.model_copy(update={"address": VTEP.address})
    there = answer(Result.PASS, [way(Outcome.OK, moved, "web-a")], [attempt(Outcome.OK, moved, "web-a")])
    lost = answer(Result.PASS, [way(Outcome.OK, VTEP, "web-a")], [attempt(Outcome.OK, VTEP, "web-a")])

    assert kind(here, there) is None
    assert kind(here, lost) is Kind.LOST_SOURCE


def test_what_could_not_be_asked_is_not_compared_with_a_prediction_and_says_why() -> None:
    unasked = side(Result.INCONCLUSIVE, [way(Outcome.OK, KEPT, "web-a")], [])

    found = compare(Side("a", "predicted", "", {CELL.id: predicted(A)}, {}), unasked)

    assert found.compared == 0
    assert [one.reason for one in found.not_compared] == ["after: inconclusive: SSH down"]
    assert sum(found.counts.values()) == 0


def test_a_run_cut_short_names_what_it_did_not_ask() -> None:
    run = Run(topology=DeclaredTopology(name="lab"), started="2026-11-22T05:35:08Z", plan=(CELL.id,))
    asked = side(Result.PASS, [way(Outcome.OK, KEPT, "web-a")], [attempt(Outcome.OK, KEPT, "web-a")])

    found = compare(Side.observed("cut", run), asked)

    assert [one.reason for one in found.not_compared] == ["before: not asked: the run did not get that far"]


def test_a_group_has_the_rule_that_decides_after_and_the_one_that_decided_before() -> None:
    before, after = predicted(A, rules=("R0.1", "R4.1", "R4.6")), predicted(TIMEOUT, rules=("R0.1", "R4.4"))
    found = compare(Side("a", "predicted", "", {CELL.id: before}, {}), Side("b", "predicted", "", {CELL.id: after}, {}))

    (group,) = found.groups
    assert group.come is not None
    assert ([rule.id for rule in group.gone], group.come.id) == (["R4.1"], "R4.4")
    assert group.gone[0].sentence
    assert group.gone[0].citation


def test_a_comparison_survives_json_and_has_a_schema() -> None:
    before, after = predicted(A), predicted(TIMEOUT, rules=("R9.99",))
    found = compare(Side("a", "predicted", "", {CELL.id: before}, {}), Side("b", "predicted", "", {CELL.id: after}, {}))

    assert Comparison.model_validate_json(found.model_dump_json()) == found
    assert [reply.outcome for reply in found.groups[0].changes[0].after_replies] == [Outcome.TIMEOUT]
    assert json.loads(schema())["title"] == "A Hairpin comparison"


def test_a_topology_compared_with_itself_does_not_change(world: Topology) -> None:
    one = Side.predicted("one", Prediction.of(world))

    found = compare(one, one)

    assert found.groups == ()
    assert found.same == found.compared == len(one.answers)


@pytest.fixture(params=["lab-flannel", "ack-terway", "cce-tunnel"])
def world(request: pytest.FixtureRequest) -> Topology:
    return load(request.param)


def test_a_cell_with_several_possible_results_is_no_evidence_of_a_missing_backend() -> None:
    """Shares of several possible results mean nothing: web-b need not have been picked there."""
    ways = [way(Outcome.OK, KEPT, "web-a", share=0.5), way(Outcome.OK, KEPT, "web-b", share=0.5)]
    few = answer(Result.PASS, ways, [attempt(Outcome.OK, KEPT, "web-a")] * 3)
    many = answer(Result.PASS, ways, [attempt(Outcome.OK, KEPT, "web-a")] * 30)
    open_cell = replace(predicted(A, B, shares=(0.75, 0.25)), possible=2)

    def refuted(other: SideAnswer) -> bool:
        return Samples({"few": (predicted(A, B), few), "many": (other, many)}).likelihood("few").refuted

    assert refuted(predicted(A, B))
    assert not refuted(open_cell)
