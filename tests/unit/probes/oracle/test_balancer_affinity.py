"""What a load balancer's session affinity makes of a Service with sessionAffinity: ClientIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.oracle.predict import expect
from probes.plan.plan import plan
from tests.unit.probes.oracle.test_cases import CASES
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from probes.oracle.expectation import Expectation
    from topologies.schema.topology import Topology

EVERYWHERE = [{"name": f"ctl-{x}", "app": "ctl", "node": f"node-{x}"} for x in range(3)]
KEPT, NOT_KEPT = (True, 0.0), (False, 0.0)
PER_NODE = (False, 1 / 3)  # a client moves between three nodes
CLIENT_IP = {"session_affinity": "client-ip"}


def served(kind: str, **facts: Any) -> Topology:
    """Return three nodes with an endpoint each behind a balancer of this kind. Services lb and lb-local are sticky."""
    sticky = {f"workload.services.{name}.session_affinity": "ClientIP" for name in ("lb", "lb-local")}
    balancer = {"kind": kind, "addresses": "192.168.64.128/25", **facts}
    outside = {"name": "ext", "kind": "external", "external": "client"}
    clients = [outside, {"name": "pod", "kind": "pod", "node": "node-0"}]
    work = {"workload.backends": EVERYWHERE, "workload.vantages": clients, "cni": {"kind": "routed"}, **sticky}
    return declared(str(CASES / "metallb-l2-local.yaml"), {"load_balancer": balancer, **work})


def expected(topology: Topology, cell: str = "ext-to-lb.loadbalancer") -> Expectation:
    wanted = next(one for one in plan(topology).cells if one.id == f"{cell}-v4-tcp")
    return expect(topology, snapshot_of(topology), wanted)


def affinity(topology: Topology, cell: str = "ext-to-lb.loadbalancer") -> tuple[bool, float]:
    found = expected(topology, cell)
    return found.sticky, found.sticky_per_node


@pytest.mark.parametrize(
    ("kind", "facts", "kept"),
    [
        ("inline", {}, PER_NODE),
        ("inline", CLIENT_IP, KEPT),
        ("full-nat", {"address": "192.168.64.5"}, PER_NODE),
        ("full-nat", {"address": "192.168.64.5", **CLIENT_IP}, KEPT),
        ("metallb-bgp", {}, PER_NODE),
        ("metallb-bgp", CLIENT_IP, KEPT),
        ("metallb-l2", {}, KEPT),  # one node has the address
        ("gcp", {}, KEPT),
        ("gcp", {"session_affinity": "none"}, PER_NODE),
        ("azure-no-floating", {}, KEPT),
        ("nlb-instance", {}, PER_NODE),
        ("nlb-ip", {}, NOT_KEPT),  # no kube-proxy on the way
        ("nlb-ip", CLIENT_IP, KEPT),
    ],
)
def test_a_client_is_kept_on_one_backend_by_the_balancer_or_by_each_node(
    kind: str, facts: dict[str, Any], kept: tuple[bool, float]
) -> None:
    assert affinity(served(kind, **facts)) == pytest.approx(kept)


@pytest.mark.parametrize("facts", [{}, CLIENT_IP])
def test_a_balancers_affinity_concerns_its_own_cells_of_sticky_services(facts: dict[str, Any]) -> None:
    topology = served("inline", **facts)

    assert affinity(topology, "pod-to-lb.loadbalancer") == KEPT  # kube-proxy of the client's node serves the address
    assert affinity(topology, "ext-to-lb.nodeport.node-0") == KEPT
    assert affinity(topology, "ext-to-lb-fenced.loadbalancer") == NOT_KEPT
    assert affinity(topology, "ext-to-lb.loadbalancer.undeclared") == NOT_KEPT


def with_one_backend(topology: Topology) -> Topology:
    work = topology.workload.model_copy(update={"backends": topology.workload.backends[:1]})
    return topology.model_copy(update={"workload": work})


def test_the_only_node_of_a_pool_keeps_the_client() -> None:
    topology = served("inline")

    assert affinity(topology, "ext-to-lb-local.loadbalancer") == pytest.approx(PER_NODE)
    assert affinity(with_one_backend(topology), "ext-to-lb-local.loadbalancer") == KEPT


def test_nodes_with_the_same_answer_are_not_distinguished() -> None:
    topology = with_one_backend(served("metallb-bgp", announced_by="all"))  # the two nodes without endpoint drop

    assert affinity(topology, "ext-to-lb-local.loadbalancer") == pytest.approx((False, 2 / 3))


def test_an_unknown_affinity_leaves_both_results() -> None:
    found = expected(served("inline", session_affinity="unknown"))

    assert {(one.sticky, bool(one.sticky_per_node)) for one in found.possible} == {(True, False), (False, True)}
    assert not found.sticky
    assert not found.independent


def test_both_rules_name_the_affinity() -> None:
    assert {"L29"} == set(expected(served("inline", **CLIENT_IP)).rules) & {"L29", "L30"}
    assert {"L30"} == set(expected(served("inline")).rules) & {"L29", "L30"}
    assert {"L29", "L30"}.isdisjoint(expected(served("metallb-l2")).rules)
