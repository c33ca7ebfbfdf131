"""Clusters whose nodes differ: each rule reads the node that it is about (docs/topology.md, "Facts of one node")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.predict import expect
from probes.plan.cell import Cell
from topologies.cluster_state.snapshot import declared
from topologies.frontends import At, Frontend, FrontendKind
from topologies.loading.overrides import declared as load_with

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

BARE = {"cni.masquerade": False}
NODE_PORT, CLUSTER_IP, BALANCER = FrontendKind.NODE_PORT, FrontendKind.CLUSTER_IP, FrontendKind.LOAD_BALANCER
MORE = [
    {"name": f"{kind}-{node}", "kind": kind.replace("host", "node"), "node": node}
    for kind in ("pod", "host")
    for node in ("n2", "n4")
]


def mixed(**changes: Any) -> Topology:
    """Return lab-flannel (iptables 1.20.2; web-a on n1, web-b and host-a on n2) with a client on every node."""
    plain = load_with("lab-flannel", {})
    clients = [one.model_dump(mode="json") for one in plain.workload.vantages]
    return load_with("lab-flannel", {"workload.vantages": [*clients, *MORE], **changes})


def seen(topology: Topology, vantage: str, service: str, kind: FrontendKind, **more: Any) -> set[str]:
    """Return each path as `web-a cni0(n1)` or as its outcome."""
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    snapshot = declared(topology)
    found = expect(topology, snapshot, Cell(client, Frontend(service, kind, **more)))
    names = AddressNames.of(topology, snapshot)
    return {
        f"{path.backend} {' '.join(map(names.shorten, path.sources))}" if path.backend else path.outcome.value
        for path in found.paths
    }


def because(topology: Topology, vantage: str, service: str, kind: FrontendKind, **more: Any) -> str:
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    return expect(topology, declared(topology), Cell(client, Frontend(service, kind, **more))).because


def test_a_pod_of_the_node_that_does_not_masquerade_arrives_with_its_own_address() -> None:
    """R0 s0: the client's node masquerades. R4.1: an unmasqueraded pod is pod traffic, and gets all endpoints."""
    topology = mixed(**{"nodes.n3.cni": {"masquerade": False}})

    assert seen(topology, "pod-n3", "web-np-local", NODE_PORT, node="n1") == {"web-a pod-n3", "timeout"}
    assert seen(topology, "pod-n4", "web-np-local", NODE_PORT, node="n1") == {"web-a primary(n4)"}


def test_the_processing_node_masquerades_what_enters_the_pod_network() -> None:
    """R10.3, R11: IPVS 1.24 falls back to all endpoints, unmarked. Only flannel's M5 on that node saves the reply."""
    ipvs = {"proxy": {"mode": "ipvs", "version": "1.24.3"}, "nodes.n3.cni": {"masquerade": False}}
    topology = mixed(**ipvs)

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {"timeout"}
    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4") == {"web-a vtep(n4)", "web-b vtep(n4)"}


@pytest.mark.parametrize(
    ("client", "node", "arrives"),
    [
        ("pod-n3", "n2", False),  # n2 routes the pod IP to its tunnel, and the packet comes from the nodes' network
        ("pod-n2", "n1", False),  # the reply reaches n2 in the tunnel, and n2 routes n1's address elsewhere
        ("pod-n3", "n1", True),
    ],
)
def test_a_strict_node_drops_bare_pod_addresses_in_both_directions(client: str, node: str, arrives: bool) -> None:
    """R11 and §6.8, for one strict node of an overlay without masquerade."""
    topology = mixed(**BARE, **{"nodes.n2.kernel": {"rp_filter": 1}})

    assert (seen(topology, client, "web-np", NODE_PORT, node=node) != {"timeout"}) is arrives


def test_a_strict_endpoint_node_drops_a_pods_packet_to_its_host_network() -> None:
    """§6.8: pod -> hostNetwork endpoint on another node."""
    strict = mixed(**BARE, **{"nodes.n2.kernel": {"rp_filter": 1}})
    other = mixed(**BARE, **{"nodes.n4.kernel": {"rp_filter": 1}})

    assert seen(strict, "pod-n3", "host", CLUSTER_IP) == {"timeout"}
    assert seen(other, "pod-n3", "host", CLUSTER_IP) == {"host-a pod-n3"}
    assert seen(other, "pod-n4", "host", CLUSTER_IP) == {"timeout"}


def test_a_bare_node_address_in_the_tunnel_dies_at_a_strict_node_of_the_endpoint() -> None:
    """R11: src = primary(P) unmasked on an overlay, as in IPVS mode from 1.24 on."""
    ipvs = {**BARE, "proxy": {"mode": "ipvs", "version": "1.24.3"}}
    strict = mixed(**ipvs, **{"nodes.n2.kernel": {"rp_filter": 1}})

    assert seen(strict, "host-n3", "web-np-local", NODE_PORT, node="n3") == {"web-a primary(n3)", "timeout"}
    assert seen(mixed(**ipvs), "host-n3", "web-np-local", NODE_PORT, node="n3") == {
        "web-a primary(n3)",
        "web-b primary(n3)",
    }


