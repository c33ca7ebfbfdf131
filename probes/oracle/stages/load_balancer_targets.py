"""Rules for what the load balancer does to a packet on its way to a node or pod, and the nodes that it may select.

The balancer translates load balancer IP and port to a NodePort or to a pod, or the packet arrives at a node unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle.connection import Connection, Disposition, Origin, Packet
from probes.oracle.node_addresses import are_bare_packets_lost, is_from_pod_network
from probes.oracle.rule import Rule, rule
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from topologies.cluster_state.snapshot import Endpoint, ServiceState
    from topologies.common.addresses import IPAddress

Sent = Disposition | Connection
DOCS = "docs/topology.md load_balancer"


def own_address(conn: Connection) -> IPAddress:
    """Return the load balancer's own address, which is a placeholder if it is not declared."""
    return conn.cluster.balancer_address


def is_unchanged(conn: Connection) -> bool:
    """Return whether a node receives the packet with the destination that the client uses."""
    if conn.kind is FrontendKind.LOAD_BALANCER:
        served = conn.declared and conn.environment.arrives_unchanged
        return served or (not conn.declared and conn.environment.passes_other_ports)
    return conn.kind in {FrontendKind.EXTERNAL_IP, FrontendKind.CLUSTER_IP}


def _ready_nodes(state: ServiceState) -> frozenset[str]:
    return frozenset(endpoint.node for endpoint in state.endpoints if endpoint.ready)


def _excluded(conn: Connection, address: IPAddress) -> bool:
    return conn.packet.source == address and conn.environment.excludes_source


def list_nodes(conn: Connection, state: ServiceState) -> tuple[str, ...]:
    """Return the nodes to which the load balancer may send this packet, or which announce the address.

    With externalTrafficPolicy: Local the health check selects the nodes, and kube-proxy's healthCheckNodePort counts
    only ready endpoints. With `excludes_source` the node that sent the packet is excluded.
    """
    nodes = tuple(node.name for node in conn.cluster.balancer_nodes.nodes if not _excluded(conn, node.address))
    usable = _usable_nodes(conn, state, nodes)
    if not usable and conn.environment.falls_back_to_all:
        usable = nodes
    if len(usable) <= 1 or not conn.environment.has_leader:
        return usable
    return (_elect(conn, usable),)


def _elect(conn: Connection, usable: tuple[str, ...]) -> str:
    """Return the declared leader if it is usable, else the first usable node. An unknown leader is any usable node."""
    return conn.environment.ask("leader", lambda leader: leader if leader in usable else usable[0])


def _usable_nodes(conn: Connection, state: ServiceState, nodes: tuple[str, ...]) -> tuple[str, ...]:
    ready = _ready_nodes(state)
    if conn.kind is FrontendKind.CLUSTER_IP and not ready:
        return nodes  # they announce the whole range
    if not ready and conn.environment.withdraws:
        return ()
    if state.external_traffic_policy is not TrafficPolicy.LOCAL or not conn.environment.avoids_empty_nodes:
        return nodes
    return tuple(name for name in nodes if name in ready)


def list_pods(conn: Connection) -> tuple[Endpoint, ...]:
    """Return the endpoints to which the load balancer may send this packet: those that are ready."""
    ready = (endpoint for endpoint in conn.state.endpoints if endpoint.ready)
    return tuple(endpoint for endpoint in ready if not _excluded(conn, endpoint.address))


@rule("L16", f"{DOCS}.keeps_client")
def full_nat(conn: Connection) -> IPAddress | None:
    """A full-NAT load balancer replaces the client's address with its own.

    This does not apply to packets to an externalIP.
    """
    translated = conn.kind not in {FrontendKind.EXTERNAL_IP, FrontendKind.CLUSTER_IP}
    return own_address(conn) if translated and not conn.environment.keeps_client else None


@rule("L11", f"{DOCS}.masquerade_inside")
def back_to_the_nodes(conn: Connection) -> IPAddress | None:
    """An inline load balancer with masquerade_inside uses its own address as the source of packets from the nodes."""
    inside = conn.packet.origin is not Origin.EXTERNAL
    masquerades = inside and conn.environment.masquerade_inside and conn.environment.keeps_client
    return own_address(conn) if masquerades else None


@rule("L25", f"{DOCS}.hairpin")
def hairpin(conn: Connection) -> IPAddress | None:
    """A load balancer with hairpin uses its own address for packets that it returns to the client's own node."""
    returned = bool(conn.packet.client_node) and conn.packet.client_node == conn.target_node
    return own_address(conn) if returned and conn.environment.balancer_hairpin else None


@rule("L12", f"{DOCS}.keeps_client")
def client_preserved(conn: Connection) -> IPAddress:
    """The load balancer preserves the client's source IP."""
    return conn.packet.source


REWRITING: tuple[Rule[IPAddress], ...] = (full_nat, back_to_the_nodes, hairpin, client_preserved)


def _preserves_inside_client(conn: Connection) -> bool:
    return bool(conn.packet.client_node) and conn.packet.source != own_address(conn)


def _is_at_client_node(conn: Connection) -> bool:
    return conn.packet.client_node == conn.packet.node


