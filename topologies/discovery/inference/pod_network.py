"""The section `cni`: the preset and each fact, from the nodes' routes, devices and addresses and from the CNI. Pure.

What the nodes show counts more than what a preset has. The route to a pod of another node shows tunnel and router, the
route to a pod of the same node the bridge, and local addresses inside the pods' range the devices' addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.discovery.findings import UNKNOWN, Finding, agreed, omitted, unknown
from topologies.discovery.inference.kernel import card_of
from topologies.discovery.inventory import as_addresses
from topologies.schema.presets.cni import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.common.addresses import IPAddress, IPNetwork
    from topologies.discovery.inference.products import CniProduct
    from topologies.discovery.inventory import ListedNode
    from topologies.discovery.node_facts import NodeFacts, NodeRoute

Findings = dict[str, Finding]
TUNNELS = {"vxlan": "vxlan", "geneve": "geneve", "wireguard": "wireguard", "ipip": "ipip"}
PRODUCT_DEVICES = ("cilium_", "antrea-gw", "ovn0", "ovn-k8s-mp", "tun0")  # lead to an OVS or eBPF tunnel
MEASURED = "measured by the run"
ANNOTATIONS = {
    "projectcalico.org/IPv4VXLANTunnelAddr": "tunnel_address",
    "projectcalico.org/IPv4IPIPTunnelAddr": "tunnel_address",
    "network.cilium.io/ipv4-cilium-host": "bridge_address",
    "io.cilium.network.ipv4-cilium-host": "bridge_address",
}


@dataclass(frozen=True, slots=True)
class NodeView:
    """What one node shows of the pod network. None, or empty: not seen."""

    bridged: bool | None = None
    overlay: str | None = None
    router: str | None = None
    shares: bool | None = None
    bridge_address: IPAddress | None = None
    tunnel_address: IPAddress | None = None


def look(
    node: ListedNode, facts: Mapping[str, NodeFacts], nodes: Mapping[str, ListedNode], pods: tuple[IPNetwork, ...]
) -> NodeView:
    """Return what a node shows.

    Args:
        node: The node.
        facts: What the probe pods found, by node.
        nodes: The chosen nodes, by name.
        pods: The ranges of pods, as far as known.

    """
    own = facts[node.name]
    bridged, bridge = _bridge(own, node)
    away = _routes_away(node, facts, nodes)
    overlay = _overlay(own, away)
    ranges = tuple(dict.fromkeys((*node.pod_cidrs, *pods)))
    found = [
        one for one in dict.fromkeys(own.local) if any(one in part for part in ranges) and one not in node.internal_ips
    ]
    seen = {route.via for name in facts if name != node.name for route in _routes_to(node, facts[name], own)}
    bridge_address, tunnel_address = _device_addresses(own, found, bridge, overlay, seen)
    return NodeView(
        bridged=bridged,
        overlay=overlay,
        router=_router(away) if overlay == "none" else None,
        shares=_shares(own, node),
        bridge_address=bridge_address,
        tunnel_address=tunnel_address,
    )


def _bridge(facts: NodeFacts, node: ListedNode) -> tuple[bool | None, str]:
    """Return whether the pods are on a bridge, and the bridge's name: the device of the route to an own pod."""
    own = facts.pod_address or (node.pod_cidrs[0][2] if node.pod_cidrs else None)
    route = facts.route_to(own) if own else None
    if route is None or route.destination.prefixlen == 0:
        return None, ""
    is_bridge = facts.kind_of(route.device) == "bridge"
    if facts.pod_address is None and not is_bridge:
        return None, ""  # without a pod there is no route of its own
    return is_bridge, route.device if is_bridge else ""


def _routes_away(
    node: ListedNode, facts: Mapping[str, NodeFacts], nodes: Mapping[str, ListedNode]
) -> list[tuple[NodeRoute, ListedNode]]:
    """Return the routes of a node to the pods of other nodes."""
    found = []
    for name, other in nodes.items():
        if name == node.name:
            continue
        probed = facts.get(name)
        address = probed.pod_address if probed else None
        target = address or (other.pod_cidrs[0][2] if other.pod_cidrs else None)
        route = facts[node.name].route_to(target) if target else None
        if route:
            found.append((route, other))
    return found


