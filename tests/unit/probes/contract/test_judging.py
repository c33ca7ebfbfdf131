"""Each row notices answers that differ from it, and only those."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from probes.contract import load
from probes.contract.answers import CellAnswers, ContractAnswer, describe
from probes.contract.judging import ContractJudge, ContractResult, is_no_chance
from probes.contract.predicted import AskedRows, PredictedContract
from probes.contract.sources import Level
from probes.judging.promise import BackendSet, SourceKind
from probes.observation import Outcome
from topologies.common.addresses import IPAddress
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from probes.contract.judging import RowVerdict
    from probes.contract.model import ContractRow

JUDGED = [row for row in load.rows() if row.asks and row.promise]
FLIPPED = {"ok": "unanswered", "unanswered": "ok", "refused": "ok"}
STRANGER = IPAddress("203.0.113.9")


@cache
def _contract(base: str = "lab-contract", /, **overrides: str) -> PredictedContract:
    """Return what is predicted of the rows. Row 90 asks by name."""
    given: dict[str, object] = {path.replace("__", "."): value for path, value in overrides.items()}
    topology = declared(base, {"cluster_dns": True, **given})
    return PredictedContract(topology, AskedRows.of(topology))


def _base(row: ContractRow) -> str:
    """Return the library topology that asks a row: another one if it is about endpoints that are not ready."""
    return "lab-endpoint-states" if all("states" in asked for asked in row.asks) else "lab-contract"


def _judge(row: ContractRow, change: Callable[[CellAnswers], CellAnswers] = lambda one: one) -> RowVerdict:
    """Return the verdict on a row after its cells' answers were changed, those of direct connections not."""
    contract = _contract(_base(row))
    cells = contract.asked.of_row[row.id]
    own = {cell.id for cell in cells}
    answers = {name: change(one) if name in own else one for name, one in contract.judge.answers.items()}
    return ContractJudge(contract.topology, answers, contract.topology.proxy_version).judge(row, cells)


def _with(**changed: object) -> Callable[[CellAnswers], CellAnswers]:
    return lambda seen: replace(seen, answers=tuple(replace(one, **changed) for one in seen.answers))  # type: ignore[arg-type]


def _rows(*, source: SourceKind | None = None, backends: BackendSet | None = None) -> list[ContractRow]:
    promised = [(row, row.expected) for row in JUDGED if row.expected]
    return [
        row
        for row, one in promised
        if (source or one.source) is one.source and (backends or one.backends) is one.backends
    ]


def _ids(rows: Iterable[ContractRow]) -> list[str]:
    return [row.id for row in rows]


def _noticed(verdict: RowVerdict) -> bool:
    broken = {Level.MUST: ContractResult.BROKEN, Level.SHOULD: ContractResult.UNUSUAL}[verdict.level]
    return {one.result for one in verdict.cells} == {broken}


@pytest.mark.parametrize("row", JUDGED, ids=_ids(JUDGED))
def test_kube_proxy_of_today_keeps_every_row_but_the_balancers_affinity(row: ContractRow) -> None:
    wanted = ContractResult.UNUSUAL if row.id == "lb-affinity" else ContractResult.KEPT

    assert _judge(row).result is wanted


@pytest.mark.parametrize("row", JUDGED, ids=_ids(JUDGED))
def test_a_flipped_promise_is_noticed(row: ContractRow) -> None:
    flipped = row.model_copy(update={"promise": FLIPPED[row.promise.split()[0]]})

    assert _noticed(_judge(flipped))


@pytest.mark.parametrize("row", JUDGED, ids=_ids(JUDGED))
def test_one_connection_with_another_outcome_is_noticed(row: ContractRow) -> None:
    other = Outcome.OK if row.promise.split()[0] != "ok" else Outcome.TIMEOUT

    assert _noticed(_judge(row, lambda seen: replace(seen, answers=(*seen.answers, ContractAnswer(other)))))


@pytest.mark.parametrize("row", _rows(source=SourceKind.KEPT), ids=_ids(_rows(source=SourceKind.KEPT)))
def test_a_changed_source_is_noticed_where_it_is_promised(row: ContractRow) -> None:
    assert _noticed(_judge(row, _with(kept=False, source=STRANGER)))


