"""The order of the phases, and the turns of cells in IPVS mode."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from probes.asking import runner, schedule
from probes.asking.vantage_run import VantageRun
from probes.asking.vantages.base import Completed, at_once
from probes.plan.plan import plan
from tests.unit.support.questions import OK, question
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.cluster_state.snapshot import declared
from topologies.frontends import resolve
from topologies.loading.load import load
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.observation import Attempt, Observation
    from topologies.frontends import Target

FLANNEL = load("lab-flannel")
MASQUERADED = load("lab-ipvs-tke")
CELLS = {name: {cell.id: cell for cell in plan(load(name)).cells} for name in ("lab-ipvs-tke", "lab-ipvs-eni")}


def test_the_phases_are_probed_in_one_order() -> None:
    """Without results there are no silent cells and no load, so that the phases made from results are missing."""
    questions = [question(80), question(81, turn=3), question(82, turn=1)]
    run = VantageRun(SimulatedVantage("pod-n1", lambda _: OK), questions)

    names = [phase.name for phase in schedule.phases([run])]

    assert names == ["first attempts", "sample", "rest of the sample", "turn 1", "turn 3"]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("pod-n1-to-none-lb.clusterip-v4-tcp", {"limited"}),
        ("pod-n1-to-none-lb-local.nodeport.n2-v4-tcp", {"limited", "silent"}),
        ("ext-e1-to-none-lb.loadbalancer-v4-tcp", {"limited"}),
        ("ext-e1-to-none-lb.clusterip-v4-tcp", {"silent"}),  # leads nowhere, so nobody refuses
        ("pod-n1-to-none-lb.loadbalancer.undeclared-v4-tcp", set()),  # no port of that Service
        ("pod-n1-to-web-affinity.clusterip-v4-tcp", {"sticky"}),
        ("pod-n1-to-web-lb-local.nodeport.n1-v4-tcp", set()),
        ("pod-n1-to-web-lb-local.nodeport.n3-v4-tcp", {"silent"}),
    ],
)
def test_a_question_has_the_declared_facts_that_decide_its_phase(name: str, flags: set[str]) -> None:
    [cell] = [one for one in plan(FLANNEL).cells if one.id == name]

    asked = schedule.build_question(FLANNEL, cell, resolve(cell.frontend, FLANNEL, declared(FLANNEL)))

    assert {flag for flag in ("limited", "sticky", "silent") if getattr(asked, flag)} == flags


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("pod-n1-to-web-np.clusterip-v4-tcp", 0),
        ("pod-n1-to-web-np.nodeport.n1-v4-tcp", 0),  # its own node's
        ("pod-n1-to-web-lb.loadbalancer.undeclared-v4-tcp", 0),  # to no node at all
        ("ext-e1-to-web-np.nodeport.n1-v4-tcp", 0),  # from an address that nobody is masqueraded to
        ("self-web-a-to-web-np-local.nodeport.n3-v4-tcp", 1),  # no endpoint is there
        ("pod-n3-to-web-np.nodeport.n1-v4-tcp", 2),
        ("pod-n3-to-web-lb.loadbalancer-v4-tcp", 2),  # a hostname in the status: past its own node's ipvs
        ("pod-n1-to-web-np.nodeport.n2-v4-tcp", 3),
        ("host-n1-to-web-np.nodeport.n2-v4-tcp", 3),
        ("host-n1-to-web-np.nodeport.n3-v4-tcp", 0),  # leaves records where no answer of others passes
    ],
)
def test_what_comes_to_other_nodes_comes_later(name: str, turn: int) -> None:
    cell = CELLS["lab-ipvs-tke"][name]

    assert schedule.plan_turns(MASQUERADED)(cell) == turn


def test_only_processes_of_a_node_come_later_where_no_pod_is_masqueraded() -> None:
    there, cells = load("lab-ipvs-eni"), CELLS["lab-ipvs-eni"]
    asked = [(who, node) for who in ("pod-n1", "host-n1") for node in ("n2", "n3")]

    turn_of = schedule.plan_turns(there)
    found = {asking: turn_of(cells["{}-to-web-np.nodeport.{}-v4-tcp".format(*asking)]) for asking in asked}

    assert found == {("pod-n1", "n2"): 0, ("pod-n1", "n3"): 0, ("host-n1", "n2"): 3, ("host-n1", "n3"): 0}


def test_only_ipvs_finds_a_connection_without_the_address_that_was_asked() -> None:
    there = load("lab-flannel")
    turn_of = schedule.plan_turns(there)

    assert {turn_of(cell) for cell in plan(there).cells} == {0}


def test_a_later_turn_comes_when_every_vantage_is_through_with_those_before() -> None:
    order: list[int] = []

    def note(target: Target) -> Attempt:
        order.append(target.port)
        return OK

    names = ("pod-n1", "host-n1")
    questions = {
        name: [question(port + at, vantage=name, sample=2, turn=(300 - port) // 100) for port in (100, 200, 300)]
        for at, name in enumerate(names)
    }
    told: list[dict[str, Observation]] = []
    vantages = {name: SimulatedVantage(name, note) for name in names}
    found = runner.ask(questions, vantages, together=1, done=told.append)

    assert [sorted(order[at : at + 4]) for at in (0, 4, 8)] == [[h, h, h + 1, h + 1] for h in (300, 200, 100)]
    assert [len(one.attempts) for one in found.values()] == [2] * 6
    assert len(told) == 7  # three times a vantage, and the whole
    assert [len(one) for one in told] == [1, 1, 2, 2, 3, 3, 6]  # nothing of a cell whose turn has not come


@pytest.mark.parametrize(
    ("kind", "homes", "few", "together"),
    [
        (VantageKind.POD, ("n1", "n1"), True, False),
        (VantageKind.POD, ("n1", "n2"), True, True),
        (VantageKind.NODE, ("n1", "n1"), False, False),
    ],
)
def test_in_a_later_turn_pods_ask_few_at_a_time_and_one_vantage_of_a_node(
    kind: VantageKind, homes: tuple[str, ...], few: bool, together: bool
) -> None:
    both = threading.Barrier(2)
    met: list[bool] = []
    parallel: list[bool] = []

    class Seen(SimulatedVantage):
        def run(
            self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
        ) -> Completed:
            parallel.append(any(f"--parallel-max {schedule.MASQUERADED_PARALLEL_MAX} " in word for word in command))
            try:
                both.wait(0.5)
                met.append(True)
            except threading.BrokenBarrierError:
                met.append(False)
            return super().run(command, stdin, timeout, gate)

    names = dict(zip(("one", "other"), homes, strict=True))
    questions = {name: [question(80, vantage=name, home=home, kind=kind, turn=1)] for name, home in names.items()}
    runner.ask(questions, {name: Seen(name, lambda _: OK) for name in questions})

    assert parallel == [few] * 2
    assert met == [together] * 2