def _overlay(facts: NodeFacts, away: list[tuple[NodeRoute, ListedNode]]) -> str | None:
    """Return the tunnel of the first route to another node's pods; None if a product hides it behind its own device."""
    for route, _ in away:
        kind = facts.kind_of(route.device)
        if kind in TUNNELS:
            return TUNNELS[kind]
        return None if route.device.startswith(PRODUCT_DEVICES) else "none"
    return None


def _router(away: list[tuple[NodeRoute, ListedNode]]) -> str | None:
    """Return `nodes` if a route goes to the other node itself, else `network`."""
    for route, other in away:
        return "nodes" if route.via in other.internal_ips else "network"
    return None


def _shares(facts: NodeFacts, node: ListedNode) -> bool | None:
    """Return whether a pod's address is in the network of the node's card."""
    if facts.pod_address is None:
        return None
    card = card_of(facts, node.internal_ips[0])
    own = [one for one in facts.routes if one.device == card and one.is_to_connected_network]
    return any(facts.pod_address in one.destination for one in own)


def _routes_to(node: ListedNode, other: NodeFacts, own: NodeFacts) -> list[NodeRoute]:
    """Return another node's route to the pods of this one: its gateway is this node's tunnel device, if it has one."""
    target = own.pod_address or (node.pod_cidrs[0][2] if node.pod_cidrs else None)
    route = other.route_to(target) if target else None
    return [route] if route else []


def _device_addresses(
    facts: NodeFacts, found: list[IPAddress], bridge: str, overlay: str | None, gateways: set[IPAddress | None]
) -> tuple[IPAddress | None, IPAddress | None]:
    """Sort the local addresses of the pods' ranges into the bridge's (or the host side's) and the tunnel's.

    Args:
        facts: What the node reports.
        found: Its local addresses in the pods' ranges.
        bridge: The name of the bridge; empty without one.
        overlay: The tunnel between nodes.
        gateways: The gateways of other nodes' routes to this node's pods.

    """
    if overlay not in TUNNELS:
        return _first(found), None
    tunnel = [one for one in found if one in gateways]
    networks = {route.destination.network_address for route in facts.routes if route.device == bridge}
    on_bridge = [one for one in found if one not in {*tunnel, *networks} and facts.device_of(one) == bridge != ""]
    rest = [one for one in found if one not in {*tunnel, *on_bridge}]
    if tunnel or bridge:
        return _first(on_bridge or (rest if tunnel else [])), _first(tunnel or rest)
    return None, _first(rest)


def _first(addresses: list[IPAddress]) -> IPAddress | None:
    return addresses[0] if addresses else None


def find_network(
    product: CniProduct | None, views: Mapping[str, NodeView], nodes: Mapping[str, ListedNode]
) -> tuple[Findings, dict[str, Findings]]:
    """Return the findings for the section `cni`, without `pod_cidr`, and those of each node."""
    found: Findings = {}
    seen: dict[str, dict[str, object]] = {
        "overlay": {name: view.overlay for name, view in views.items() if view.overlay is not None},
        "bridge": {name: view.bridged for name, view in views.items() if view.bridged is not None},
        "pod_routes": {name: view.router for name, view in views.items() if view.router is not None},
    }
    sources = {
        "overlay": "device of the route to other nodes' pods",
        "bridge": "device of the route to a pod of the same node",
        "pod_routes": "gateway of the route to other nodes' pods",
    }
    for key, values in seen.items():
        if one := agreed(values, f"{sources[key]},"):
            found[key] = one
    if product and product.overlay and "overlay" not in found:
        found["overlay"] = Finding(product.overlay, f"{product.name}'s configuration ({product.evidence})")
    own = _of_nodes(found, views, nodes)
    kind = _kind(product, found, views)
    _add_unknown_addresses(kind, found, own, nodes)
    if any(view.shares for view in views.values()):
        found["pod_addresses"] = Finding("node-network", "a pod's address is in the network of its node's card")
    found.update(product.facts if product else {"masquerade": unknown(MEASURED)})
    found["anti_spoof"] = unknown(f"a property of the network between the nodes; {MEASURED}")
    return {"kind": kind, **found}, own


