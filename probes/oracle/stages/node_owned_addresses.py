"""Rules for load balancer IPs and externalIPs that a host owns: k3s ServiceLB, or `externalIPs` that lists nodes.

The packet goes to the host that owns the address, and not to the load balancer. On that node the address is local
(`addrtype --dst-type LOCAL`), so a packet that no rule translates traverses INPUT. In IPVS mode every other node has
the address too, on kube-ipvs0. It can no longer exchange packets with the node that owns the address.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle import upstream
from probes.oracle.connection import Disposition, Origin
from probes.oracle.node_addresses import leaves_as_node
from probes.oracle.rule import Rule, rule
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.connection import Connection, Packet
    from probes.oracle.environment import Environment
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node

BOUND = "kube-ipvs0 of every other node has the address (#93175, #104679, #127410)"


def has_owner(conn: Connection) -> bool:
    """Return whether a node or an external host owns the load balancer IP or externalIP."""
    return conn.holder is not None or _has_external_owner(conn)


def _has_external_owner(conn: Connection) -> bool:
    balancer = conn.cluster.topology.load_balancer
    balancers_own = conn.kind is FrontendKind.LOAD_BALANCER and conn.target == balancer.address
    return conn.virtual and conn.target in conn.cluster.holders.hosts and not balancers_own


@rule("N1", "kernel: table local")
def own_port(conn: Connection) -> Disposition | None:
    """A packet that no rule translates reaches the node's own port at a load balancer IP or externalIP of that node."""
    return Disposition.HOST if conn.at_own_address else None


@rule("N2", "IP routing")
def to_its_node(conn: Connection) -> Connection | None:
    """A packet to a load balancer IP or externalIP that another node owns goes directly to that node."""
    if conn.holder is None or conn.at_own_address:
        return None
    packet = replace(conn.packet, origin=Origin.NODE, source=conn.client_node.address) if conn.marked else conn.packet
    return replace(
        conn, kind=FrontendKind.NODE_PORT, at=conn.holder.at, target_node=conn.holder.node, packet=packet, marked=False
    )


@rule("N3", "IP routing")
def to_its_host(_conn: Connection) -> Disposition:
    """A packet to a load balancer IP or externalIP that an external host owns goes to that host.

    No process is known to serve it there.
    """
    return Disposition.UNSERVED


OWNED: tuple[Rule[Disposition | Connection], ...] = (own_port, to_its_node, to_its_host)


def binds_own_addresses(conn: Connection) -> bool:
    """Return whether a node binds its own address to kube-ipvs0 (before #115019)."""
    return not conn.environment.has(upstream.NODE_IPS_WITH_OWN)


def _bound_here(conn: Connection, node: Node, address: IPAddress) -> bool:
    """Return whether kube-ipvs0 of this node has an address that another node owns."""
    holders = conn.cluster.holders
    others = address in holders.nodes and not holders.has(node.name, address)
    environment = conn.environment_of(node.name)
    return others and environment.mode is ProxyMode.IPVS and _is_virtual(conn, environment, address)


def _is_virtual(conn: Connection, environment: Environment, address: IPAddress) -> bool:
    """Return whether a node's kube-proxy serves the address as a load balancer IP or externalIP."""
    holders = conn.cluster.holders
    if address in holders.virtual and address not in holders.balanced:
        return not environment.ignores_external_ips
    return address in holders.virtual


def _cut_off(conn: Connection, node: Node, other: Node, source: IPAddress) -> bool:
    """Return whether packets between two nodes are lost because kube-ipvs0 of one has the other's address.

    Tunnel packets carry the addresses of both nodes, and nodes on one LAN must answer each other's ARP requests. On a
    network with a router between the nodes, only a packet from such an address is lost: its source is martian.
    """
    if conn.environment.nodes_share_lan:
        return _bound_here(conn, node, other.address) or _bound_here(conn, other, node.address)
    return _bound_here(conn, other, source)


@rule("R0.21", f"pkg/proxy/ipvs/proxier.go syncService; {BOUND}")
def taken_for_own(conn: Connection) -> Packet | None:
    """In IPVS mode, the client's node processes a packet to another node's NodePort if its kube-ipvs0 has the address.

    The address is also a load balancer IP or externalIP.
    """
    if conn.kind is not FrontendKind.NODE_PORT or not conn.packet.client_node or conn.at in {At.LOOPBACK, At.PUBLIC}:
        return None
    if not _bound_here(conn, conn.client_node, conn.target):
        return None
    source = conn.target if conn.packet.origin is Origin.NODE else conn.packet.source
    return replace(conn.packet, node=conn.packet.client_node, source=source)