@rule(
    "L19",
    "netfilter: NAT only for the first packet of a connection; kernel: TTL exceeded in transit; "
    'docs/observations.md "externalIP loop on the pod\'s own node"',
)
def loops_at_client_node(conn: Connection) -> Sent | None:
    """A pod's packet loops if the load balancer returns it, unchanged and with the pod IP, to the pod's node.

    conntrack already has the connection, so no NAT rule translates the packet. It loops until its TTL expires.
    """
    returned = _is_at_client_node(conn) and is_from_pod_network(conn, conn.packet.source)
    return Disposition.ASTRAY if returned and conn.virtual else None


@rule("L21", 'kernel rp_filter; docs/observations.md "Strict rp_filter and anti-spoofing on an overlay"')
def pod_address_between_nodes(conn: Connection) -> Sent | None:
    """On an overlay, strict rp_filter or anti-spoofing drops a pod's packet to another node that announces the address.

    This applies to packets with the pod IP.
    """
    bare = conn.kind is FrontendKind.LOAD_BALANCER and bool(conn.packet.client_node) and not _is_at_client_node(conn)
    lost = (
        bare
        and is_from_pod_network(conn, conn.packet.source)
        and are_bare_packets_lost(conn, conn.packet.client_node, conn.packet.node)
    )
    return Disposition.DROPPED if lost else None


@rule("L26", "RFC 826: a host does not answer its own ARP request; kernel: martian source, TTL exceeded in transit")
def announced_by_client_node(conn: Connection) -> Sent | None:
    """A packet that leaves the node that announces its destination returns to that node or is unreachable."""
    returned = conn.kind is FrontendKind.LOAD_BALANCER and _preserves_inside_client(conn) and _is_at_client_node(conn)
    return Disposition.ASTRAY if returned and conn.environment.passes_other_ports else None


@rule(
    "L13", 'kernel: martian source; the reply bypasses the load balancer; docs/observations.md "Load balancer loopback"'
)
def returned_to_client_node(conn: Connection) -> Sent | None:
    """A connection times out if the load balancer preserves the client's source IP and picks the client's own node."""
    return Disposition.DROPPED if _preserves_inside_client(conn) and _is_at_client_node(conn) else None


@rule("L17", "IP routing: the reply uses the tunnel and bypasses the load balancer")
def answered_past(conn: Connection) -> Sent | None:
    """On an overlay, a pod times out if the load balancer preserves its pod IP.

    The reply returns over the pod network, from an address that the pod did not connect to.
    """
    bare = _preserves_inside_client(conn) and is_from_pod_network(conn, conn.packet.source)
    return Disposition.DROPPED if bare and not conn.virtual and conn.environment.overlay else None


def _is_to_pod(conn: Connection) -> bool:
    return conn.kind is FrontendKind.ENDPOINT and not conn.chosen.host_network


@rule("L27", "IP routing: no route to the pod network outside the cluster")
def pod_not_routed(conn: Connection) -> Sent | None:
    """The load balancer has no route to the pod IPs of an overlay, unless the pod network is routed outside."""
    return Disposition.ASTRAY if _is_to_pod(conn) and not conn.environment.pods_routed_outside else None


@rule("L28", "source/destination check of the network")
def pod_answer_dropped(conn: Connection) -> Sent | None:
    """On an overlay with anti-spoofing, the network drops a pod's reply to the load balancer."""
    dropped = _is_to_pod(conn) and conn.environment.overlay and conn.environment.anti_spoof
    return Disposition.DROPPED if dropped else None


@rule("L18", DOCS)
def arrives(conn: Connection) -> Sent:
    """A packet from the load balancer arrives at the selected node as external traffic."""
    return conn


SENDING: tuple[Rule[Sent], ...] = (
    loops_at_client_node,
    pod_address_between_nodes,
    announced_by_client_node,
    returned_to_client_node,
    answered_past,
    pod_not_routed,
    pod_answer_dropped,
    arrives,
)


def aim(conn: Connection, node: str) -> Connection:
    """Return the connection before it is sent to a node, for the rules that rewrite its source."""
    return replace(conn, target_node=node)


def to_nodes(conn: Connection, state: ServiceState) -> tuple[Connection, ...]:
    """Return the connection as one to the NodePort of each node that the load balancer may select."""
    return tuple(_connect_node_port(conn, state, node) for node in list_nodes(conn, state))


def unchanged_to(conn: Connection, node: str) -> Connection:
    """Return the connection as it arrives at a node with the client's destination."""
    return replace(conn, packet=_packet_to_node(conn, node), marked=False, returned=True)


def connect_pod(conn: Connection, endpoint: Endpoint) -> Connection:
    """Return the connection as one to a pod's own address."""
    return replace(
        conn,
        kind=FrontendKind.ENDPOINT,
        target=endpoint.address,
        packet=_packet_to_node(conn, endpoint.node),
        endpoint=endpoint,
        marked=False,
        returned=True,
    )


def _packet_to_node(conn: Connection, node: str) -> Packet:
    """Return the packet to a selected node, where it is external traffic. `REWRITING` decides its source later."""
    return Packet(Origin.EXTERNAL, conn.packet.source, node=node, client_node=conn.packet.client_node)


def _connect_node_port(conn: Connection, state: ServiceState, node: str) -> Connection:
    """Return the connection as one to a NodePort of that node."""
    return replace(
        conn,
        state=state,
        kind=FrontendKind.NODE_PORT,
        target=conn.cluster.topology.node(node).address,
        target_node=node,
        packet=_packet_to_node(conn, node),
        declared=True,
        marked=False,
        returned=True,
    )
