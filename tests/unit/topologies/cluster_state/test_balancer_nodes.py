"""Nodes that exist and are not declared: the load balancer uses them, and so the expectation has to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from topologies.cluster_state import balancer_nodes
from topologies.cluster_state.balancer_nodes import find_other_nodes
from topologies.cluster_state.real_cluster import RealCluster, RealNode
from topologies.cluster_state.snapshot import OtherNode, Snapshot, declared
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.frontends import FrontendKind
from topologies.loading.load import load

if TYPE_CHECKING:
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

WHOLE = load("lab-flannel")
FOURTH = WHOLE.nodes[3]
PART = WHOLE.model_copy(update={"nodes": WHOLE.nodes[:3]})
OTHER = OtherNode("n4", FOURTH.address, FOURTH.pod_cidr)
SEEN = replace(declared(WHOLE), other_nodes=(OTHER,))
BALANCED = [
    cell for cell in plan(WHOLE).cells if cell.frontend.kind is FrontendKind.LOAD_BALANCER and cell.vantage.node != "n4"
]


def expect_all(topology: Topology, snapshot: Snapshot) -> dict[str, Expectation]:
    model = model_cluster(topology, snapshot)
    return {cell.id: predict(model, cell) for cell in BALANCED}


def test_there_are_cells_and_no_vantage_or_backend_is_on_the_fourth_node() -> None:
    assert len(BALANCED) > 50
    used = {one.node for one in WHOLE.workload.backends} | {one.node for one in WHOLE.workload.vantages} - {"n4"}
    assert "n4" not in used


def test_an_undeclared_node_counts_as_a_declared_one() -> None:
    assert expect_all(PART, SEEN) == expect_all(WHOLE, declared(WHOLE))


def test_without_it_the_expectation_is_another_one() -> None:
    assert expect_all(PART, declared(WHOLE)) != expect_all(WHOLE, declared(WHOLE))


def share(expectation: Expectation, outcome: Outcome) -> float:
    return sum(path.share for path in expectation.paths if path.outcome is outcome)


@cache
def other_nodes(count: int) -> tuple[OtherNode, ...]:
    return tuple(
        OtherNode(f"m{one}", IPAddress("198.18.1.20") + one, IPNetwork(f"10.244.{100 + one}.0/24"))
        for one in range(count)
    )


@pytest.mark.parametrize("count", [9, 60])
def test_many_undeclared_nodes_are_computed_as_one(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = replace(declared(WHOLE), other_nodes=other_nodes(count))
    grouped = expect_all(PART, snapshot)
    assert len(model_cluster(PART, snapshot).balancer_nodes.nodes) == len(PART.nodes) + 1
    monkeypatch.setattr(balancer_nodes, "FEW", 1000)
    alone = expect_all(PART, snapshot)

    for cell, one in alone.items():
        assert grouped[cell].sources == one.sources
        assert grouped[cell].outcomes == one.outcomes
        for outcome in one.outcomes:
            assert share(one, outcome) == pytest.approx(share(grouped[cell], outcome))


def test_an_alias_that_an_undeclared_node_has_as_its_name_is_another_node() -> None:
    snapshot = replace(declared(WHOLE), other_nodes=(replace(OTHER, name="n1"),))
    model = model_cluster(PART, snapshot)

    assert [node.name for node in model.balancer_nodes.nodes] == ["n1", "n2", "n3", "undeclared-n1"]


def test_what_the_api_lists_and_the_topology_lacks() -> None:
    real = RealCluster(
        nodes=(
            RealNode("n1", ("198.18.1.11",)),
            RealNode("n4", ("fd00::4", "198.18.1.14"), ("fd00:4::/64", "10.244.4.0/24")),
            RealNode("n5", ("198.18.1.15",)),
            RealNode("ipv6", ("fd00::6",)),
            RealNode("control-plane", ("198.18.1.9",), excluded=True),
        )
    )

    assert find_other_nodes(PART, real) == (OTHER, OtherNode("n5", IPAddress("198.18.1.15")))


def results(topology: Topology, snapshot: Snapshot, cell: Cell, seen: Observation) -> Result:
    known = session.Answers(snapshot, {cell.id: seen}, {}, {})
    return Judge.over(topology, known, [cell])(cell).result


def test_5_of_20_samples_through_the_fourth_node_pass_if_it_is_known() -> None:
    cell = next(one for one in BALANCED if one.id.startswith("ext-") and one.frontend.service == "web-lb")
    full = predict(model_cluster(WHOLE, declared(WHOLE)), cell)
    alone = predict(model_cluster(PART, declared(WHOLE)), cell)
    through = [path for path in full.paths if path.sources - alone.sources]
    direct = [path for path in alone.paths if path.outcome is Outcome.OK]
    assert through
    new = min(through[0].sources - alone.sources)
    picked = [(new, through[0].backend)] * 5
    picked += [(min(path.sources), path.backend) for path in (direct[index % len(direct)] for index in range(15))]
    attempts = tuple(Attempt(Outcome.OK, source=source, backend=backend) for source, backend in picked)
    seen = Observation(cell.id, "198.18.100.1:80", attempts)

    assert results(PART, SEEN, cell, seen) is Result.PASS
    assert results(PART, declared(WHOLE), cell, seen) is Result.FAIL
