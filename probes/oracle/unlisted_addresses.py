"""Placeholders for addresses of devices, and of the load balancer, that are not declared. Facts, without rules.

The address lies in the cluster CIDR or outside it, and it is no other known address of the cluster. Rules process a
placeholder like any address.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from probes.oracle.address_holders import Holders
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

OUTSIDE = int(IPAddress("240.0.0.1"))  # reserved (RFC 1112 4): no host has such an address
BRIDGE, TUNNEL = "bridge", "tunnel device"
KEY = "pod_cidr"


class UnlistedAddress(IPAddress):
    """A placeholder for an address of a node's device."""

    __slots__ = ("cluster_cidr", "device", "known", "node", "path")
    node: str
    device: str
    path: str
    """The fact that is unknown: the node's `pod_cidr`, `bridge_address` or `tunnel_address`."""
    known: frozenset[IPAddress]
    """All known addresses of the cluster, which it is not."""
    cluster_cidr: IPNetwork

    @property
    def inside(self) -> bool:
        """Whether it stands for an address in the cluster CIDR."""
        return self in self.cluster_cidr

    def admits(self, source: IPAddress) -> bool:
        """Return whether it may be this address."""
        return source not in self.known and (source in self.cluster_cidr) is self.inside


class UnlistedBalancerAddress(UnlistedAddress):
    """The load balancer's own address, if it is not declared."""

    __slots__ = ()

    def admits(self, source: IPAddress) -> bool:
        """Return whether it may be this address."""
        return source not in self.known


Placeholders = dict[tuple[str, str], tuple[UnlistedAddress, UnlistedAddress]]


def find_unlisted(topology: Topology, snapshot: Snapshot, holders: Holders) -> Placeholders:
    """Return two placeholders, in the cluster CIDR and outside it, for each device whose address is not known."""
    missing = list(_without_address(topology))
    if not missing:
        return {}
    known, cidr = frozenset(_known(snapshot, holders)), topology.cni.pod_cidr
    last = int(cidr.broadcast_address) - 1
    within = (number for number in range(last, int(cidr.network_address), -1) if IPAddress(number) not in known)
    outside = count(OUTSIDE)

    def make(number: int, node: str, device: str, path: str) -> UnlistedAddress:
        made = UnlistedAddress(number)
        made.node, made.device, made.path, made.known, made.cluster_cidr = node, device, path, known, cidr
        return made

    return {
        (node, device): (make(next(within, next(outside)), node, device, path), make(next(outside), node, device, path))
        for node, device, path in missing
    }


def find_balancer_address(topology: Topology, snapshot: Snapshot, holders: Holders) -> IPAddress:
    """Return the load balancer's own address on the nodes' network.

    It is the declared one. A lab's is the first host of the nodes' /24. For any other cluster it is a placeholder.
    """
    if topology.load_balancer.address:
        return topology.load_balancer.address
    if topology.lab:
        return IPNetwork((topology.nodes[0].address, 24), strict=False)[1]
    made = UnlistedBalancerAddress(OUTSIDE - 1)
    made.node, made.device, made.path = "the load balancer", "its own address", "load_balancer.address"
    made.known, made.cluster_cidr = frozenset(_known(snapshot, holders)), topology.cni.pod_cidr
    return made


def _without_address(topology: Topology) -> Iterator[tuple[str, str, str]]:
    """Yield each node and device whose address is unknown, with the path of the fact."""
    cni = topology.cni
    for node in topology.nodes:
        for device, address, key in (
            (BRIDGE, cni.bridge_address_of(node), "bridge_address"),
            (TUNNEL, cni.tunnel_address_of(node), "tunnel_address"),
        ):
            paths = (facts.unknown_at(topology, node.name, one) for one in (key, KEY))
            if address is None and (path := next(filter(None, paths), None)):
                yield node.name, device, path


def _known(snapshot: Snapshot, holders: Holders) -> Iterator[IPAddress]:
    yield from holders.nodes
    yield from holders.hosts
    yield from holders.virtual
    yield from snapshot.pods.values()
    for state in snapshot.services.values():
        yield state.cluster_ip
        yield from (endpoint.address for endpoint in state.endpoints)


def of_node(placeholders: Mapping[tuple[str, str], Iterable[UnlistedAddress]], node: str) -> frozenset[IPAddress]:
    """Return the placeholders of a node's devices."""
    pairs = (placeholders.get((node, device), ()) for device in (BRIDGE, TUNNEL))
    return frozenset(one for pair in pairs for one in pair)
