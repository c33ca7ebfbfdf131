"""Addresses that a node uses towards a destination, and addresses that it owns. Facts, without rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.connection import Origin
from probes.oracle.unlisted_addresses import BRIDGE, KEY, TUNNEL, of_node
from topologies.frontends import UnresolvedError
from topologies.schema import facts
from topologies.schema.enums import TunnelAddress
from topologies.schema.facts import NO_YES

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node


def address_towards_endpoint(conn: Connection) -> IPAddress:
    """Return the address of the processing node's interface towards the selected endpoint.

    MASQUERADE and host-network processes use it. It is the address of the bridge for a local pod, and of the tunnel
    device for a remote pod on an overlay. In all other cases it is the primary address. A device without an address,
    such as the host side of a pod's interface, uses the primary one too: the kernel selects an address of another
    interface.
    """
    node, endpoint = conn.node, conn.chosen
    if endpoint.host_network:
        return node.address
    if endpoint.node == node.name:
        return _address_towards_own_pods(conn, node)
    return address_towards_remote_pods(conn, node)


def _address_towards_own_pods(conn: Connection, node: Node) -> IPAddress:
    cni = conn.cluster.topology.cni
    address = cni.bridge_address_of(node)
    return _device(conn, node, address, BRIDGE) if address or cni.has_bridge_device else node.address


def address_towards_remote_pods(conn: Connection, node: Node) -> IPAddress:
    """Return the node's address towards another node's pods."""
    cni = conn.cluster.topology.cni
    if not cni.overlaid:
        return node.address
    if address := cni.tunnel_address_of(node):
        return address
    if cni.tunnel_address is TunnelAddress.BRIDGE:
        return _address_towards_own_pods(conn, node)
    return _device(conn, node, None, TUNNEL) if cni.has_tunnel_device else node.address


def _device(conn: Connection, node: Node, address: IPAddress | None, device: str) -> IPAddress:
    """Return the address of a node's device; a placeholder if the node's `pod_cidr` is unknown."""
    if address is not None:
        return address
    placeholders, choices = conn.cluster.unlisted.get((node.name, device)), conn.cluster.choices
    if placeholders is None or choices is None:
        message = f"node {node.name} declares no pod_cidr, so the address of its {device} is not known"
        raise UnresolvedError(message)
    inside = choices.choose(f"{placeholders[0].path} of the {device}", NO_YES, bool)
    return placeholders[0 if inside else 1]


def owned_addresses(conn: Connection) -> frozenset[IPAddress]:
    """Return the processing node's declared addresses, and placeholders for those that are not known."""
    cni, node = conn.cluster.topology.cni, conn.node
    devices = cni.bridge_address_of(node), cni.tunnel_address_of(node)
    own = frozenset(address for address in (node.address, node.secondary_address, *devices) if address)
    return own | of_node(conn.cluster.unlisted, node.name)


def is_in_own_range(conn: Connection, address: IPAddress) -> bool:
    """Return whether the pod range of the processing node contains an address.

    An unknown range may, unless the address is a host's or the load balancer's.
    """
    if conn.cluster.holders.is_host(address) or address == conn.cluster.balancer_address:
        known = conn.node.pod_cidr
        return known is not None and address in known
    own, choices = conn.node.pod_cidr, conn.cluster.choices
    if own is not None or choices is None or (path := facts.join(conn.node.name, KEY)) not in choices.candidates:
        return own is not None and address in own
    return choices.choose(f"{path} with {address}", NO_YES, bool)


def is_from_pod_network(conn: Connection, address: IPAddress) -> bool:
    """Return whether an address belongs to a pod, a bridge or a tunnel device.

    With `cni.pod_addresses: node-network` pods have addresses of the nodes' network. Then the cluster CIDR may contain
    hosts too.
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

    These are flannel's rules M2 and M4. They match address ranges (`-s`, `-d`), not owners. Ranges of
    `cni.masquerade_except` are excluded too.
    """
    environment = conn.environment
    pods = environment.pod_cidr
    if conn.packet.source not in pods or towards in pods or not environment.masquerades_leaving:
        return False
    return not any(towards in network for network in environment.masquerade_except)


def leaves_as_node(conn: Connection) -> bool:
    """Return whether the packet leaves with its node's address: from a host-network process or a masqueraded pod."""
    return conn.packet.origin is Origin.NODE or leaves_masqueraded(conn, conn.target)
