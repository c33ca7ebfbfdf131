"""The standard matrix of variants: versions, flags, networks, kernels, load balancers, endpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from probes.plan.cell import Cell
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.frontends import At, Frontend, FrontendKind
from topologies.loading.load import load
from topologies.loading.overrides import declared as declare
from topologies.schema.enums import BalancerAffinity, ProxyMode, TrafficPolicy
from topologies.schema.topology import Service, Topology

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot

LABS = {
    "lab-flannel": ("1.20.2", "1.21.1", "1.23.4", "1.24.3", "1.36.2"),
    "lab-routed": ("1.20.2",),
    "lab-no-cluster-cidr": ("1.20.2", "1.25.1"),
}
BARE_OVERLAY = {"kind": "flannel-vxlan", "masquerade": False}
LISTENERS = [{"name": "other-443", "port": 443}, {"name": "range", "port": 8081, "until": 8085, "leads_to": "web-lb"}]
FENCE = ["198.18.1.11/32", "10.244.1.0/24"]  # n1 and its pods
CARDS = [
    {
        "name": f"n{x}",
        "address": f"198.18.1.1{x}",
        "pod_cidr": f"10.244.{x}.0/24",
        "secondary_address": f"198.18.7.1{x}" if x != 4 else None,
        "public_address": f"198.18.6.1{x}" if x != 4 else None,
    }
    for x in (1, 2, 3, 4)
]
WITH_TUNNEL_ADDRESSES = [
    {"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24", "tunnel_address": f"10.244.{x}.64"}
    for x in (1, 2, 3, 4)
]
CHANGES: tuple[dict[str, Any], ...] = (
    {"kernel": {"rp_filter": 1}, "cni": BARE_OVERLAY},
    {"kernel": {"rp_filter": 1}, "cni": BARE_OVERLAY, "proxy": {"detect_local": "none"}},
    {"cni": BARE_OVERLAY},
    {"kernel": {"bridge_nf_call_iptables": False}},
    {"kernel": {"hairpin": False}},
    {"kernel": {"kubelet_rules": False}},
    {"proxy": {"masquerade_all": True}},
    {"proxy": {"detect_local": "NodeCIDR"}},
    {"proxy": {"detect_local": "BridgeInterface"}, "kubernetes": "1.24.3"},
    {"proxy": {"localhost_nodeports": False}, "kubernetes": "1.26.0"},
    {"proxy": {"node_port_addresses": ["198.18.1.0/24"]}},
    {"proxy": {"node_port_addresses": ["198.18.1.0/24"]}, "kubernetes": "1.25.1"},
    {"load_balancer": {"listens": False, "empty_pool": "drop"}},
    {"external_routes_to_pods": True},
    {"cluster_dns": True},
    {"load_balancer": {"status": "hostname"}},
    {"load_balancer": {"status": "hostname", "masquerade_inside": False}},
    {
        "load_balancer": {"status": "hostname", "masquerade_inside": False},
        "cni": {"kind": "tunnel", "masquerade": "none"},
    },
    {"load_balancer": {"status": "hostname", "kind": "full-nat", "registers": "all"}},
    {"load_balancer": {"masquerade_inside": False}, "cni": {"kind": "vpc-routed", "masquerade": "none"}},
    {"load_balancer": {"status": "hostname", "masquerade_inside": False, "excludes_source": True}},
    {
        "load_balancer": {"status": "hostname", "masquerade_inside": False},
        "cni": BARE_OVERLAY,
        "external_routes_to_pods": True,
    },
    {"load_balancer": {"listeners": LISTENERS}},
    {"load_balancer": {"status": "hostname", "masquerade_inside": False, "hairpin": True}},
    {"load_balancer": {"kind": "metallb-l2", "listens": False, "leader": "n1"}},
    {"load_balancer": {"kind": "metallb-l2", "listens": False}, "cni": BARE_OVERLAY, "kernel": {"rp_filter": 1}},
    {"load_balancer": {"kind": "bgp-cluster-ips", "listens": False}, "kubernetes": "1.36.2"},
    {"load_balancer": {"kind": "gcp", "listens": False}, "cni": {"anti_spoof": True}},
    {"load_balancer": {"kind": "nlb-ip", "listens": False}, "cni": {"kind": "eni", "masquerade": "none"}},
    {"load_balancer": {"kind": "nlb-ip", "listens": False}},
    {
        "load_balancer": {"kind": "nlb-ip", "listens": False},
        "cni": {**BARE_OVERLAY, "anti_spoof": True},
        "external_routes_to_pods": True,
    },
    {"nodes": CARDS},
    {"nodes": CARDS, "kernel": {"rp_filter": 1}},
    {"nodes": CARDS, "cni": {"kind": "eni", "anti_spoof": True, "masquerade": "none"}},
    {"nodes": WITH_TUNNEL_ADDRESSES, "cni": {"kind": "calico-vxlan"}},
    {"cni": {"forward_policy": "drop"}},
    {"cni": {"input_policy": "drop"}, "kubernetes": "1.25.1"},
    {"cni": {"input_policy": "drop"}, "proxy": {"node_port_addresses": ["198.18.1.0/24"]}},
)
IPVS = {"proxy": {"mode": "ipvs"}}
NFTABLES = {"proxy": {"mode": "nftables"}}
PROXIED = {"mode": "nftables", "localhost_nodeport_proxy": True}
OTHER_MODES: tuple[dict[str, Any], ...] = (
    *({**IPVS, "kubernetes": version} for version in ("1.20.2", "1.23.4", "1.25.1", "1.29.1", "1.36.2")),
    {"proxy": {"mode": "ipvs", "detect_local": "none"}, "kubernetes": "1.24.3", "cni": BARE_OVERLAY},
    {"proxy": {"mode": "ipvs", "node_port_addresses": ["198.18.1.0/24"]}, "kubernetes": "1.20.2"},
    {**IPVS, "kubernetes": "1.24.3", "kernel": {"kubelet_rules": False}},
    *({**NFTABLES, "kubernetes": version} for version in ("1.29.1", "1.33.5", "1.36.2")),
    {
        "proxy": {"mode": "nftables", "node_port_addresses": ["198.18.1.0/24"]},
        "kubernetes": "1.35.1",
        "cni": BARE_OVERLAY,
    },
    {**NFTABLES, "kubernetes": "1.36.2", "cni": BARE_OVERLAY},
    {"proxy": {**PROXIED, "node_port_addresses": ["primary", "localhost"]}, "kubernetes": "1.37.2"},
    {"proxy": PROXIED, "kubernetes": "1.37.2"},
    *({"proxy": {"mode": mode, "allow_external_ips": False}, "kubernetes": "1.36.3"} for mode in ProxyMode),
    *({**mode, "kubernetes": "1.30.3", "cni": {"forward_policy": "drop"}} for mode in (IPVS, NFTABLES)),
    {**IPVS, "kubernetes": "1.30.3", "cni": {"input_policy": "drop"}},
)
HELD: tuple[tuple[str, dict[str, Any]], ...] = (  # load balancer IPs and externalIPs that hosts own
    ("address", {"kubernetes": "1.20.2"}),
    ("public_address", {"kubernetes": "1.20.2"}),
    ("secondary_address", {"kubernetes": "1.24.3", "proxy": {"detect_local": "none"}}),
    ("address", {"kubernetes": "1.22.0", **IPVS}),
    ("address", {"kubernetes": "1.25.1", **IPVS}),
    ("address", {"kubernetes": "1.29.4", **IPVS, "cni": {"kind": "vpc-routed", "masquerade": "none"}}),
    ("address", {"kubernetes": "1.29.4", **NFTABLES}),
)


@dataclass(frozen=True)
class Variant:
    """A topology, its snapshot, and the cells that are predicted for it."""

    name: str
    topology: Topology
    snapshot: Snapshot
    cells: tuple[Cell, ...]


@cache
def variants() -> tuple[Variant, ...]:
    plain = [_variant(f"{lab} {version}", changed(lab, kubernetes=version)) for lab in LABS for version in LABS[lab]]
    expected = [_variant(f"lab-flannel {change}", changed("lab-flannel", **change)) for change in CHANGES + OTHER_MODES]
    held = [_held(kind, **how) for kind, how in HELD]
    affinity = [_with_affinity(given) for given in BalancerAffinity]
    others = (*_ending("1.26.0"), *_ending("1.25.1"), _proxied("1.30.3"), _without_balancer(), *affinity)
    states = [with_states(version) for version in ("1.25.1", "1.37.2")]
    return (*plain, *expected, *others, *states, *held)


def changed(lab: str, **changes: Any) -> Topology:
    raw = load(lab).model_dump(mode="json")
    if "kind" in changes.get("cni", {}):  # the other facts follow the new preset
        raw["cni"] = {"pod_cidr": raw["cni"]["pod_cidr"]}
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    for name, kind in (("web-itp", "ClusterIP"), ("web-lb-itp", "LoadBalancer"), ("none-xip", "NodePort")):
        service = Service(name=name, app=name.split("-")[0], type=kind, internal_traffic_policy="Local")
        raw["workload"]["services"].append(service.model_dump(mode="json"))
    fenced = Service(name="web-lb-fenced", app="web", type="LoadBalancer", load_balancer_source_ranges=FENCE)
    raw["workload"]["services"].append(fenced.model_dump(mode="json"))
    listener = {"name": "listener", "app": "listener", "node": raw["nodes"][0]["name"], "host_network": True}
    raw["workload"]["backends"].append({**listener, "port": raw["load_balancer"]["undeclared_port"]})
    far = Service(name="host-xip", app="host", type="NodePort", external_ips=["198.18.101.3"])
    far = far.model_copy(update={"external_traffic_policy": TrafficPolicy.LOCAL})
    raw["workload"]["services"].append(far.model_dump(mode="json"))
    last = raw["nodes"][-1]["name"]
    for kind in ("pod", "node"):
        raw["workload"]["vantages"].append({"name": f"{kind}-last", "kind": kind, "node": last})
    return Topology.model_validate(raw)


def _variant(
    name: str, topology: Topology, alter: Callable[[ServiceState], ServiceState] = lambda state: state
) -> Variant:
    there = declared(topology)
    services = {key: alter(state) for key, state in there.services.items()}
    return Variant(name, topology, replace(there, services=services), (*plan(topology).cells, *more_cells(topology)))


def more_cells(topology: Topology) -> list[Cell]:
    """Return cells that the plan omits: another node's bridge and tunnel address, and 127.0.0.1 of any client."""
    cni, n2 = topology.cni, topology.node("n2")
    devices = ((At.BRIDGE, cni.bridge_address_of(n2)), (At.TUNNEL, cni.tunnel_address_of(n2)))
    frontends = [Frontend("web-np-local", FrontendKind.NODE_PORT, node="n2", at=at) for at, own in devices if own]
    frontends.append(Frontend("web-np-local", FrontendKind.NODE_PORT, at=At.LOOPBACK))
    frontends.append(Frontend("web", FrontendKind.CLUSTER_IP, declared=False))
    return [Cell(vantage, frontend) for vantage in topology.workload.vantages for frontend in frontends]


