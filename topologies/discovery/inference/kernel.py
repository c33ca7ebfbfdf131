"""The section `kernel`, from sysctls, bridge ports and the kubelet's configuration. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.discovery.findings import Finding, agreed, omitted, unknown
from topologies.discovery.inventory import as_map
from topologies.schema.enums import KubeletRules
from topologies.schema.network import kubelet_rules_by
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.common.addresses import IPAddress
    from topologies.discovery.inventory import Inventory, ListedNode
    from topologies.discovery.node_facts import NodeFacts

Findings = dict[str, Finding]
OTHER_BRIDGES = ("docker0", "virbr", "br-")  # bridges that are not the CNI's
SOURCES = {
    "rp_filter": "/proc/sys/net/ipv4/conf: max of all and the node's card",
    "bridge_nf_call_iptables": "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "hairpin": "brport/hairpin_mode of the bridge's ports",
    "kubelet_rules": "kubelet's version and makeIPTablesUtilChains of its /configz",
}


def find_kernel(inventory: Inventory, facts: Mapping[str, NodeFacts], *, bridged: bool | None) -> Findings:
    """Return the findings for the section `kernel`.

    Args:
        inventory: What the API lists.
        facts: What the probe pods found, by node.
        bridged: Whether pods are ports of a bridge; None if that is not known.

    """
    found = {}
    for key, source in SOURCES.items():
        values = {name: value_at(inventory, facts, name, key) for name in known_nodes(inventory, facts)}
        values = {name: value for name, value in values.items() if value is not None}
        found[key] = agreed(values, source) or _missing(key, inventory, facts, bridged=bridged)
    if found["bridge_nf_call_iptables"].value is False:
        one = found["bridge_nf_call_iptables"]
        found["bridge_nf_call_iptables"] = Finding(one.value, f"{one.source}: 0, or br_netfilter is not loaded")
    return found


def find_own(inventory: Inventory, facts: Mapping[str, NodeFacts], node: str, common: Findings) -> Findings:
    """Return the keys in which a node differs from the cluster's usual value."""
    return {
        key: Finding(value, f"{source} on this node")
        for key, source in SOURCES.items()
        if (value := value_at(inventory, facts, node, key)) is not None and value != common[key].value
    }


def known_nodes(inventory: Inventory, facts: Mapping[str, NodeFacts]) -> list[str]:
    """Return the nodes of which something is known."""
    return sorted({*facts, *inventory.kubelets})


def value_at(inventory: Inventory, facts: Mapping[str, NodeFacts], node: str, key: str) -> bool | int | str | None:
    """Return a node's value of a key; None if it was not read."""
    if key == "kubelet_rules":
        return _kubelet_rules(inventory, node)
    if node not in facts:
        return None
    one = facts[node]
    if key == "rp_filter":
        return rp_filter(one, next(listed for listed in inventory.nodes if listed.name == node))
    if key == "hairpin":
        return _hairpin(one)
    return one.bridge_nf


def _kubelet_rules(inventory: Inventory, node: str) -> str | None:
    """Return the iptables rules of a kubelet. Its version decides which ones, in 1.25 to 1.27 with a feature gate."""
    config = inventory.kubelets.get(node, {})
    if config.get("makeIPTablesUtilChains") is False:
        return KubeletRules.NONE.value
    listed = next((one.kubelet for one in inventory.nodes if one.name == node), "")
    try:
        by_version = kubelet_rules_by(Version.parse(listed))
    except ValueError:
        return None
    if config.get("makeIPTablesUtilChains") is not True:
        return None
    gate = as_map(config.get("featureGates")).get("IPTablesOwnershipCleanup")
    if isinstance(gate, bool):
        return (KubeletRules.MARTIANS if gate else KubeletRules.ALL).value
    return by_version.value


def card_of(facts: NodeFacts, address: IPAddress) -> str:
    """Return the device that has a node's InternalIP, or of its default route if that address has no network (/32)."""
    found = facts.device_of(address)
    default = next((route.device for route in facts.routes if route.destination.prefixlen == 0), "")
    return found or default


def rp_filter(facts: NodeFacts, node: ListedNode) -> int | None:
    """Return the effective rp_filter of the node's card: the larger of `all` and its own (kernel ip-sysctl.rst)."""
    card = card_of(facts, node.internal_ips[0])
    if "all" not in facts.rp_filter or card not in facts.rp_filter:
        return None
    return max(facts.rp_filter["all"], facts.rp_filter[card])


def _hairpin(facts: NodeFacts) -> bool | None:
    """Return hairpin mode of the ports of the pods' bridge; None without ports, or if they differ."""
    ports = {
        device.hairpin
        for device in facts.devices.values()
        if device.hairpin is not None and not device.bridge.startswith(OTHER_BRIDGES)
    }
    return ports.pop() if len(ports) == 1 else None


def _missing(key: str, inventory: Inventory, facts: Mapping[str, NodeFacts], *, bridged: bool | None) -> Finding:
    if key == "hairpin" and bridged is False:
        return omitted("hairpin: pods are not on a bridge")
    if key == "kubelet_rules":
        refused = inventory.why_unread("nodes/proxy")
        return unknown(f"not readable: kubelet's /configz{f': {refused}' if refused else ' does not answer'}")
    return unknown("not readable: no bridge port" if facts and key == "hairpin" else "not readable: no probe pod ran")
