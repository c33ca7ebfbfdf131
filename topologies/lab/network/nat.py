"""The nft rulesets of the network: public addresses at the router, source checks at the nodes' switch. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.lab.network.pods import pod_cidr
from topologies.schema.enums import ArrivesAt, OtherPorts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology

TABLE = "hairpin"


def public_addresses(topology: Topology) -> str:
    """Return the router's 1:1 NAT of each node's public address; an empty string if none is declared.

    Nodes never see their own public address. Packets from a node to the outside, or to another public address, get the
    node's public address as their source.
    """
    pairs = [(node.public_address, node.address) for node in topology.nodes if node.public_address]
    if not pairs:
        return ""
    inwards = ", ".join(f"{public} : {own}" for public, own in pairs)
    outwards = ", ".join(f"{own} : {public}" for public, own in pairs)
    return _table(
        "ip",
        _chain("prerouting", "type nat hook prerouting priority dstnat;", [f"dnat to ip daddr map {{ {inwards} }}"]),
        _chain(
            "postrouting",
            "type nat hook postrouting priority srcnat;",
            [f'iifname "wan0" snat to ip saddr map {{ {outwards} }}'],
        ),
    )


def source_checks(topology: Topology, ports: dict[str, str], api_host: IPAddress) -> str:
    """Return the source check of the nodes' switch; an empty string unless the topology declares `anti_spoof`.

    A node may send from its own address and, on a network without tunnels, from its pods' addresses. A network
    whose own load balancer sends packets to nodes unchanged admits its addresses too. With tunnels, pods may answer the
    API server's host, which has none (plan.py).

    Args:
        topology: The lab's.
        ports: The switch's port of each node, by the node's name.
        api_host: The address of the API server's host.

    """
    if not topology.cni.anti_spoof:
        return ""
    rules = []
    balancer = topology.load_balancer
    unchanged = balancer.arrives_at is ArrivesAt.ADDRESS and balancer.other_ports is not OtherPorts.NODES
    admitted = [balancer.addresses] if unchanged and balancer.addresses else []
    others = f"ip daddr != {api_host} " if topology.cni.overlaid else ""
    for node in topology.nodes:
        own = [str(node.address)]
        if not topology.cni.overlaid:
            own.append(str(pod_cidr(topology, node)))
        own += [str(one) for one in admitted]
        rules.append(f'iifname "{ports[node.name]}" ether type ip {others}ip saddr != {{ {", ".join(own)} }} drop')
    return _table("bridge", _chain("prerouting", "type filter hook prerouting priority filter;", rules))


def _table(family: str, *chains: str) -> str:
    return "\n".join([f"table {family} {TABLE} {{", *chains, "}\n"])


def _chain(name: str, hook: str, rules: Iterable[str]) -> str:
    return "\n".join([f"  chain {name} {{\n    {hook}", *(f"    {rule}" for rule in rules), "  }"])
