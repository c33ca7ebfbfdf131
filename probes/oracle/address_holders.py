"""Finds the owner of an address: facts about a declared cluster and its API, without rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from topologies.frontends import At

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.cluster_state.snapshot import ServiceState, Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node, Topology


class NodeAddress(NamedTuple):
    """A node and the kind of the address that it owns."""

    node: str
    at: At


@dataclass(frozen=True, slots=True)
class Holders:
    """All addresses with a declared owner."""

    nodes: dict[IPAddress, NodeAddress]
    """Addresses of nodes, public ones too."""
    hosts: frozenset[IPAddress]
    """Addresses of external hosts and of the load balancer."""
    pods: frozenset[IPAddress]
    """Addresses of pods that are not on the host network."""
    virtual: frozenset[IPAddress]
    """Load balancer IPs (ipMode VIP) and externalIPs of all Services: what kube-proxy serves besides ClusterIPs."""
    balanced: frozenset[IPAddress]
    """Load balancer IPs (ipMode VIP) of all Services."""

    def has(self, node: str, address: IPAddress) -> bool:
        """Return whether the address is on an interface of that node."""
        place = self.nodes.get(address)
        return place is not None and place.node == node and place.at is not At.PUBLIC

    def is_host(self, address: IPAddress) -> bool:
        """Return whether a node, an external host or the load balancer owns the address."""
        place = self.nodes.get(address)
        return address in self.hosts or (place is not None and place.at not in {At.BRIDGE, At.TUNNEL})


def find_holders(topology: Topology, snapshot: Snapshot) -> Holders:
    """Return the owners of the addresses that a topology declares and that its API reports."""
    nodes = {address: place for node in topology.nodes for address, place in _places(node, topology)}
    hosts = {host.address for host in topology.external}
    if topology.load_balancer.address:
        hosts.add(topology.load_balancer.address)
    pods = {address for address in snapshot.pods.values() if address not in nodes}
    states = snapshot.services.values()
    balanced = frozenset(address for state in states for address in _balanced(state))
    external = frozenset(address for state in states for address in state.external_ips)
    return Holders(nodes, frozenset(hosts), frozenset(pods), balanced | external, balanced)


def _places(node: Node, topology: Topology) -> Iterator[tuple[IPAddress, NodeAddress]]:
    known = (
        (node.public_address, At.PUBLIC),
        (topology.cni.bridge_address_of(node), At.BRIDGE),
        (topology.cni.tunnel_address_of(node), At.TUNNEL),
        (node.secondary_address, At.SECONDARY),
        (node.address, At.PRIMARY),
    )
    for address, at in known:
        if address:
            yield address, NodeAddress(node.name, at)


def _balanced(state: ServiceState) -> Iterator[IPAddress]:
    if state.load_balancer_ip and state.load_balancer_ip_mode == "VIP":
        yield from state.balanced
