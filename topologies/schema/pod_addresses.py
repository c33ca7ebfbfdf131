"""Addresses for the pods of a declared workload: each has its own, as in a cluster. Pure.

A pod's address comes from its node's `pod_cidr`, and from `cni.pod_cidr` where its node has none (`spec.podCIDR` is
empty on EKS, terway, Calico IPAM, Cilium cluster-pool).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topologies.schema.topology import Node, Topology

FIRST = 10  # the first ones of a range are the bridge's and other devices'
RESERVED = 3  # addresses of a node's range that no pod gets: the network (vxlan device), the bridge, the broadcast


class NoRoomError(HairpinError, ValueError):
    """A range has no address left for a pod; the message names the range and the pod."""


def pod_addresses(topology: Topology) -> dict[str, IPAddress]:
    """Return the address of every pod: a hostNetwork pod has its node's, any other one of its own.

    Raises:
        NoRoomError: if a pod CIDR is too small for its pods.

    """
    residents = _residents(topology)
    own = assign_pod_addresses(
        topology, ((name, topology.node(node)) for name, node, shared in residents if not shared)
    )
    return {name: topology.node(node).address if shared else own[name] for name, node, shared in residents}


def _residents(topology: Topology) -> list[tuple[str, str, bool]]:
    """(name, node, hostNetwork) of every pod of the workload."""
    backends = [(backend.name, backend.node, backend.host_network) for backend in topology.workload.backends]
    probers = [
        (vantage.name, vantage.node, vantage.on_host_network)
        for vantage in topology.workload.vantages
        if vantage.node and vantage.kind in {"pod", "node"}
    ]
    return backends + probers


def assign_pod_addresses(topology: Topology, pods: Iterable[tuple[str, Node]]) -> dict[str, IPAddress]:
    """Give each pod, by name and node, an address that nothing else declared has, in the order given.

    Raises:
        NoRoomError: if a range is too small for its pods.

    """
    taken = _hosts(topology) | _balanced(topology)
    parts = tuple(node.pod_cidr for node in topology.nodes if node.pod_cidr)
    given: dict[str, IPAddress] = {}
    for name, node in pods:
        among, avoided = (node.pod_cidr, ()) if node.pod_cidr else (topology.cni.pod_cidr, parts)
        address = _next_free(among, taken, avoided)
        if address is None:
            message = f"{among} has no address left for pod {name}"
            raise NoRoomError(message)
        given[name] = address
        taken.add(address)
    return given


def _next_free(among: IPNetwork, taken: set[IPAddress], avoided: Iterable[IPNetwork]) -> IPAddress | None:
    """Return the first free address from the tenth on; if there is none, from the second on."""
    start, end = int(among.network_address), int(among.broadcast_address)
    tenth = min(start + FIRST, end)
    return _free_between(tenth, end, taken, avoided) or _free_between(start + 2, tenth, taken, avoided)


def _free_between(number: int, end: int, taken: set[IPAddress], avoided: Iterable[IPNetwork]) -> IPAddress | None:
    while number < end:
        address = IPAddress(number)
        if over := next((network for network in avoided if address in network), None):
            number = int(over.broadcast_address) + 1
        elif address in taken:
            number += 1
        else:
            return address
    return None


def _hosts(topology: Topology) -> set[IPAddress]:
    """Collect the addresses of everything that is no pod."""
    found = {topology.control_plane, topology.load_balancer.address}
    for node in topology.nodes:
        found |= {node.address, node.public_address, node.secondary_address, node.cni0, node.vtep}
    found |= {host.address for host in topology.external}
    found |= {address for service in topology.workload.services for address in service.external_ips}
    return {address for address in found if address}


def _balanced(topology: Topology) -> set[IPAddress]:
    """Collect the first LB addresses of the pool, one a Service: the pool may lie in the range of the pods."""
    pool = topology.load_balancer.addresses
    most = len(topology.workload.services) + 1
    return {pool[number] for number in range(min(most, pool.num_addresses))} if pool else set()