def _ending(version: str) -> tuple[Variant, ...]:
    """Return two variants whose backends all terminate: in the first variant the first backend is still serving."""

    def with_serving(serving: bool) -> Callable[[ServiceState], ServiceState]:
        def ended(one: Endpoint) -> Endpoint:
            return replace(one, ready=False, serving=serving and one.node == "n1", terminating=True)

        return lambda state: replace(state, endpoints=tuple(ended(one) for one in state.endpoints))

    topology = changed("lab-flannel", kubernetes=version)
    return tuple(_variant(f"{version} ending, serving {yes}", topology, with_serving(yes)) for yes in (True, False))


def with_states(version: str, mode: str = "iptables") -> Variant:
    """Return a variant that declares endpoints in every state."""
    topology = declare("lab-endpoint-states", {"kubernetes": version, "proxy.mode": mode})
    cells = plan(topology).cells
    return Variant(f"lab-endpoint-states {version} {mode}", topology, declared(topology), cells)


def _held(kind: str, **how: Any) -> Variant:
    """Return a variant whose load balancer IPs and externalIPs belong to nodes and an external host.

    `kind` is the attribute of n1 that has the address.
    """
    topology = changed("lab-flannel", **{"nodes": CARDS, **how})
    first, second, *_ = topology.nodes
    own = {"web-lb": first.address, "web-lb-fenced": first.address}
    external = {"web-xip": getattr(first, kind), "web-xip-local": second.address, "host-xip": _outside(topology)}

    def alter(state: ServiceState) -> ServiceState:
        ips = (external[state.name],) if state.name in external else state.external_ips
        return replace(state, external_ips=ips, load_balancer_ip=own.get(state.name, state.load_balancer_ip))

    return _variant(f"lab-flannel held {kind} {how}", topology, alter)


def _outside(topology: Topology) -> IPv4Address:
    return topology.external[0].address


def _proxied(version: str) -> Variant:
    topology = changed("lab-flannel", kubernetes=version)
    return _variant(f"{version} ipMode Proxy", topology, lambda state: replace(state, load_balancer_ip_mode="Proxy"))


def _with_affinity(given: BalancerAffinity) -> Variant:
    """Return a variant with the cells of a Service with session affinity that a load balancer serves."""
    raw = changed("lab-flannel", load_balancer={"session_affinity": given.value}).model_dump(mode="json")
    for service in raw["workload"]["services"]:
        if service["name"] == "web-lb":
            service["session_affinity"] = "ClientIP"
    found = _variant(f"lab-flannel session_affinity {given}", Topology.model_validate(raw))
    return replace(found, cells=tuple(cell for cell in found.cells if cell.frontend.service == "web-lb"))


def _without_balancer() -> Variant:
    """Return a variant without load balancer whose addresses are still in the API."""
    before = changed("lab-flannel")
    after = changed("lab-flannel", load_balancer={"kind": "none"})
    return replace(_variant("lab-flannel, no balancer", before), topology=after)