def _kind(product: CniProduct | None, found: Findings, views: Mapping[str, NodeView]) -> Finding:
    """Return the preset: the product's, else the generic one that the nodes' routes and devices fit best."""
    if product and product.kind:
        return Finding(product.kind, f"{product.name}: {product.evidence}")
    name = f"{product.name} ({product.evidence}) has no preset" if product else "no known CNI was found"
    if not views or "bridge" not in found:
        return Finding(UNKNOWN, f"{name}, and no probe pod shows routes: write one of docs/topology.md")
    bridged, overlay = found["bridge"].value, found["overlay"].value if "overlay" in found else "none"
    by_network = "pod_routes" in found and found["pod_routes"].value == "network"
    generic = "tunnel" if overlay != "none" else "vpc-routed" if by_network else "routed"
    shares = any(view.shares for view in views.values())
    kind = "eni" if not bridged and overlay == "none" and (by_network or shares) else generic
    return Finding(kind, f"{name}: nearest preset by the nodes' routes and devices; the keys below are what was seen")


def _of_nodes(found: Findings, views: Mapping[str, NodeView], nodes: Mapping[str, ListedNode]) -> dict[str, Findings]:
    """Add how the devices' addresses are found; return the addresses that no rule derives, by node."""
    if not views or "bridge" not in found:
        return _annotated(found, nodes)
    bridges = {name: view.bridge_address for name, view in views.items()}
    tunnels = {name: view.tunnel_address for name, view in views.items()}
    first = {name: nodes[name].pod_cidrs[0][1] for name in views if nodes[name].pod_cidrs}
    zeroth = {name: nodes[name].pod_cidrs[0].network_address for name in views if nodes[name].pod_cidrs}
    found["bridge_address"] = _rule(bridges, first, "first address of spec.podCIDR")
    if found.get("overlay", omitted("")).value in TUNNELS:
        found["tunnel_address"] = _rule(tunnels, zeroth, "network address of spec.podCIDR")
        if any(found["overlay"].source.startswith(device) for device in ("Cilium", "Antrea")):
            found["tunnel_address"] = Finding("bridge", found["overlay"].source)
    own: dict[str, Findings] = {name: {} for name in views}
    for key, addresses in (("bridge_address", bridges), ("tunnel_address", tunnels)):
        if found.get(key, omitted("")).value == "per-node":
            for name, address in addresses.items():
                reason = "local address in the pods' range (/proc/net/fib_trie)"
                own[name][key] = Finding(str(address), reason) if address else unknown("not seen on this node")
    return own


def _add_unknown_addresses(
    kind: Finding, found: Findings, own: dict[str, Findings], nodes: Mapping[str, ListedNode]
) -> None:
    """Add each address of a device that the preset has on every node and that nothing shows."""
    usual = facts_of(kind.value)
    for key in ("bridge_address", "tunnel_address"):
        value = found[key].value if key in found else usual.get(key)
        for name in nodes if value == "per-node" else ():
            if key not in own.setdefault(name, {}):
                own[name][key] = unknown("no probe pod and no annotation of the node shows it")


def _annotated(found: Findings, nodes: Mapping[str, ListedNode]) -> dict[str, Findings]:
    """Return the addresses of devices that a CNI writes to its nodes' annotations, by node."""
    own: dict[str, Findings] = {}
    for name, node in nodes.items():
        for annotation, key in ANNOTATIONS.items():
            if address := as_addresses([node.annotations.get(annotation, "").partition("/")[0]]):
                source = f"annotation {annotation}"
                own.setdefault(name, {})[key] = Finding(str(address[0]), source)
                found[key] = Finding("per-node", source)
    return own


def _rule(seen: Mapping[str, IPAddress | None], derived: Mapping[str, IPAddress], name: str) -> Finding:
    """Return whether the addresses follow spec.podCIDR, are the nodes' own, or are none."""
    known = {node: address for node, address in seen.items() if address}
    where = f"local addresses (/proc/net/fib_trie) of {', '.join(sorted(seen))}"
    if not known:
        return Finding("none", f"no device of the pod network has an address: {where}")
    if all(derived.get(node) == address for node, address in known.items()):
        return Finding("pod-cidr", f"{name}: {where}")
    return Finding("per-node", where)
