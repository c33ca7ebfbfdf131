"""The nodes that a load balancer may use: the declared ones, and those that exist and are not declared. Pure.

A node that is not declared still has a kube-proxy. Its facts are the cluster's defaults, and it has no endpoint. Many
nodes that the rules do not distinguish are computed as one, which stands for all of them, so that the cost of a
prediction does not grow with the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.cluster_state.snapshot import OtherNode
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema.topology import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.cluster_state.real_cluster import RealCluster, RealNode
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

NAMING = {"name", "metadata_name", "zone", "arch", "instance_type", "kernel_version"}  # which no rule reads
FEW = 8  # nodes of one kind that are computed one by one


@dataclass(frozen=True, slots=True)
class BalancerNodes:
    """The nodes of a load balancer's pool.

    `topology`: with the nodes that are not declared. `nodes`: those that are computed. `weights`: how many nodes each
    of them stands for, if more than one. `addresses`: by an address of such a node, that address of all of them.
    """

    topology: Topology
    nodes: tuple[Node, ...]
    weights: dict[str, int] = field(default_factory=dict)
    addresses: dict[IPAddress, frozenset[IPAddress]] = field(default_factory=dict)

    @classmethod
    def of(cls, topology: Topology, snapshot: Snapshot) -> BalancerNodes:
        """Return the nodes of this topology, and the other nodes of the snapshot."""
        others = tuple(undeclared_nodes(topology, snapshot))
        busy = _busy(topology)
        groups = list(_group([node for node in topology.nodes if node.name not in busy], topology))
        other_groups = list(_group(others, topology))
        standing = {group[0].name: group for group in (*groups, *other_groups)}
        left_out = {node.name for group in groups for node in group[1:]}
        declared = tuple(node for node in topology.nodes if node.name not in left_out)
        added = tuple(group[0] for group in other_groups)
        whole = topology.model_copy(update={"nodes": (*topology.nodes, *added)}) if added else topology
        weights = {name: len(group) for name, group in standing.items() if len(group) > 1}
        addresses = dict(_addresses(topology, [standing[name] for name in weights]))
        return cls(whole, (*declared, *added), weights, addresses)


def undeclared_nodes(topology: Topology, snapshot: Snapshot) -> Iterator[Node]:
    """Yield the other nodes of the snapshot as nodes with no facts of their own, under names of their own."""
    taken = set(topology.nodes_by_name)
    for one in snapshot.other_nodes:
        name = f"undeclared-{one.name}"[:253] if one.name in taken else one.name
        yield Node(name=name, address=one.address, pod_cidr=one.pod_cidr)


def _busy(topology: Topology) -> set[str]:
    """Return the declared nodes that the rules distinguish from others by more than their addresses."""
    work = topology.workload
    named = {one.node for one in work.backends} | {one.node for one in work.vantages if one.node}
    own = {node.name for node in topology.nodes if node.has_own_facts}
    unknown = {path.split(".")[1] for path in topology.unknown if path.startswith("nodes.")}
    return named | own | unknown | {topology.nodes[0].name, topology.load_balancer.leader or ""}


def _group(nodes: Iterable[Node], topology: Topology) -> Iterator[tuple[Node, ...]]:
    """Yield the nodes in groups of those that the rules do not distinguish; alone, if there are few of a kind."""
    kinds: dict[tuple[object, ...], list[Node]] = {}
    ranges = _ranges(topology)
    for node in nodes:
        kind = (frozenset(node.model_fields_set) - NAMING, *(node.address in one for one in ranges))
        kinds.setdefault(kind, []).append(node)
    for group in kinds.values():
        if len(group) > FEW:
            yield tuple(group)
        else:
            yield from ((node,) for node in group)


def _ranges(topology: Topology) -> list[IPNetwork]:
    """Return the ranges against which rules hold the address of a node."""
    services = [one for service in topology.workload.services for one in service.load_balancer_source_ranges]
    given = [one for one in topology.proxy.node_port_addresses if isinstance(one, IPNetwork)]
    pool = [topology.load_balancer.addresses] if topology.load_balancer.addresses else []
    return list(dict.fromkeys((topology.cni.pod_cidr, *given, *services, *pool)))


def _addresses(
    topology: Topology, groups: Iterable[tuple[Node, ...]]
) -> Iterator[tuple[IPAddress, frozenset[IPAddress]]]:
    cni = topology.cni
    for group in groups:
        for find in (_address, cni.bridge_address_of, cni.tunnel_address_of):
            found = [address for node in group if (address := find(node))]
            if first := find(group[0]):
                yield first, frozenset(found)


def _address(node: Node) -> IPAddress | None:
    return node.address


def find_other_nodes(topology: Topology, real: RealCluster) -> tuple[OtherNode, ...]:
    """Return the nodes of the cluster that are not declared and that a load balancer may use."""
    declared = {node.api_name for node in topology.nodes}
    found = (_other(node) for node in real.nodes if node.name not in declared and not node.excluded)
    return tuple(one for one in found if one)


def _other(node: RealNode) -> OtherNode | None:
    """Return the node with its IPv4 addresses; None if it has no IPv4 InternalIP."""
    address = next((text for text in node.internal_ips if ":" not in text), None)
    cidr = next((text for text in node.pod_cidrs if ":" not in text), None)
    return OtherNode(node.name, IPAddress(address), IPNetwork(cidr) if cidr else None) if address else None