def test_each_node_has_the_rules_of_its_own_kube_proxy_version() -> None:
    """§6.1: a mark until 1.24, which kubelet's firewall drops, and a drop from 1.25 on."""
    changes = {"kubernetes": "1.24.3", "kernel.kubelet_rules": False, "nodes.n4.proxy": {"version": "1.25.1"}}
    topology = mixed(**changes)

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {"refused"}
    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4") == {"timeout"}
    assert "(kube-proxy 1.25.1 iptables)" in because(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4")
    assert "(kube-proxy 1.24.3 iptables)" in because(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3")


def test_the_firewall_of_kubelet_is_the_processing_nodes() -> None:
    """§6.1: without KUBE-FIREWALL the marked packet finds a closed port."""
    topology = mixed(**{"kubernetes": "1.24.3", "nodes.n3.kernel": {"kubelet_rules": False}})

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {"refused"}
    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4") == {"timeout"}


@pytest.mark.parametrize(
    ("kubelet", "outcome"),
    [({}, "refused"), ({"kubelet_rules": True}, "timeout"), ({"kubelet_rules": False}, "refused")],
)
def test_a_newer_kubelet_drops_no_packet_that_an_older_kube_proxy_marks(kubelet: dict[str, bool], outcome: str) -> None:
    """§6.1: KUBE-MARK-DROP of kube-proxy 1.24 is kubelet's, which does not write its rules from 1.27 on."""
    topology = mixed(**{"kubernetes": "1.34.9", "proxy.version": "1.24.3", "kernel": kubelet})

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {outcome}


def test_the_kubelet_of_one_node_may_be_older() -> None:
    changes = {"kubernetes": "1.27.2", "proxy.version": "1.24.3", "nodes.n4.kubelet_version": "1.26.9"}
    topology = mixed(**changes)

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {"refused"}
    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4") == {"timeout"}


@pytest.mark.parametrize(("kubelet", "outcome"), [({}, "timeout"), ({"kubelet_rules": "none"}, "refused")])
def test_a_newer_kubelet_still_drops_martian_packets(kubelet: dict[str, str], outcome: str) -> None:
    """R7.6: kubelet's rule for packets to 127.0.0.0/8 has stayed; kube-proxy 1.25 in IPVS mode masquerades them."""
    ipvs = {"kubernetes": "1.28.15", "proxy": {"mode": "ipvs", "version": "1.25.16"}, "kernel": kubelet}

    assert seen(mixed(**ipvs), "host-n1", "web-np", NODE_PORT, at=At.LOOPBACK) == {outcome}


def test_each_node_has_the_rules_of_its_own_mode() -> None:
    """R4i: IPVS before 1.24 refuses without a local endpoint. R4.2: iptables sends its own processes to all."""
    topology = mixed(**{"nodes.n3.proxy": {"mode": "ipvs"}})

    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n3") == {"refused"}
    assert seen(topology, "ext-e1", "web-np-local", NODE_PORT, node="n4") == {"timeout"}
    assert seen(topology, "host-n3", "web-lb-local", BALANCER) == {"refused"}
    assert seen(topology, "host-n4", "web-lb-local", BALANCER) == {"web-a vtep(n4)", "web-b vtep(n4)"}
    assert seen(topology, "host-n3", "web", CLUSTER_IP) == {"web-a vtep(n3)", "web-b vtep(n3)"}


def test_127_0_0_1_is_served_by_the_iptables_node_only() -> None:
    """R7: with an IPVS node elsewhere, the endpoint's node does not matter for 127.0.0.1 of an iptables node."""
    topology = mixed(**{"nodes.n2.proxy": {"mode": "ipvs"}})

    assert seen(topology, "host-n1", "web-np", NODE_PORT, at=At.LOOPBACK) == {"web-a cni0(n1)", "web-b vtep(n1)"}
    assert seen(topology, "host-n2", "web-np", NODE_PORT, at=At.LOOPBACK) == {"timeout"}


def test_a_reply_to_the_vip_dies_at_an_endpoint_whose_node_binds_it() -> None:
    """R11 and #93456: IPVS 1.24 on n3 only: n1 and n2 have no kube-ipvs0, and their replies leave for the balancer."""
    topology = mixed(**{"kubernetes": "1.24.3", "cni.masquerade": False, "nodes.n3.proxy": {"mode": "ipvs"}})
    client = next(one for one in topology.workload.vantages if one.name == "host-n3")
    found = expect(topology, declared(topology), Cell(client, Frontend("web-lb-local", BALANCER)))

    assert found.outcomes == {Outcome.TIMEOUT}
    assert "R11.8" in found.rules
    assert "R11.9" not in found.rules


def test_bridge_netfilter_is_the_clients_own_nodes() -> None:
    """R11: without br_netfilter the reply of an endpoint on the same bridge bypasses conntrack."""
    topology = mixed(**{"nodes.n1.kernel": {"bridge_nf_call_iptables": False}})

    assert seen(topology, "pod-n1", "web", CLUSTER_IP) == {"timeout", "web-b pod-n1"}
    assert seen(topology, "pod-n2", "web", CLUSTER_IP) == {"web-a pod-n2", "web-b pod-n2"}


def test_a_balancer_that_uses_several_nodes_names_each_kube_proxy() -> None:
    topology = mixed(**{"kubernetes": "1.24.3", "nodes.n2.proxy": {"version": "1.25.1"}})

    assert "kube-proxy 1.24.3 iptables on n1, n3, n4; kube-proxy 1.25.1 iptables on n2" in because(
        topology, "ext-e1", "web-lb", BALANCER
    )
