"""A pod that never ran and a Service that got no address cost their own cells, which nothing is known of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.cluster_state.snapshot import Snapshot

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells
WORLD = session.simulate(TOPOLOGY, CELLS, lambda cell, snapshot: expect(TOPOLOGY, snapshot, cell))
PODS = {name: address for name, address in WORLD.snapshot.pods.items() if name != "pod-n2"}
SERVICES = WORLD.snapshot.services
PENDING = {**SERVICES, "web-lb": replace(SERVICES["web-lb"], load_balancer_ip=None)}


@pytest.mark.parametrize(
    ("snapshot", "lost"),
    [
        (replace(WORLD.snapshot, pods=PODS), "pod-n2-to-"),
        (replace(WORLD.snapshot, services=PENDING), "-to-web-lb.loadbalancer"),
    ],
)
def test_only_their_own_cells_are_inconclusive(snapshot: Snapshot, lost: str) -> None:
    judge = Judge.over(TOPOLOGY, replace(WORLD, snapshot=snapshot), CELLS)
    results = {cell.id: judge(cell).result for cell in CELLS}

    assert {cell: result for cell, result in results.items() if result is not Result.PASS} == {
        cell: Result.INCONCLUSIVE for cell in results if lost in cell
    }
    assert any(lost in cell for cell in results)
