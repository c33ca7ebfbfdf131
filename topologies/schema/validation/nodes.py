"""Rules about the nodes, the hosts outside, and the ranges that their addresses may be in."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from topologies.schema.complaints import Complaint, duplicates
from topologies.schema.validation.pod_ranges import find_missing_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology


def nodes(topology: Topology) -> Iterator[Complaint]:
    """Check that there is a node, and that no name or address has two owners."""
    if not topology.nodes:
        yield Complaint("nodes", "none", "at least one worker")
    yield from _node_names(topology)
    addresses = [node.address for node in topology.nodes]
    others = [one for node in topology.nodes for one in (node.secondary_address, node.public_address) if one]
    yield from duplicates("nodes[].address", addresses)
    yield from duplicates("nodes[].secondary_address, .public_address", [*dict.fromkeys(addresses), *others])
    devices = [one for node in topology.nodes for one in (node.bridge_address, node.tunnel_address) if one]
    yield from duplicates("nodes[].bridge_address, .tunnel_address", [*dict.fromkeys([*addresses, *others]), *devices])
    yield from _labels(topology)


def _node_names(topology: Topology) -> Iterator[Complaint]:
    """Check that a name means one node, whether it is an alias or the API's name."""
    aliased = any(node.metadata_name for node in topology.nodes)
    yield from duplicates("nodes[].as" if aliased else "nodes[].name", (node.name for node in topology.nodes))
    if not aliased:
        return
    yield from duplicates("nodes[].name", (node.api_name for node in topology.nodes))
    owners = {node.api_name: node.name for node in topology.nodes}
    for index, node in enumerate(topology.nodes):
        if owners.get(node.name, node.name) != node.name:
            want = f"an alias that is not another node's name: {node.name} is the metadata.name of {owners[node.name]}"
            yield Complaint(f"nodes[{index}].as", node.name, want)


def _labels(topology: Topology) -> Iterator[Complaint]:
    """Check that node names are unambiguous in cell ids, where suffixes such as `-cni0` name an address of a node."""
    names = {node.name for node in topology.nodes}
    for index, node in enumerate(topology.nodes):
        base, _, suffix = node.name.rpartition("-")
        if node.name == "loopback" or (suffix in {"cni0", "vtep", "secondary", "public"} and base in names):
            want = "a name that cell ids do not use for an address of another node"
            yield Complaint(f"nodes[{index}].name", node.name, want)


def external(topology: Topology) -> Iterator[Complaint]:
    """Check that hosts outside have names and addresses of their own."""
    yield from duplicates("external[].name", (host.name for host in topology.external))
    yield from duplicates("external[].address", (host.address for host in topology.external))
    nodes = {node.address for node in topology.nodes}
    for index, host in enumerate(topology.external):
        if host.address in nodes:
            yield Complaint(f"external[{index}].address", str(host.address), "a host that is no node")


def pod_ranges(topology: Topology) -> Iterator[Complaint]:
    """Check that each node's range is its own part of the cluster CIDR."""
    ranged = [(node.pod_cidr, index) for index, node in enumerate(topology.nodes) if node.pod_cidr]
    for cidr, index in ranged:
        if not cidr.subnet_of(topology.cni.pod_cidr):
            yield Complaint(f"nodes[{index}].pod_cidr", str(cidr), f"a part of cni.pod_cidr {topology.cni.pod_cidr}")
    ordered = sorted(ranged)
    for (before, other), (cidr, index) in pairwise(ordered):
        if cidr.overlaps(before):
            want = f"no overlap with nodes[{other}].pod_cidr {before}"
            yield Complaint(f"nodes[{index}].pod_cidr", str(cidr), want)


def missing_ranges(topology: Topology) -> Iterator[Complaint]:
    """Check that the ranges that a rule reads are declared."""
    yield from (Complaint(*one) for one in find_missing_ranges(topology))


def not_pods(topology: Topology) -> Iterator[Complaint]:
    """Check that nodes and hosts are outside the pods' range, unless pods have addresses of the nodes' network."""
    if topology.cni.shares_node_network:
        return
    for path, address in _addresses(topology):
        if address in topology.cni.pod_cidr:
            want = (
                f"an address outside cni.pod_cidr {topology.cni.pod_cidr}: "
                "only with cni.kind eni or cni.pod_addresses: node-network are they one network"
            )
            yield Complaint(path, str(address), want)


def not_services(topology: Topology) -> Iterator[Complaint]:
    """Check that no node, host, device or balanced address is inside the range of the Services."""
    for path, address in (*_addresses(topology), *_devices(topology)):
        if address in topology.service_cidr:
            yield Complaint(path, str(address), f"an address outside service_cidr {topology.service_cidr}")
    pool = topology.load_balancer.addresses
    if pool and pool.overlaps(topology.service_cidr):
        yield Complaint("load_balancer.addresses", str(pool), f"no overlap with service_cidr {topology.service_cidr}")


def _addresses(topology: Topology) -> Iterator[tuple[str, IPAddress]]:
    for index, node in enumerate(topology.nodes):
        yield f"nodes[{index}].address", node.address
        for field in ("secondary_address", "public_address"):
            if address := getattr(node, field):
                yield f"nodes[{index}].{field}", address
    for index, host in enumerate(topology.external):
        yield f"external[{index}].address", host.address


def _devices(topology: Topology) -> Iterator[tuple[str, IPAddress]]:
    for index, node in enumerate(topology.nodes):
        for field in ("bridge_address", "tunnel_address"):
            if address := getattr(node, field):
                yield f"nodes[{index}].{field}", address


def ranges_apart(topology: Topology) -> Iterator[Complaint]:
    """Check that the ranges of Services and pods do not overlap."""
    if topology.service_cidr.overlaps(topology.cni.pod_cidr):
        want = f"no overlap with cni.pod_cidr {topology.cni.pod_cidr}"
        yield Complaint("service_cidr", str(topology.service_cidr), want)