def test_a_changed_source_is_not_noticed_elsewhere() -> None:
    others = [row for row in JUDGED if row.expected and row.expected.source is not SourceKind.KEPT]

    assert {_judge(row, _with(kept=False)).result for row in others if row.id != "lb-affinity"} == {ContractResult.KEPT}


@pytest.mark.parametrize("row", _rows(backends=BackendSet.LOCAL), ids=_ids(_rows(backends=BackendSet.LOCAL)))
def test_an_endpoint_of_another_node_is_noticed(row: ContractRow) -> None:
    assert _noticed(_judge(row, _with(backend="web-elsewhere", kept=True)))


@pytest.mark.parametrize("row", _rows(backends=BackendSet.ONE), ids=_ids(_rows(backends=BackendSet.ONE)))
def test_two_endpoints_are_noticed_with_affinity(row: ContractRow) -> None:
    verdict = _judge(row, lambda seen: replace(seen, sticky=False))

    assert _noticed(verdict)
    assert verdict.cells[0].text == "answered by web-a and web-b, want one endpoint"


@pytest.mark.parametrize("row", _rows(backends=BackendSet.ALL), ids=_ids(_rows(backends=BackendSet.ALL)))
def test_an_endpoint_that_never_answers_is_noticed(row: ContractRow) -> None:
    def only_one(seen: CellAnswers) -> CellAnswers:
        return replace(seen, answers=tuple(one for one in seen.answers if one.backend != "web-b"))

    verdict = _judge(row, only_one)

    assert any("web-b never answered, want every endpoint" in one.text for one in verdict.cells)


def test_a_few_answers_do_not_show_that_an_endpoint_is_left_out() -> None:
    assert not is_no_chance(2, 20)
    assert is_no_chance(2, 22)
    assert not is_no_chance(1, 0)


def test_a_pod_network_that_masquerades_pods_to_nodes_breaks_no_row() -> None:
    row = load.row("local-pod-node-with-source")
    verdict = _judge(row)

    assert verdict.result is ContractResult.KEPT
    assert {one.text for one in verdict.cells} == {
        "the pod network masquerades pods to nodes: the source is not judged"
    }
    assert _judge(row.model_copy(update={"network_may_masquerade": False})).result is ContractResult.UNUSUAL


def test_what_the_pod_network_drops_without_a_service_breaks_no_service_promise() -> None:
    row, contract = load.row("clusterip-pod-reaches-ready"), _contract()
    answers = {
        name: replace(one, answers=(ContractAnswer(Outcome.TIMEOUT),)) for name, one in contract.judge.answers.items()
    }
    judge = ContractJudge(contract.topology, answers, contract.topology.proxy_version)
    verdict = judge.judge(row, contract.asked.of_row[row.id])

    assert verdict.result is ContractResult.NOT_ASKED
    assert verdict.cells[0].text == "the pod network: web-a does not answer pod-n1 without a Service either"


def test_what_could_not_be_asked_is_neither_kept_nor_broken() -> None:
    row = load.row("clusterip-pod-reaches-ready")
    verdict = _judge(row, lambda seen: CellAnswers(seen.cell, unknown="exec was refused"))

    assert verdict.result is ContractResult.NOT_ASKED
    assert {one.text for one in verdict.cells} == {"exec was refused"}


def test_timeouts_where_refusals_were_rate_limited_break_no_row() -> None:
    row = load.row("clusterip-without-endpoints-refuses-pods")
    silent = (ContractAnswer(Outcome.TIMEOUT),) * 3
    mixed = (*silent, ContractAnswer(Outcome.REFUSED))

    assert _judge(row, lambda seen: CellAnswers(seen.cell, silent, limited=True)).result is ContractResult.NOT_ASKED
    assert _judge(row, lambda seen: CellAnswers(seen.cell, silent)).result is ContractResult.UNUSUAL
    assert _judge(row, lambda seen: CellAnswers(seen.cell, mixed)).result is ContractResult.KEPT


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.TIMEOUT, Outcome.REFUSED])
def test_a_free_row_reports_what_happens_and_is_never_broken(outcome: Outcome) -> None:
    row = load.row("local-pod-own-node-without")
    verdict = _judge(row, _with(outcome=outcome))

    assert verdict.result is ContractResult.FREE
    assert all(one.text.startswith(outcome.value) for one in verdict.cells)


