"""Predictions that depend on one fact of the pod network each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.predict import expect
from probes.plan.cell import Cell
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.frontends import At, Frontend, FrontendKind
from topologies.loading.load import validated
from topologies.schema.workload import Vantage

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

NODES = [
    {"name": f"n{x}", "address": f"10.0.0.1{x}", "pod_cidr": f"10.244.{x}.0/24", "tunnel_address": f"10.244.{x}.99"}
    for x in (1, 2, 3)
]
WORKLOAD: dict[str, Any] = {
    "backends": [
        {"name": "web", "app": "web", "node": "n1"},
        {"name": "proc", "app": "proc", "node": "n1", "host_network": True},
    ],
    "services": [
        {"name": "web", "app": "web", "type": "LoadBalancer"},
        {"name": "local", "app": "web", "type": "LoadBalancer", "external_traffic_policy": "Local"},
        {"name": "proc", "app": "proc", "type": "NodePort"},
    ],
    "vantages": [
        *({"name": f"host-{x}", "kind": "node", "node": f"n{x}"} for x in (1, 2)),
        *({"name": f"pod-{x}", "kind": "pod", "node": f"n{x}"} for x in (1, 2)),
        {"name": "self", "kind": "backend", "backend": "web", "node": "n1"},
        {"name": "ext", "kind": "external", "external": "e1"},
    ],
}


def cluster(cni: dict[str, Any], mode: str = "iptables", **more: Any) -> Topology:
    base = {
        "name": "t",
        "kubernetes": "1.30.3",
        "nodes": NODES,
        "proxy": {"mode": mode, "detect_local": "ClusterCIDR"},
        "load_balancer": {"kind": "inline", "address": "10.0.0.1", "addresses": "10.7.0.0/24"},
        "external": [{"name": "e1", "address": "10.9.0.1"}],
        "images": {"agnhost": "registry.example/agnhost:1"},
        "workload": WORKLOAD,
    }
    return validated({**base, "cni": {"pod_cidr": "10.244.0.0/16", **cni}, **more}, "t.yaml")


def cells(topology: Topology) -> dict[str, Cell]:
    return {cell.id.removesuffix("-v4-tcp"): cell for cell in plan(topology).cells}


def predicted(topology: Topology, name: str) -> str:
    snapshot = declared(topology)
    found = expect(topology, snapshot, cells(topology)[name])
    names = AddressNames.of(topology, snapshot)
    texts = {" ".join([one.outcome, *(names.shorten(address) for address in one.sources)]) for one in found.paths}
    return " | ".join(sorted(texts))


@pytest.mark.parametrize(
    ("cni", "own", "other"),
    [  # the address of a node towards its own pods, and towards another node's
        ({"kind": "flannel-vxlan"}, "cni0(n1)", "vtep(n2)"),
        ({"kind": "calico-vxlan"}, "primary(n1)", "vtep(n2)"),
        ({"kind": "calico-vxlan", "tunnel_address": "none", "bridge_address": "pod-cidr"}, "cni0(n1)", "vtep(n2)"),
        ({"kind": "calico-ipip"}, "primary(n1)", "vtep(n2)"),
        ({"kind": "calico-ipip", "bridge": True}, "cni0(n1)", "vtep(n2)"),
        ({"kind": "calico-bgp"}, "primary(n1)", "primary(n2)"),
        ({"kind": "routed"}, "cni0(n1)", "primary(n2)"),
        ({"kind": "kindnet"}, "cni0(n1)", "primary(n2)"),
        ({"kind": "eni", "overlay": "vxlan", "masquerade": "egress"}, "primary(n1)", "vtep(n2)"),
        ({"kind": "tunnel", "overlay": "wireguard", "bridge": False}, "primary(n1)", "vtep(n2)"),
        ({"kind": "tunnel", "overlay": "geneve", "bridge_address": "none"}, "primary(n1)", "vtep(n2)"),
    ],
)
def test_a_masqueraded_packet_has_the_address_of_the_device_towards_the_pod(
    cni: dict[str, Any], own: str, other: str
) -> None:
    topology = cluster(cni)

    assert predicted(topology, "host-1-to-web.clusterip") == f"ok {own}"
    assert predicted(topology, "self-to-web.clusterip") == f"ok {own}"
    assert predicted(topology, "host-2-to-web.clusterip") == f"ok {other}"
    assert predicted(topology, "ext-to-web.nodeport.n2") == f"ok {other}"


def test_a_tunnel_without_an_address_or_with_the_bridges() -> None:
    nodes = [{key: value for key, value in node.items() if key != "tunnel_address"} for node in NODES]
    bare, shared = ({"kind": "tunnel", "tunnel_address": how} for how in ("none", "bridge"))

    assert predicted(cluster(bare, nodes=nodes), "host-2-to-web.clusterip") == "ok primary(n2)"
    assert predicted(cluster(shared, nodes=nodes), "host-2-to-web.clusterip") == "ok cni0(n2)"


def test_cells_of_addresses_exist_if_the_device_does() -> None:
    labels = {kind: set(cells(cluster({"kind": kind}))) for kind in ("calico-vxlan", "calico-bgp", "kindnet")}

    assert "host-1-to-web.nodeport.n1-vtep" in labels["calico-vxlan"]
    assert "host-1-to-web.nodeport.n1-cni0" not in labels["calico-vxlan"]
    assert "host-1-to-web.nodeport.n1-cni0" in labels["kindnet"]
    assert not any(label.endswith(("-cni0", "-vtep")) for label in labels["calico-bgp"])


@pytest.mark.parametrize(
    ("cni", "seen"),
    [
        ({"kind": "calico-bgp"}, "ok primary(n2)"),
        ({"kind": "calico-bgp", "masquerade": "none"}, "ok pod-2"),
        ({"kind": "calico-bgp", "masquerade_except": ["10.0.0.0/24"]}, "ok pod-2"),
        ({"kind": "calico-bgp", "masquerade_except": ["10.0.1.0/24"]}, "ok primary(n2)"),
        ({"kind": "flannel-vxlan", "masquerade_except": ["10.0.0.0/24"]}, "ok pod-2"),
        ({"kind": "eni", "masquerade": "egress"}, "ok primary(n2)"),
        ({"kind": "vpc-cni", "pod_cidr": "10.0.0.0/8"}, "ok pod-2"),
    ],
)
def test_the_cni_masquerades_what_leaves_its_ranges(cni: dict[str, Any], seen: str) -> None:
    balancer = {"kind": "inline", "address": "10.0.0.1", "addresses": "198.18.7.0/24"}
    topology = cluster(cni, load_balancer=balancer, service_cidr="172.20.0.0/16")

    assert predicted(topology, "pod-2-to-local.nodeport.n1") == seen


def test_flannel_masquerades_to_a_node_inside_the_pod_cidr() -> None:
    local = {"name": "proc-local", "app": "proc", "type": "NodePort", "external_traffic_policy": "Local"}
    work = {**WORKLOAD, "services": [*WORKLOAD["services"], local]}
    balancer = {"kind": "inline", "address": "10.0.0.1", "addresses": "198.18.7.0/24"}
    for addresses, pods, seen in (
        ("node-network", "10.0.0.0/8", "ok primary(n2)"),
        ("pod-range", "10.244.0.0/16", "timeout"),  # the reply goes past n2
    ):
        cni = {"kind": "flannel-vxlan", "pod_addresses": addresses, "pod_cidr": pods}
        more = {"workload": work, "service_cidr": "172.20.0.0/16", "load_balancer": balancer}
        topology = cluster(cni, "ipvs", **more, external=[{"name": "e1", "address": "172.30.0.1"}])
        assert predicted(topology, "ext-to-proc-local.nodeport.n2") == seen


def test_hosts_outside_reach_a_device_address_inside_the_routed_pod_cidr() -> None:
    nodes = [{**node, "bridge_address": f"10.{20 + x}.0.1"} for x, node in enumerate(NODES)]
    frontend = Frontend("web", FrontendKind.NODE_PORT, node="n1", at=At.BRIDGE)
    vantage = {"name": "ext", "kind": "external", "external": "e1"}
    for given, seen in ((NODES, {Outcome.OK}), (nodes, {Outcome.TIMEOUT, Outcome.UNREACHABLE})):
        topology = cluster({"kind": "routed"}, nodes=given, external_routes_to_pods=True)
        cell = Cell(Vantage.model_validate(vantage), frontend)
        assert {one.outcome for one in expect(topology, declared(topology), cell).paths} == seen


def test_a_bridge_decides_what_bypasses_conntrack() -> None:
    kernel = {"bridge_nf_call_iptables": False}
    bridged, routed = ({"kind": "calico-vxlan", "bridge": bridge} for bridge in (True, False))

    assert predicted(cluster(bridged, kernel=kernel), "pod-1-to-web.clusterip") == "timeout"
    assert predicted(cluster(routed, kernel=kernel), "pod-1-to-web.clusterip") == "ok pod-1"


FORWARDED = {
    # results in iptables, nftables and IPVS mode, by cell
    "host-1-to-web.clusterip": ("ok cni0(n1)", "ok cni0(n1)", "ok cni0(n1)"),
    "host-2-to-web.clusterip": ("timeout", "timeout", "timeout"),
    "pod-1-to-web.clusterip": ("timeout", "timeout", "ok pod-1"),
    "pod-1-to-web.nodeport.n1": ("ok cni0(n1)", "timeout", "ok cni0(n1)"),
    "self-to-web.clusterip": ("ok cni0(n1)", "timeout", "ok cni0(n1)"),
    "pod-2-to-web.nodeport.n1": ("timeout", "timeout", "timeout"),
    "pod-2-to-web.endpoint.web": ("timeout", "timeout", "timeout"),
    "ext-to-web.nodeport.n1": ("ok cni0(n1)", "timeout", "ok cni0(n1)"),
    "ext-to-web.nodeport.n2": ("timeout", "timeout", "timeout"),
    "ext-to-local.nodeport.n1": ("timeout", "timeout", "ok e1"),
    "ext-to-proc.nodeport.n1": ("ok e1", "ok e1", "ok e1"),
    "pod-1-to-proc.nodeport.n1": ("ok pod-1", "ok pod-1", "ok pod-1"),
    "host-2-to-proc.clusterip": ("ok primary(n2)", "ok primary(n2)", "ok primary(n2)"),
}


@pytest.mark.parametrize("name", FORWARDED)
@pytest.mark.parametrize("mode", ["iptables", "nftables", "ipvs"])
def test_forward_policy_drop_spares_marked_packets_in_iptables_mode_only(name: str, mode: str) -> None:
    topology = cluster({"kind": "flannel-vxlan", "forward_policy": "drop"}, mode)

    assert predicted(topology, name) == FORWARDED[name][["iptables", "nftables", "ipvs"].index(mode)]


def test_each_node_on_the_way_may_drop() -> None:
    def dropping(node: int) -> Topology:
        nodes = [{**one, "cni": {"forward_policy": "drop"}} if i == node else one for i, one in enumerate(NODES, 1)]
        return cluster({"kind": "flannel-vxlan"}, nodes=nodes)

    assert predicted(dropping(1), "host-2-to-web.clusterip") == "timeout"  # at the endpoint's node
    assert predicted(dropping(2), "host-2-to-web.clusterip") == "ok vtep(n2)"
    assert predicted(dropping(2), "pod-2-to-web.nodeport.n1") == "timeout"  # at the client's node
    assert predicted(dropping(1), "pod-2-to-web.nodeport.n1") == "ok cni0(n1)"  # marked at the processing node
    assert predicted(dropping(3), "pod-2-to-web.nodeport.n1") == "ok cni0(n1)"


RECEIVED = {
    "host-1-to-proc.nodeport.n1": ("ok primary(n1)", "ok primary(n1)"),
    "host-2-to-proc.clusterip": ("timeout", "timeout"),
    "pod-1-to-proc.clusterip": ("timeout", "timeout"),
    "ext-to-proc.nodeport.n2": ("timeout", "timeout"),
    "ext-to-web.nodeport.n1": ("ok cni0(n1)", "timeout"),
    "pod-1-to-web.clusterip": ("ok pod-1", "timeout"),
    "host-1-to-web.clusterip": ("ok cni0(n1)", "ok cni0(n1)"),
}


@pytest.mark.parametrize("name", RECEIVED)
@pytest.mark.parametrize("mode", ["iptables", "ipvs"])
def test_input_policy_drop_guards_processes_and_virtual_servers(name: str, mode: str) -> None:
    topology = cluster({"kind": "flannel-vxlan", "input_policy": "drop"}, mode)

    assert predicted(topology, name) == RECEIVED[name][["iptables", "ipvs"].index(mode)]
