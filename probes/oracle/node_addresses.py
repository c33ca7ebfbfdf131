"""Addresses that a node uses towards a destination, and addresses that it owns. Facts, without rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.connection import Origin
from topologies.frontends import UnresolvedError

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from probes.oracle.environment import Environment
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node


def address_towards_endpoint(conn: Connection) -> IPAddress:
    """Return the address of the processing node's interface towards the selected endpoint.

    MASQUERADE and host-network processes use it. It is the address of cni0 for a local pod, and of the VXLAN interface
    for a remote pod on an overlay. In all other cases it is the primary address. Without a bridge the host side of a
    pod's interface has no address, so the primary one is used.
    """
    node, endpoint = conn.node, conn.chosen
    if endpoint.host_network:
        return node.address
    if endpoint.node == node.name:
        return _device(node, node.cni0, "bridge") if conn.environment.bridged else node.address
    return address_towards_remote_pods(node, conn.environment)


def address_towards_remote_pods(node: Node, environment: Environment) -> IPAddress:
    """Return the node's address towards another node's pods."""
    return _device(node, node.vtep, "vxlan device") if environment.overlay else node.address


def _device(node: Node, address: IPAddress | None, what: str) -> IPAddress:
    if address is None:
        message = f"node {node.name} declares no pod_cidr, so the address of its {what} is not known"
        raise UnresolvedError(message)
    return address


def owned_addresses(node: Node, environment: Environment) -> frozenset[IPAddress]:
    """Return the node's addresses that a topology declares."""
    cni0 = node.cni0 if environment.bridged else None
    vtep = node.vtep if environment.overlay else None
    return frozenset(address for address in (node.address, node.secondary_address, cni0, vtep) if address)


def is_from_pod_network(conn: Connection, address: IPAddress) -> bool:
    """Return whether an address belongs to a pod, a cni0 or a VXLAN interface.

    With `cni.kind: eni` pods have addresses of the nodes' network, so the cluster CIDR may contain hosts too.
    """
    holders = conn.cluster.holders
    return address in holders.pods or (address in conn.environment.pod_cidr and not holders.is_host(address))


def are_bare_packets_lost(conn: Connection, node: str, other: str) -> bool:
    """Return whether an unmasqueraded connection between a node's address and a pod IP of another node is lost.

    On an overlay one direction travels in the tunnel and the other on the nodes' network. The node that receives it
    drops it with strict rp_filter: it routes the source to the other interface. Anti-spoofing drops the pod IP on the
    nodes' network.
    """
    one, two = conn.environment_of(node), conn.environment_of(other)
    return one.overlay and (one.anti_spoof or one.strict or two.strict)


def leaves_masqueraded(conn: Connection, towards: IPAddress) -> bool:
    """Return whether the CNI masquerades the packet: its source is in the cluster CIDR, and `towards` is not.

    These are flannel's rules M2 and M4. They match address ranges (`-s`, `-d`), not owners.
    """
    pods = conn.environment.pod_cidr
    return conn.environment.masquerades_leaving and conn.packet.source in pods and towards not in pods


def leaves_as_node(conn: Connection) -> bool:
    """Return whether the packet leaves with its node's address: from a host-network process or a masqueraded pod."""
    return conn.packet.origin is Origin.NODE or leaves_masqueraded(conn, conn.target)
