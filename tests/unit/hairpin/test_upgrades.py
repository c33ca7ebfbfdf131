"""The vendors' statements about an upgrade or of a mode, row by row, against `hairpin diff`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from reports.analysis.diff import Comparison, Kind, compare
from reports.analysis.diff_side import Side
from reports.records.prediction import Prediction
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from reports.analysis.diff import ChangeGroup

pytestmark = pytest.mark.slow

OLD, NEW = {"kubernetes": "1.22.15"}, {"kubernetes": "1.24.6"}
# In the standard workload web-a is on n1, web-b and host-a (on the host network) on n2; n3 and n4 have no endpoint.
# Each line: the document's row, the network, the cell, its answer before 1.24 and from 1.24 on (=: the same).
ROWS = """
B Cluster: lost             | terway  | pod-n3-to-web-lb.loadbalancer         | both primary(n3) | =
B Cluster: lost             | flannel | pod-n3-to-web-lb.loadbalancer         | both primary(n3) | =
B Local, endpoint here      | terway  | pod-n1-to-web-lb-local.loadbalancer   | web-a kept       | =
B Local, endpoint here      | flannel | pod-n1-to-web-lb-local.loadbalancer   | web-a kept       | =
B Local, none here          | terway  | pod-n3-to-web-lb-local.loadbalancer   | refused          | both kept
B Local, none here          | flannel | pod-n3-to-web-lb-local.loadbalancer   | refused          | both kept
C by the SLB                | terway  | ext-e1-to-web-lb-local.loadbalancer   | both kept        | =
C by the SLB                | flannel | ext-e1-to-web-lb-local.loadbalancer   | both kept        | =
D node with endpoint        | terway  | ext-e1-to-web-np-local.nodeport.n1    | web-a kept       | =
D node with endpoint        | flannel | ext-e1-to-web-np-local.nodeport.n1    | web-a kept       | =
D node without, terway      | terway  | ext-e1-to-web-np-local.nodeport.n3    | refused          | timeout
D node without, hostNetwork | terway  | ext-e1-to-host-np-local.nodeport.n1   | refused          | timeout
D node without, hostNetwork | flannel | ext-e1-to-host-np-local.nodeport.n1   | refused          | timeout
D node without, flannel pod | flannel | ext-e1-to-web-np-local.nodeport.n3    | refused          | both primary(n3)
E own, endpoint             | terway  | host-n1-to-web-np-local.nodeport.n1   | web-a kept       | =
E own, endpoint             | flannel | host-n1-to-web-np-local.nodeport.n1   | web-a kept       | =
E SLB, endpoint             | terway  | host-n1-to-web-lb-local.loadbalancer  | web-a VIP        | =
E SLB, endpoint             | flannel | host-n1-to-web-lb-local.loadbalancer  | web-a VIP        | =
E own, none, terway         | terway  | host-n3-to-web-np-local.nodeport.n3   | refused          | both kept
E own, none, hostNetwork    | terway  | host-n3-to-host-np-local.nodeport.n3  | refused          | host-a kept
E own, none, hostNetwork    | flannel | host-n3-to-host-np-local.nodeport.n3  | refused          | host-a kept
E other node's, terway      | terway  | host-n1-to-web-np-local.nodeport.n3   | refused          | timeout
E other node's, hostNetwork | flannel | host-n1-to-host-np-local.nodeport.n3  | refused          | timeout
E other node's, flannel pod | flannel | host-n1-to-web-np-local.nodeport.n3   | refused          | both primary(n3)
E SLB, none, terway         | terway  | host-n3-to-web-lb-local.loadbalancer  | refused          | timeout
E SLB, none, hostNetwork    | terway  | host-n3-to-host-lb-local.loadbalancer | refused          | timeout
E SLB, none, hostNetwork    | flannel | host-n3-to-host-lb-local.loadbalancer | refused          | timeout
E SLB, none, flannel pod    | flannel | host-n3-to-web-lb-local.loadbalancer  | refused          | both kept
"""
SPELT = {"both": "web-a or web-b", "VIP": "LB IP(web-lb-local)"}


def documented() -> list[tuple[str, ...]]:
    return [tuple(part.strip() for part in line.split("|")) for line in ROWS.strip().splitlines()]


def rules_of(group: ChangeGroup) -> tuple[str, str]:
    """Return the ids of the rules that decided before, and of the one that decides after."""
    assert group.come is not None
    return "/".join(sorted(rule.id for rule in group.gone)), group.come.id


def spelt(answer: str) -> str:
    who, _, source = answer.partition(" ")
    return f"ok from {SPELT.get(who, who)}, source {SPELT.get(source, source)}" if source else answer


@cache
def side(topology: str, overrides: tuple[tuple[str, str], ...]) -> Side:
    return Side.predicted(topology, Prediction.of(declared(topology, dict(overrides))))


def diff(topology: str, before: dict[str, str], after: dict[str, str]) -> Comparison:
    return compare(side(topology, tuple(before.items())), side(topology, tuple(after.items())))


def changes(comparison: Comparison) -> dict[str, tuple[str, str, Kind]]:
    found = [change for group in comparison.groups for change in group.changes]
    return {one.cell: (one.before, one.after, one.kind) for one in found}


@pytest.mark.parametrize(("row", "network", "asked", "before", "after"), documented())
def test_ack_from_1_22_to_1_24_is_as_its_document_says(
    row: str, network: str, asked: str, before: str, after: str
) -> None:
    topology, asked = f"ack-{network}", f"{asked}-v4-tcp"
    changed = changes(diff(topology, OLD, NEW)).get(asked)

    told = changed[:2] if changed else (side(topology, tuple(OLD.items())).answers[asked].summary, "=")
    assert told == (spelt(before), spelt(after)), row


@pytest.mark.parametrize("topology", ["ack-terway", "ack-flannel"])
def test_nothing_else_changes_on_ack_but_what_a_rule_of_1_24_explains(topology: str) -> None:
    causes = {rules_of(group) for group in diff(topology, OLD, NEW).groups}

    # the empty virtual server that falls back to all endpoints; the port opener was gone in 1.22.10 (ACK says so too)
    assert causes == {("R4i.2", "R4i.3")}


def test_the_patch_release_without_the_port_opener_refuses_at_127_0_0_1() -> None:
    before, after = {"kubernetes": "1.22.9-aliyun.1"}, {"kubernetes": "1.22.10-aliyun.1"}

    found = diff("ack-terway", before, after)

    causes = {(group.kind, *rules_of(group)) for group in found.groups}
    assert causes == {(Kind.CHANGED_REFUSAL, "R7.7", "R7.8")}


def test_cce_tunnel_differs_between_ipvs_and_iptables_at_a_clients_own_node_alone() -> None:
    found = changes(diff("cce-tunnel", {"mode": "ipvs"}, {"mode": "iptables"}))
    reached = {
        cell: told[:2]
        for cell, told in found.items()
        if told[2] in {Kind.LOST_REACHABILITY, Kind.GAINED_REACHABILITY} and "np-local.nodeport." in cell
    }

    primary = {
        cell: told
        for cell, told in reached.items()
        if cell.partition("nodeport.")[2] in {"s-v4-tcp", "c-v4-tcp", "o-v4-tcp"}
    }
    assert primary == {
        # 003-1 row 4: another container on a node without the pod: its node's address ok with IPVS, fail with iptables
        "pod-c-to-web-np-local.nodeport.c-v4-tcp": ("ok from web-a, source kept", "timeout"),
        # 003-1 row 2: a node without the pod: its own private address fails with tunnel IPVS, ok with iptables
        "host-c-to-web-np-local.nodeport.c-v4-tcp": ("timeout", "ok from web-a, source vtep(c)"),
    }


def test_nftables_in_1_30_loses_secondary_addresses_localhost_and_a_nodes_own_way_to_a_local_balancer_address() -> None:
    found = diff("lab-flannel", {"kubernetes": "1.30.3"}, {"kubernetes": "1.30.3", "mode": "nftables"})

    kinds = {kind for kind, count in found.counts.items() if count}
    causes = {rules_of(group)[1] for group in found.groups if group.kind is Kind.LOST_REACHABILITY}
    assert kinds == {Kind.LOST_REACHABILITY, Kind.CHANGED_BECAUSE}
    assert causes == {"R7.3", "R7.4", "R5.1"}


def test_ipvs_from_1_25_to_1_26_refuses_local_external_addresses_and_closes_127_0_0_1() -> None:
    before, after = {"kubernetes": "1.25.1", "mode": "ipvs"}, {"kubernetes": "1.26.0", "mode": "ipvs"}

    found = diff("lab-flannel", before, after)

    causes = {(group.kind, rules_of(group)[1]) for group in found.groups if group.kind is not Kind.CHANGED_BECAUSE}
    assert causes == {(Kind.LOST_REACHABILITY, "R8.5"), (Kind.CHANGED_REFUSAL, "R7.8")}
