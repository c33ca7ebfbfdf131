"""What a fault predicts for one cell, where it meets other facts of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.diagnosis.faults import NoRules
from probes.diagnosis.network_faults import LeftOutByBalancer
from probes.oracle.predict import expect
from probes.oracle.rule import replace_decisions
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from probes.diagnosis.change import ClusterChange


def outcomes(fault: ClusterChange, cell: str, name: str = "lab-flannel", **facts: Any) -> set[str]:
    """Return the outcomes of a cell in a cluster with a fault."""
    topology = declared(name, facts)
    wanted = next(one for one in plan(topology).cells if one.id == f"{cell}-v4-tcp")
    with replace_decisions(fault.bend):
        return {str(one) for one in expect(topology, snapshot_of(topology), wanted).outcomes}


@pytest.mark.parametrize(
    ("name", "receiving", "spelt"),
    [
        ("lab-flannel", "n1", "ext-e1-to-web-xip.externalip"),
        ("lab-metallb-l2", "n2", "ext-e1-to-web-lb.loadbalancer"),
    ],
)
def test_a_packet_that_arrives_unchanged_at_a_node_without_rules_loops(name: str, receiving: str, spelt: str) -> None:
    """No host owns the address: the node returns the packet, as at a port that no Service declares (L6)."""
    assert outcomes(NoRules(receiving), spelt, name) == {"timeout", "unreachable"}


@pytest.mark.parametrize(
    ("empty_pool", "expected"),
    [("refuse", {"refused"}), ("drop", {"timeout"}), ("withdraw", {"timeout", "unreachable"})],
)
def test_a_balancer_that_leaves_out_its_only_node_has_an_empty_pool(empty_pool: str, expected: set[str]) -> None:
    facts: dict[str, Any] = {"load_balancer.empty_pool": empty_pool, "load_balancer.health_checks": True}

    assert outcomes(LeftOutByBalancer("n2"), "ext-e1-to-host-lb-local.loadbalancer", **facts) == expected