def test_a_promise_that_is_newer_than_the_cluster_is_free() -> None:
    row, contract = load.row("local-node-own-node-without"), _contract(kubernetes="1.30.0")

    assert contract.verdict(row).result is ContractResult.FREE


@pytest.mark.parametrize(
    ("mode", "version", "name", "rules"),
    [
        ("ipvs", "1.23.17", "lb-inside-cluster-semantics", ("R4i.2",)),
        ("nftables", "1.33.0", "lb-inside-cluster-semantics", ("R5.1",)),
        ("ipvs", "1.24.0", "local-pod-other-node-without", ("R4i.3", "R4i.4")),
        ("iptables", "1.23.0", "internal-policy-leaves-outside-clients", ("R6.1",)),
        ("ipvs", "1.37.0", "internal-local-pod-without-endpoint", ("R6.9", "R2.3")),
    ],
)
def test_the_rule_of_kube_proxy_that_breaks_a_row_is_named(
    mode: str, version: str, name: str, rules: tuple[str, ...]
) -> None:
    verdict = _contract(proxy__mode=mode, kubernetes=version).verdict(load.row(name))

    assert verdict.result in {ContractResult.BROKEN, ContractResult.UNUSUAL}
    assert rules in {one.rules for one in verdict.cells}


def test_answers_that_differ_are_counted() -> None:
    ok, lost = ContractAnswer(Outcome.OK, STRANGER, kept=True), ContractAnswer(Outcome.TIMEOUT)

    assert describe([ok, ok]) == "ok from kept"
    assert describe([ok, lost, ok]) == "2 of 3 ok from kept, 1 timeout"


def test_nodes_that_drop_what_they_forward_break_no_service_promise() -> None:
    topology = declared("lab-forward-drop", {})
    contract = PredictedContract(topology, AskedRows.of(topology))
    verdicts = {verdict.row.id: verdict for verdict in contract.verdicts()}

    assert verdicts["pod-to-pod"].result is ContractResult.BROKEN
    assert verdicts["local-outside-node-with"].result is not ContractResult.BROKEN
    assert {row for row, verdict in verdicts.items() if verdict.result is ContractResult.BROKEN} == {
        "pod-to-pod",
        "node-to-pod",
    }


def _answered_by(name: str, row: ContractRow, cell: str) -> ContractResult:
    """Return the verdict on one cell of a row that only this backend answers."""
    verdict = _judge(row, _with(outcome=Outcome.OK, backend=name, kept=True))
    return next(one.result for one in verdict.cells if one.cell == f"{cell}-v4-tcp")


@pytest.mark.parametrize(
    ("name", "place", "serving", "others"),
    [
        ("ready-preferred-to-terminating", "pod-n3-to-mix.clusterip", "mix-a", ("mix-b",)),
        ("all-terminating-clusterip", "pod-n3-to-going.clusterip", "going-b", ("mix-a",)),
        ("local-terminating-nodeport", "ext-e1-to-mix-lb-local.nodeport.n2", "mix-b", ("going-a",)),
        ("local-terminating-clusterip", "pod-n1-to-last-inner.clusterip", "last-a", ("mix-a",)),
        ("unready-served-if-published", "ext-e1-to-down-np-published.nodeport.n1", "down-a", ("over-a",)),
    ],
)
def test_only_the_endpoints_that_the_states_leave_may_answer(
    name: str, place: str, serving: str, others: tuple[str, ...]
) -> None:
    row = load.row(name)

    assert _answered_by(serving, row, place) is ContractResult.KEPT
    assert {_answered_by(other, row, place) for other in others} == {ContractResult.UNUSUAL}


@pytest.mark.parametrize("mode", ["iptables", "ipvs"])
def test_the_rules_of_1_25_serve_no_terminating_endpoint_and_break_no_row_then(mode: str) -> None:
    contract = _contract("lab-endpoint-states", proxy__mode=mode, kubernetes="1.25.16")
    verdicts = {verdict.row.number: verdict for verdict in contract.verdicts() if verdict.cells}

    assert {verdicts[number].result for number in (52, 53, 54, 55)} == {ContractResult.FREE}
    assert {one.text.partition(" ")[0] for number in (52, 53) for one in verdicts[number].cells} <= {"refused"}
    assert {verdicts[number].result for number in (8, 9)} == {ContractResult.KEPT}
