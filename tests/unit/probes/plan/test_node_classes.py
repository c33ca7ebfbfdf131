"""Which nodes are asked: one of each class of the cluster, stated in the plan, or every node."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from bench.scale import with_nodes
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import Plan, plan, plan_cells
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import TopologyError, load, raw, validated
from topologies.loading.overrides import apply
from topologies.schema import limits

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

GIVEN, SOURCE = raw("lab-flannel")
SERVICE = "web-np"
CLIENT = "pod-n1"


def declare(**nodes: dict[str, Any]) -> Topology:
    """lab-flannel with six nodes, some of which have facts of their own."""
    given = {**GIVEN, "nodes": 6}
    return validated(
        apply(given, {f"nodes.{name}.{key}": value for name, facts in nodes.items() for key, value in facts.items()}),
        SOURCE,
    )


def asked(planned: Plan) -> list[str]:
    """The nodes at which one client asks one Service."""
    found = [cell for cell in planned.cells if cell.vantage.name == CLIENT and cell.frontend.service == SERVICE]
    return [str(cell.frontend.node) for cell in found if cell.frontend.label == f"nodeport.{cell.frontend.node}"]


def reasons(planned: Plan) -> list[str]:
    return [one.reason for one in planned.omissions if one.cell.startswith(f"{CLIENT}-to-{SERVICE}.nodeport.n")]


def test_without_facts_of_nodes_there_are_three_classes() -> None:
    assert asked(plan(declare())) == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"zone": "b"}, "zone b"),
        ({"arch": "arm64"}, "arm64"),
        ({"instance_type": "m5.large"}, "m5.large"),
        ({"kernel_version": "6.1.0"}, "kernel 6.1.0"),
        ({"kubelet_version": "1.23.4"}, "kubelet 1.23.4"),
        ({"proxy.version": "1.23.4"}, "kube-proxy 1.23.4"),
    ],
)
def test_one_node_of_each_class_is_asked_and_the_plan_states_the_class(facts: dict[str, str], words: str) -> None:
    planned = plan(declare(n4=facts, n5=facts))

    assert asked(planned) == ["n1", "n2", "n3", "n4"]
    assert f"n5 is another node without an endpoint ({words}), as is n4, which is asked" in reasons(planned)
    assert "n6 is another node without an endpoint, as is n3, which is asked" in reasons(planned)


@pytest.mark.parametrize("facts", [{"kernel.rp_filter": 1}, {"cni.masquerade": "none"}, {"proxy.masquerade_all": True}])
def test_a_node_with_facts_of_its_own_is_a_class(facts: dict[str, Any]) -> None:
    assert asked(plan(declare(n5=facts))) == ["n1", "n2", "n3", "n5"]


def test_classes_are_told_apart_by_all_their_facts() -> None:
    planned = plan(declare(n2={"zone": "a"}, n3={"zone": "b"}, n4={"zone": "a", "arch": "arm64"}, n5={"zone": "b"}))

    assert asked(planned) == ["n1", "n2", "n3", "n4", "n6"]
    assert "n5 is another node without an endpoint (zone b), as is n3, which is asked" in reasons(planned)


def test_every_node_is_asked_on_request() -> None:
    planned = plan(declare(n4={"zone": "b"}), every_node=True)

    assert sorted(asked(planned)) == ["n1", "n2", "n3", "n4", "n5", "n6"]
    assert reasons(planned) == []


def test_a_node_that_is_not_linux_is_left_out_with_the_reason() -> None:
    planned = plan(declare(n4={"os": "windows"}, n5={"os": "linux"}))

    assert asked(planned) == ["n1", "n2", "n3"]
    assert "n4 runs windows: the rules are those of kube-proxy on Linux" in reasons(planned)


def test_the_standard_workload_uses_nodes_that_can_run_the_image() -> None:
    nodes = [{"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24"} for x in range(1, 6)]
    nodes[0]["os"], nodes[1]["arch"], nodes[2]["arch"] = "windows", "arm64", "amd64"
    topology = validated({**GIVEN, "nodes": nodes, "images": {"architectures": ["amd64"]}}, SOURCE)

    used = {one.node for one in topology.workload.backends} | {one.node for one in topology.workload.vantages}
    assert "n3" in used
    assert not used & {"n1", "n2"}


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"os": "windows"}, "n1: it runs windows"), ({"arch": "arm64"}, "n1: the image does not exist for arm64")],
)
def test_a_pod_on_a_node_that_cannot_run_it_is_a_complaint(facts: dict[str, str], why: str) -> None:
    work = {
        "backends": [{"name": "a", "app": "a", "node": "n1"}],
        "services": [{"name": "a", "app": "a"}],
        "vantages": [{"name": "v", "kind": "pod", "node": "n2"}],
    }
    changed = {f"nodes.n1.{key}": value for key, value in facts.items()} | {"images.architectures": ["amd64"]}
    with pytest.raises(TopologyError) as caught:
        validated(apply({**GIVEN, "external_ips": [], "workload": work}, changed), SOURCE)

    [found] = caught.value.complaints
    assert str(found) == f"workload.backends[0].node: got {why}, want a node that can run the image"


def test_the_cells_of_a_run_that_asked_every_node_are_found_again() -> None:
    topology = declare()
    every = plan(topology, every_node=True).cells
    few = plan(topology).cells

    assert plan_cells(topology, {cell.id for cell in every}) == list(every)
    assert plan_cells(topology, {cell.id for cell in few}) == list(few)


def test_many_nodes_of_a_class_are_listed_up_to_a_limit_and_counted_beyond() -> None:
    planned = plan(with_nodes(load("lab-flannel"), 500))
    left = [one for one in planned.omissions if one.cell.startswith(f"{CLIENT}-to-{SERVICE}.nodeport.n")]

    assert asked(planned) == ["n1", "n2", "n3"]
    assert len(left) == limits.LISTED
    assert left[-1].reason == (
        f"{500 - 2 - limits.LISTED} more nodes are another node without an endpoint, as is n3, which is asked"
    )


@pytest.mark.parametrize("count", [200, 5000])
def test_a_large_cluster_is_planned_and_predicted_in_about_a_second(count: int) -> None:
    topology = with_nodes(load("lab-flannel"), count)
    began = time.process_time()
    planned = plan(topology)
    took = time.process_time() - began
    model = model_cluster(topology, declared(topology))
    began = time.process_time()
    for cell in planned.cells:
        predict(model, cell)

    assert len(planned.cells) < 700
    assert took < 2
    assert time.process_time() - began < 5
