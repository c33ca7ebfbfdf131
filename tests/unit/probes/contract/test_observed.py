"""A run's observations held against the contract: ten planted violations are named by row, and a true run has none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.contract.judging import ContractResult
from probes.contract.observed import ObservedContract
from probes.judging.run_judge import Judge
from probes.observation import Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.common.addresses import IPAddress
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.observation import Attempt

DIFFERS = {ContractResult.BROKEN, ContractResult.UNUSUAL}
STRANGER = IPAddress("203.0.113.9")
BALANCER = "lb-affinity"  # the lab's balancer spreads the connections of one client over all nodes


@cache
def _simulated(kubernetes: str = "1.37.2", mode: str = "iptables") -> tuple[ObservedContract, session.Answers]:
    topology = declared("lab-contract", {"kubernetes": kubernetes, "proxy.mode": mode})
    cells = plan(topology).cells
    answers = session.simulate(topology, cells, lambda cell, snapshot: expect(topology, snapshot, cell))
    return ObservedContract(Judge.over(topology, answers, cells), cells), answers


def _with(cell: str, change: Callable[[Attempt], Attempt]) -> ObservedContract:
    """Return the simulated run with one cell's attempts changed."""
    contract, answers = _simulated()
    name = f"{cell}-v4-tcp"
    seen = answers.observations[name]
    changed = replace(seen, attempts=tuple(map(change, seen.attempts)))
    planted = replace(answers, observations={**answers.observations, name: changed})
    return ObservedContract(Judge.over(contract.judge.topology, planted, contract.cells), contract.cells)


def _differing(contract: ObservedContract) -> dict[str, set[str]]:
    found = (verdict for verdict in contract.verdicts() if verdict.result in DIFFERS)
    return {
        verdict.row.id: {one.cell.removesuffix("-v4-tcp") for one in verdict.cells if one.result in DIFFERS}
        for verdict in found
        if verdict.row.id != BALANCER
    }


def test_a_cluster_that_keeps_the_contract_has_no_differing_row() -> None:
    assert _differing(_simulated()[0]) == {}


def _ends(outcome: Outcome) -> Callable[[Attempt], Attempt]:
    return lambda one: replace(one, outcome=outcome, source=None, backend=None)


def _answers(backend: str, source: IPAddress | None = None) -> Callable[[Attempt], Attempt]:
    return lambda one: replace(one, outcome=Outcome.OK, backend=backend, source=source or one.source)


def _seen_from(one: Attempt) -> Attempt:
    return replace(one, source=STRANGER)


PLANTED = {
    "clusterip-pod-reaches-ready": ("pod-n3-to-web.clusterip", _ends(Outcome.TIMEOUT)),
    "clusterip-pod-source-kept": ("pod-n3-to-web.clusterip", _seen_from),
    "clusterip-without-endpoints-refuses-pods": ("pod-n1-to-none.clusterip", _ends(Outcome.TIMEOUT)),
    "nodeport-outside-reaches-every-node": ("ext-e1-to-web-np.nodeport.n3", _ends(Outcome.REFUSED)),
    "local-outside-node-with": ("ext-e1-to-web-np-local.nodeport.n1", _seen_from),
    "local-outside-node-without": ("ext-e1-to-web-np-local.nodeport.n3", _answers("web-a", STRANGER)),
    "lb-inside-cluster-semantics": ("pod-n3-to-web-lb-local.loadbalancer", _ends(Outcome.TIMEOUT)),
    "internal-local-pod-beside-endpoint": ("pod-n1-to-web-inner.clusterip", _answers("web-b")),
    "internal-local-pod-without-endpoint": ("pod-n3-to-web-inner.clusterip", _answers("web-b", STRANGER)),
    "internal-policy-leaves-outside-clients": ("ext-e1-to-web-np-inner.nodeport.n3", _ends(Outcome.REFUSED)),
}


@pytest.mark.parametrize("row", PLANTED)
def test_a_planted_violation_is_named_by_its_row_and_cell(row: str) -> None:
    cell, change = PLANTED[row]

    assert cell in _differing(_with(cell, change))[row]


def test_a_cell_that_could_not_be_asked_breaks_nothing() -> None:
    contract, answers = _simulated()
    name = "pod-n3-to-web.clusterip-v4-tcp"
    failed = replace(answers.observations[name], attempts=(), trouble="exec was refused")
    planted = replace(answers, observations={**answers.observations, name: failed})
    judged = ObservedContract(Judge.over(contract.judge.topology, planted, contract.cells), contract.cells)

    verdicts = [verdict for verdict in judged.verdicts() for one in verdict.cells if one.cell == name]

    assert _differing(judged) == {}
    assert all(
        one.result is ContractResult.NOT_ASKED for verdict in verdicts for one in verdict.cells if one.cell == name
    )


def test_what_kube_proxy_breaks_is_observed_and_predicted_alike() -> None:
    contract, _ = _simulated("1.26.0", "ipvs")
    differing = [verdict for verdict in contract.verdicts() if verdict.result in DIFFERS]

    assert {verdict.row.number for verdict in differing} == {29, 32, 45, 94, 96}
    for verdict in differing:
        predicted = contract.predicted(verdict.row)
        assert {one.cell for one in predicted.cells if one.result in DIFFERS} == {
            one.cell for one in verdict.cells if one.result in DIFFERS
        }
