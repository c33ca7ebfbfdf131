"""Addresses for the pods of a declared workload: each has its own, as in a cluster. Pure.

A pod's address comes from its node's `pod_cidr`, and from `cni.pod_cidr` where its node has none (`spec.podCIDR` is
empty on EKS, terway, Calico IPAM, Cilium cluster-pool).
"""

from __future__ import annotations

from ipaddress import collapse_addresses
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    parts = [node.pod_cidr for node in topology.nodes if node.pod_cidr]
    ranges: dict[IPNetwork, Iterator[IPAddress]] = {}
    given: dict[str, IPAddress] = {}
    for name, node in pods:
        among, avoided = (node.pod_cidr, []) if node.pod_cidr else (topology.cni.pod_cidr, parts)
        if among not in ranges:
            ranges[among] = _list_addresses(among, avoided)
        address = next((one for one in ranges[among] if one not in taken), None)
        if address is None:
            message = f"{among} has no address left for pod {name}"
            raise NoRoomError(message)
        given[name] = address
        taken.add(address)
    return given


def _list_addresses(among: IPNetwork, avoided: Iterable[IPNetwork]) -> Iterator[IPAddress]:
    """Yield the addresses of a range outside `avoided`: from the tenth on, then the earlier ones from the second on."""
    start, end = int(among.network_address), int(among.broadcast_address)
    tenth = min(start + FIRST, end)
    holes = [(int(one.network_address), int(one.broadcast_address)) for one in collapse_addresses(avoided)]
    yield from _list_between(tenth, end, holes)
    yield from _list_between(start + 2, tenth, holes)


def _list_between(number: int, end: int, holes: list[tuple[int, int]]) -> Iterator[IPAddress]:
    """Yield the addresses from `number` to before `end`; `holes`: ranges to skip, in order and disjoint."""
    for first, last in holes:
        if last >= number:
            yield from map(IPAddress, range(number, min(first, end)))
            number = last + 1
    yield from map(IPAddress, range(number, end))


def _hosts(topology: Topology) -> set[IPAddress]:
    """Collect the addresses of everything that is no pod."""
    found = {topology.control_plane, topology.load_balancer.address}
    for node in topology.nodes:
        found |= {node.address, node.public_address, node.secondary_address}
        found |= {topology.cni.bridge_address_of(node), topology.cni.tunnel_address_of(node)}
    found |= {host.address for host in topology.external}
    found |= {address for service in topology.workload.services for address in service.external_ips}
    return {address for address in found if address}


def _balanced(topology: Topology) -> set[IPAddress]:
    """Collect the first LB addresses of the pool, one a Service: the pool may lie in the range of the pods."""
    pool = topology.load_balancer.addresses
    most = len(topology.workload.services) + 1
    return {pool[number] for number in range(min(most, pool.num_addresses))} if pool else set()
