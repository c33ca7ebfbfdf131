"""The addresses of a node that are not its InternalIP: a second network card. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.discovery.findings import Finding, omitted
from topologies.discovery.inference.kernel import OTHER_BRIDGES
from topologies.discovery.inference.ranges import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.common.addresses import IPAddress
    from topologies.discovery.inventory import Inventory, ListedNode
    from topologies.discovery.node_facts import NodeFacts

NO_CARDS = ("lo", "kube-ipvs", "nodelocaldns", "dummy", "cali", "veth", "lxc", *OTHER_BRIDGES)


def find_second_card(
    node: ListedNode, facts: NodeFacts, inventory: Inventory, sections: Mapping[str, Mapping[str, Finding]]
) -> Finding | None:
    """Return the address of the only other card of a node; an omission if there are several, None without any."""
    taken = {address for one in inventory.services for address in (*one.addresses, *one.cluster_ips)}
    pods = (*node.pod_cidrs, *(parse(sections["cni"]["pod_cidr"])))
    found = {}
    for address in dict.fromkeys(facts.local):
        if address in node.internal_ips or address in taken or address.is_link_local:
            continue
        device = _card(facts, address)
        if device and not any(address in part for part in pods):
            found[address] = device
    if not found:
        return None
    named = ", ".join(f"{address} ({device})" for address, device in found.items())
    if len(found) > 1:
        return omitted(f"secondary_address: several other addresses, write one of them: {named}")
    return Finding(str(next(iter(found))), f"the address of another card: {named} (/proc/net/route)")


def _card(facts: NodeFacts, address: IPAddress) -> str:
    """Return the device whose connected network has the address; empty for a bridge, a tunnel, or none."""
    for route in facts.routes:
        if route.is_to_connected_network and address in route.destination:
            plain = not facts.kind_of(route.device) and not route.device.startswith(NO_CARDS)
            return route.device if plain else ""
    return ""
