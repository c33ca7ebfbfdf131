"""Load balancers from public reports and documentation: the predictions that they require, and the reason of each."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from probes.oracle.predict import expect
from probes.plan.plan import PROXY_HEADER, plan
from tests.unit.probes.oracle.test_cases import CASES, predicted
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

LAN = {"cni": {"kind": "routed"}}  # without an overlay each node is seen with its primary address
KEPT = "ok ctl 192.168.64.200 (client)"
NODE_0, NODE_1 = "ok ctl 192.168.64.10 (primary of node-0)", "ok ctl 192.168.64.11 (primary of node-1)"
BESIDE = "ok ctl 10.244.2.1 (cni0 of node-2)"


def case(file: str, **changes: Any) -> Topology:
    return declared(str(CASES / f"{file}.yaml"), changes)


def balancer(kind: str, **facts: Any) -> Topology:
    """Return three nodes on a LAN, the last one with the endpoint, behind a balancer of this kind."""
    return case("metallb-l2-local", load_balancer={"kind": kind, "addresses": "192.168.64.128/25", **facts}, **LAN)


def shares(topology: Topology, cell: str) -> dict[str, float]:
    """Return the share of each outcome of a cell."""
    snapshot = snapshot_of(topology)
    wanted = next(one for one in plan(topology).cells if one.id == f"{cell}-v4-tcp")
    found: dict[str, float] = {}
    for path in expect(topology, snapshot, wanted).paths:
        found[path.outcome.value] = found.get(path.outcome.value, 0) + path.share
    return {outcome: round(share, 3) for outcome, share in found.items()}


@pytest.mark.parametrize("kind", ["l2", "metallb-l2", "metallb"])
def test_metallb_layer_2_keeps_the_client_with_local_and_masquerades_it_with_cluster(kind: str) -> None:
    topology = balancer(kind)
    assert predicted(topology, "ext-to-lb-local.loadbalancer") == KEPT
    assert set(predicted(topology, "ext-to-lb.loadbalancer").split(" | ")) == {NODE_0, NODE_1, BESIDE}
    assert predicted(balancer(kind, leader="node-1"), "ext-to-lb.loadbalancer") == NODE_1
    # kube-proxy of the client's own node serves the address
    assert predicted(topology, "host-0-to-lb-local.loadbalancer") == NODE_0
    assert predicted(topology, "pod-0-to-lb-local.loadbalancer") == "ok ctl 10.244.0.10 (pod-0)"


def test_metallb_announces_no_address_without_an_endpoint() -> None:
    assert predicted(balancer("metallb-l2"), "ext-to-none.loadbalancer") == "timeout | unreachable"
    assert predicted(balancer("kube-vip"), "ext-to-none.loadbalancer") == "refused"


def test_a_port_that_no_service_declares_leads_nowhere_if_nodes_announce_the_address() -> None:
    for client in ("ext", "host-0", "host-2"):
        assert predicted(balancer("metallb-l2"), f"{client}-to-lb.loadbalancer.undeclared") == "timeout | unreachable"


def test_an_announcing_node_without_endpoint_drops_with_local() -> None:
    # kube-vip without svc_election, keepalived, a stale ARP entry
    assert predicted(balancer("kube-vip", leader="node-0"), "ext-to-lb-local.loadbalancer") == "timeout"
    assert predicted(balancer("kube-vip", leader="node-2"), "ext-to-lb-local.loadbalancer") == KEPT
    assert predicted(balancer("kube-vip", leader="node-0"), "ext-to-lb.loadbalancer") == NODE_0
    elected = balancer("kube-vip", health_checks=True)  # svc_election
    assert predicted(elected, "ext-to-lb-local.loadbalancer") == KEPT
    stale = balancer("metallb-l2", leader="node-1", health_checks=False)
    assert predicted(stale, "ext-to-lb-local.loadbalancer") == "timeout"


def test_an_election_of_kube_vip_chooses_a_node_with_an_endpoint_for_local() -> None:
    topology = balancer("kube-vip-election")

    assert predicted(topology, "ext-to-lb-local.loadbalancer") == KEPT
    assert set(predicted(topology, "ext-to-lb.loadbalancer").split(" | ")) == {NODE_0, NODE_1, BESIDE}


def test_whether_kube_vip_announces_a_service_without_an_endpoint_depends_on_its_release() -> None:
    elected = predicted(balancer("kube-vip-election"), "ext-to-none.loadbalancer")

    assert set(elected.split(" | ")) >= {"refused", "timeout"}
    assert predicted(balancer("kube-vip-election", empty_pool="withdraw"), "ext-to-none.loadbalancer") == (
        "timeout | unreachable"
    )


def test_an_unknown_leader_of_kube_vip_is_any_node() -> None:
    assert set(predicted(balancer("kube-vip"), "ext-to-lb-local.loadbalancer").split(" | ")) == {KEPT, "timeout"}


def test_metallb_bgp_keeps_the_client_with_local_and_every_node_attracts_with_cluster() -> None:
    topology = balancer("metallb-bgp")
    assert predicted(topology, "ext-to-lb-local.loadbalancer") == KEPT
    assert shares(topology, "ext-to-lb-local.loadbalancer") == {"ok": 1}
    assert set(predicted(topology, "ext-to-lb.loadbalancer").split(" | ")) == {NODE_0, NODE_1, BESIDE}
    everywhere = balancer("metallb-bgp", announced_by="all")
    assert shares(everywhere, "ext-to-lb-local.loadbalancer") == {"timeout": 0.667, "ok": 0.333}


def test_kube_proxy_enforces_source_ranges_at_the_announcing_node() -> None:
    assert predicted(balancer("metallb-bgp"), "ext-to-lb-fenced.loadbalancer") == "timeout"


K3S = {
    "host": "ok traefik 10.42.0.1 (cni0 of pi)",
    "ext": "ok traefik 10.7.1.50 (laptop)",
}


@pytest.mark.parametrize("facts", [{}, {"load_balancer": {"kind": "servicelb"}}, {"load_balancer.kind": "k3s"}])
def test_a_k3s_node_sees_the_lan_and_masquerades_itself(facts: dict[str, Any]) -> None:
    topology = case("k3s-node-itself", **facts)
    assert {client: predicted(topology, f"{client}-to-traefik.loadbalancer") for client in K3S} == K3S
    # at a port without a Service the node itself refuses
    assert predicted(topology, "ext-to-traefik.loadbalancer.undeclared") == "refused"


PORTS = {"lb": 81, "none": 82, "lb-fenced": 83}


def test_k3s_with_several_nodes_has_one_address_per_node() -> None:
    apart = {f"workload.services.{name}.port": port for name, port in PORTS.items()}
    topology = case("metallb-l2-local", load_balancer={"kind": "servicelb"}, **LAN, **apart)
    assert predicted(topology, "ext-to-lb.loadbalancer.node-0") == NODE_0
    assert predicted(topology, "ext-to-lb.loadbalancer.node-2") == BESIDE
    assert predicted(topology, "ext-to-lb-local.loadbalancer") == KEPT  # the only address: that of node-2
    assert predicted(topology, "host-0-to-lb.loadbalancer.node-2") == NODE_0
    status = snapshot_of(topology).services
    assert [str(one) for one in status["lb-local"].balanced] == ["192.168.64.12"]
    facts = {"kind": "servicelb", "announced_by": "all"}
    everywhere = case("metallb-l2-local", load_balancer=facts, **LAN, **apart)
    assert predicted(everywhere, "ext-to-lb-local.loadbalancer.node-0") == "timeout"


def test_an_nlb_times_out_if_the_client_is_the_chosen_target() -> None:
    # elb troubleshooting: "loopback timeout"; LB4: p = 1/targets, as status is a hostname (LB8)
    instance = balancer("nlb-instance", **VPC)
    assert shares(instance, "host-0-to-lb.loadbalancer") == {"timeout": 0.333, "ok": 0.667}
    assert shares(instance, "host-2-to-lb-local.loadbalancer") == {"timeout": 1}
    assert shares(instance, "host-0-to-lb-local.loadbalancer") == {"ok": 1}
    targets = balancer("nlb-ip", keeps_client=True)
    assert shares(targets, "self-to-lb.loadbalancer") == {"timeout": 1}
    assert predicted(targets, "ext-to-lb.loadbalancer") == KEPT
    assert predicted(targets, "pod-0-to-lb.loadbalancer") == "ok ctl 10.244.0.10 (pod-0)"


VPC = {"masquerade_inside": False}


def test_an_nlb_with_ip_targets_shows_its_own_address() -> None:
    topology = balancer("nlb-ip", address="192.168.64.5")
    for client in ("ext", "host-0", "host-2", "self"):
        assert predicted(topology, f"{client}-to-lb.loadbalancer") == "ok ctl 192.168.64.5 (load balancer)"
        # the targets are the pods: externalTrafficPolicy has no effect
        assert predicted(topology, f"{client}-to-lb-local.loadbalancer") == "ok ctl 192.168.64.5 (load balancer)"


def test_an_undeclared_address_of_the_balancer_is_any_that_is_not_known() -> None:
    topology = balancer("nlb-ip")  # an NLB has one private address per zone
    snapshot = snapshot_of(topology)
    cell = next(one for one in plan(topology).cells if one.id == "ext-to-lb.loadbalancer-v4-tcp")
    (path,) = expect(topology, snapshot, cell).paths
    assert path.admits(IPv4Address("192.168.65.77"))
    for known in ("192.168.64.200", "192.168.64.10", str(snapshot.pods["ctl"])):
        assert not path.admits(IPv4Address(known))


def test_source_ranges_are_ignored_where_neither_balancer_nor_kube_proxy_sees_them() -> None:
    # LB6: without preservation the NLB ignores loadBalancerSourceRanges, and packets never reach the address itself
    ignored = balancer("nlb-ip", address="192.168.64.5")
    assert predicted(ignored, "ext-to-lb-fenced.loadbalancer") == "ok ctl 192.168.64.5 (load balancer)"
    enforced = balancer("nlb-ip", address="192.168.64.5", source_ranges=True)
    assert predicted(enforced, "ext-to-lb-fenced.loadbalancer") == "timeout"
    assert predicted(enforced, "host-0-to-lb-fenced.loadbalancer") == "ok ctl 192.168.64.5 (load balancer)"
    assert shares(balancer("nlb-instance"), "ext-to-lb-fenced.loadbalancer") == {"timeout": 1}


def test_azure_without_floating_ip_cannot_lead_a_node_to_itself() -> None:
    # LB10: no SNAT inbound. In-cluster clients meet it only if kube-proxy does not serve the address
    hidden = balancer("azure-no-floating", status="hostname")
    assert shares(hidden, "host-0-to-lb.loadbalancer") == {"timeout": 0.333, "ok": 0.667}
    with_hairpin = balancer("azure-no-floating", status="hostname", hairpin=True, address="192.168.64.5")
    assert shares(with_hairpin, "host-0-to-lb.loadbalancer") == {"ok": 1}
    # LB11: with the address in status kube-proxy of the client's node serves it
    assert predicted(balancer("azure"), "host-0-to-lb.loadbalancer") == NODE_0
    assert predicted(balancer("azure-no-floating"), "host-0-to-lb.loadbalancer") == NODE_0


@pytest.mark.parametrize("kind", ["gcp", "azure"])
def test_a_pass_through_balancer_keeps_the_client_with_local(kind: str) -> None:
    # LB13: Cluster: any node, then kube-proxy. Local: only nodes with a pod are healthy
    topology = balancer(kind)
    assert predicted(topology, "ext-to-lb-local.loadbalancer") == KEPT
    assert shares(topology, "ext-to-lb.loadbalancer") == {"ok": 1}
    unchecked = balancer(kind, health_checks=False)
    assert shares(unchecked, "ext-to-lb-local.loadbalancer") == {"timeout": 0.667, "ok": 0.333}


def test_a_network_that_checks_sources_drops_replies_from_addresses_that_nodes_announce() -> None:
    checked = {"cni.anti_spoof": True}
    pool = {"addresses": "192.168.64.128/25"}
    announced = case("metallb-l2-local", load_balancer={"kind": "metallb-bgp", **pool}, **checked)
    passed = case("metallb-l2-local", load_balancer={"kind": "azure", **pool}, **checked)
    assert predicted(announced, "ext-to-lb.loadbalancer") == "timeout"
    assert shares(passed, "ext-to-lb.loadbalancer") == {"ok": 1}


def test_announced_cluster_ips_answer_outside_clients() -> None:
    topology = balancer("bgp-cluster-ips")
    assert set(predicted(topology, "ext-to-lb.clusterip").split(" | ")) == {NODE_0, NODE_1, BESIDE}
    # the ClusterIP of a Service with Local is announced by nodes with an endpoint; kube-proxy masquerades all the same
    assert predicted(topology, "ext-to-lb-local.clusterip") == BESIDE
    assert predicted(balancer("metallb-bgp"), "ext-to-lb.clusterip") == "timeout | unreachable"
    alone = case("metallb-l2-local", load_balancer={"kind": "none", "advertises_cluster_ips": True}, **LAN)
    assert set(predicted(alone, "ext-to-lb.clusterip").split(" | ")) == {NODE_0, NODE_1, BESIDE}


def test_a_proxy_protocol_header_is_not_asked_through() -> None:
    planned = plan(balancer("nlb-instance", proxy_protocol=True))
    left = {omission.cell for omission in planned.omissions if omission.reason == PROXY_HEADER}
    assert "ext-to-lb.loadbalancer-v4-tcp" in left
    assert "host-0-to-lb.loadbalancer-v4-tcp" in left  # the status is a hostname, so it passes the balancer
    served = plan(balancer("azure-no-floating", proxy_protocol=True))
    left = {omission.cell for omission in served.omissions if omission.reason == PROXY_HEADER}
    assert "ext-to-lb.loadbalancer-v4-tcp" in left
    assert "host-0-to-lb.loadbalancer-v4-tcp" not in left  # kube-proxy of its node serves the address