@rule("R0.22", f"kernel: martian source, ARP; {BOUND}")
def cut_off_on_the_way(conn: Connection) -> Disposition | None:
    """In IPVS mode, another node's NodePort times out if kube-ipvs0 of one node has the other node's address.

    If the network routes between the nodes, kube-ipvs0 of the target node must have the packet's source address.
    """
    if (
        conn.kind is not FrontendKind.NODE_PORT
        or conn.packet.client_node in {"", conn.target_node}
        or conn.at is At.LOOPBACK
    ):
        return None
    other = conn.cluster.topology.node(conn.target_node)
    return Disposition.DROPPED if _cut_off(conn, conn.client_node, other, _source_on_the_way(conn)) else None


def _source_on_the_way(conn: Connection) -> IPAddress:
    return conn.client_node.address if leaves_as_node(conn) else conn.packet.source


def _without_server(conn: Connection) -> Disposition:
    """Return the result at a port without a virtual server.

    KUBE-IPVS-FILTER rejects the packet. Before that chain existed, kube-proxy could hold a socket at the port.
    """
    if conn.environment.has(upstream.VIP_FILTER):
        return Disposition.REJECTED
    held = not conn.environment.has(upstream.PORT_OPENER_REMOVED) and not conn.environment.limits_node_ports
    return Disposition.HELD if held else Disposition.CLOSED


def _node_port_also_virtual(conn: Connection) -> bool:
    return conn.kind is FrontendKind.NODE_PORT and _is_virtual(conn, conn.environment, conn.reached)


@rule("R7.11", f"pkg/proxy/ipvs NodeIPs; {BOUND}")
def node_port_taken_for_own(conn: Connection) -> Disposition | None:
    """In IPVS mode, another node's NodePort has no virtual server on a node whose kube-ipvs0 has that address."""
    own = conn.cluster.holders.has(conn.packet.node, conn.reached)
    return _without_server(conn) if _node_port_also_virtual(conn) and not own else None


@rule(
    "R7.12",
    "pkg/proxy/ipvs NodeIPs without the addresses of kube-ipvs0: #114815",
    since=upstream.NODE_IPS_WITHOUT_BOUND,
    until=upstream.NODE_IPS_WITH_OWN,
)
def node_port_at_bound_address(conn: Connection) -> Disposition | None:
    """In IPVS mode, a NodePort has no virtual server at a node address that is a load balancer IP or externalIP too."""
    return _without_server(conn) if _node_port_also_virtual(conn) else None


@rule("R8.6", "#115019: KUBE-IPVS-IPS without the node's addresses", since=upstream.NODE_IPS_WITH_OWN)
def own_undeclared(conn: Connection) -> Disposition | None:
    """In IPVS mode, a load balancer IP or externalIP that the node owns leads to the node's own port.

    This applies to ports that no Service declares.
    """
    return Disposition.HOST if conn.at_own_address and not conn.declared else None


@rule("R11.12", f"kernel: table local; {BOUND}")
def endpoint_taken_for_own(conn: Connection) -> Outcome | None:
    """In IPVS mode, a node refuses connections to a remote host-network endpoint if its kube-ipvs0 has the address."""
    elsewhere = conn.chosen.node != conn.packet.node and conn.chosen.host_network
    return Outcome.REFUSED if elsewhere and _bound_here(conn, conn.node, conn.chosen.address) else None


@rule("R11.11", f"kernel: martian source, ARP; {BOUND}")
def cut_off(conn: Connection) -> Outcome | None:
    """In IPVS mode, a remote endpoint times out if kube-ipvs0 of one node has the other node's address.

    If the network routes between the nodes, kube-ipvs0 of the endpoint's node must have the packet's source address.
    """
    if conn.chosen.node == conn.packet.node:
        return None
    there = conn.cluster.topology.node(conn.chosen.node)
    lost = _cut_off(conn, conn.node, there, conn.seen or conn.packet.source)
    return Outcome.TIMEOUT if lost else None
