"""Rules for arrival: the node that processes the packet, and the source address on arrival there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle.connection import Disposition, Origin, Packet
from probes.oracle.node_addresses import (
    address_towards_remote_pods,
    are_bare_packets_lost,
    is_from_pod_network,
    leaves_as_node,
    leaves_masqueraded,
)
from probes.oracle.rule import Rule, rule
from probes.oracle.stages import node_firewall
from probes.oracle.stages.node_owned_addresses import has_owner
from probes.oracle.stages.traffic_policies import is_bound
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.common.addresses import IPAddress

Arrival = Packet | Disposition


def _outside(conn: Connection) -> bool:
    return conn.packet.origin is Origin.EXTERNAL


def _node_port(conn: Connection) -> bool:
    return conn.kind is FrontendKind.NODE_PORT


def _on_pod_network(conn: Connection) -> bool:
    return conn.at in {At.BRIDGE, At.TUNNEL}


def _arrived(conn: Connection, source: IPAddress) -> Packet:
    return replace(conn.packet, node=conn.target_node, source=source)


@rule(
    "R0.14",
    "pkg/proxy/ipvs/proxier.go writeIptablesRules: the service VIP is picked as the source IP",
)
def node_to_bound_address(conn: Connection) -> Arrival | None:
    """In IPVS mode, a host-network process reaches an address bound to kube-ipvs0 from that same address."""
    local = conn.packet.origin is Origin.NODE and is_bound(conn) and conn.environment.mode is ProxyMode.IPVS
    return replace(conn.packet, source=conn.target) if local else None


@rule("R0.19", "kernel: a packet to a local address has that address as its source")
def node_to_own_virtual_address(conn: Connection) -> Arrival | None:
    """A host-network process reaches a load balancer IP or externalIP of its own node from that same address.

    The node has the address on one of its interfaces.
    """
    local = conn.packet.origin is Origin.NODE and conn.at_own_address
    return replace(conn.packet, source=conn.target) if local else None


@rule("R0.1", "pkg/proxy: every node has the rules in OUTPUT and PREROUTING")
def own_node_translates(conn: Connection) -> Arrival | None:
    """Inside the cluster, the client's own node processes packets to a ClusterIP, load balancer IP or externalIP."""
    return None if _node_port(conn) or _outside(conn) else conn.packet


@rule("R0.2", "IP routing: no route to the service CIDR outside the cluster")
def cluster_ip_from_outside(conn: Connection) -> Arrival | None:
    """Clients outside the cluster have no route to a ClusterIP, unless nodes announce it."""
    asked = _outside(conn) and conn.kind is FrontendKind.CLUSTER_IP
    return Disposition.ASTRAY if asked and not conn.environment.advertises_cluster_ips else None


@rule("R0.23", "docs/topology.md load_balancer.advertises_cluster_ips; Calico, kube-router: BGP advertisement")
def advertised_cluster_ip(conn: Connection) -> Arrival | None:
    """From outside the cluster, packets to a ClusterIP that nodes announce go to one of those nodes."""
    return Disposition.LEAVES if _outside(conn) and conn.kind is FrontendKind.CLUSTER_IP else None


@rule("R0.20", "IP routing")
def held_from_outside(conn: Connection) -> Arrival | None:
    """From outside the cluster, packets to a load balancer IP or externalIP that a host owns go to that host.

    The host is a node or an external host.
    """
    return Disposition.LEAVES if _outside(conn) and has_owner(conn) else None


@rule("R0.4", "IP routing: the load balancer's addresses are routed to it")
def balancer_from_outside(conn: Connection) -> Arrival | None:
    """From outside the cluster, packets to a load balancer IP or externalIP go to the load balancer.

    This does not apply to addresses that a node or an external host owns.
    """
    return None if _node_port(conn) else Disposition.LEAVES


@rule("R0.5", "RFC 1122 3.2.1.3: 127/8 never leaves the host")
def loopback_elsewhere(conn: Connection) -> Arrival | None:
    """A pod or external host that connects to 127.0.0.1 reaches itself, and no process listens there."""
    return Disposition.CLOSED if conn.at is At.LOOPBACK and conn.packet.origin is not Origin.NODE else None


@rule("R0.6", "IP routing: no route to the pod network outside")
def no_way_to_pod_network(conn: Connection) -> Arrival | None:
    """Clients outside the cluster have no route to the address of a bridge or tunnel device.

    They have one if the pod network is routed there and the address is in the pod CIDR.
    """
    environment = conn.environment
    routed = environment.external_routes_to_pods and conn.target in environment.pod_cidr
    no_route = _outside(conn) and _on_pod_network(conn) and not routed
    return Disposition.ASTRAY if no_route else None


@rule("R0.15", "1:1 NAT in the network (a cloud's elastic IP), in both directions")
def public_from_inside(conn: Connection) -> Arrival | None:
    """Packets to a NodePort at a public address arrive from the client node's own public address, as external traffic.

    The client's node has a public address. The client is a host-network process or a pod whose egress the CNI
    masquerades.
    """
    if conn.at is not At.PUBLIC or _outside(conn) or not (conn.client_node.public_address and leaves_as_node(conn)):
        return None
    return Packet(Origin.EXTERNAL, conn.client_node.public_address, node=conn.target_node)


@rule("R0.16", "1:1 NAT in the network (a cloud's elastic IP): the reply does not pass it")
def public_answered_past(conn: Connection) -> Arrival | None:
    """Inside the cluster, a client without a public address times out at a NodePort with a public address.

    The node replies directly, from an address that the client did not connect to.
    """
    return Disposition.DROPPED if conn.at is At.PUBLIC and not _outside(conn) else None


@rule("R0.17", "kernel rp_filter; the reply leaves by the primary interface, where anti-spoofing checks its source")
def guarded_secondary_address(conn: Connection) -> Arrival | None:
    """With strict rp_filter or anti-spoofing, a node's secondary address serves only clients on its own network.

    Anti-spoofing does not affect pod packets that travel in a tunnel.
    """
    if conn.at is not At.SECONDARY or conn.packet.client_node == conn.target_node:
        return None
    if not _outside(conn) and conn.client_node.secondary_address and leaves_as_node(conn):
        return None
    tunnelled = conn.packet.origin is Origin.POD and conn.environment.overlay and not leaves_as_node(conn)
    guarded = conn.environment_of(conn.target_node).strict or (conn.environment.anti_spoof and not tunnelled)
    return Disposition.DROPPED if guarded else None


@rule("R0.7", "kernel: a packet to a local address has that address as its source")
def node_to_own_address(conn: Connection) -> Arrival | None:
    """A host-network process reaches a NodePort at an address of its own node from that same address."""
    own = conn.packet.origin is Origin.NODE and conn.packet.client_node == conn.target_node
    return _arrived(conn, conn.target) if own else None


@rule("R0.18", "kernel: source address selection and MASQUERADE by output interface")
def to_secondary_address(conn: Connection) -> Arrival | None:
    """Packets to another node's secondary address come from the secondary address of the client's node.

    If that node has none, they come from its primary address. This applies to host-network processes and to pods
    whose egress the CNI masquerades.
    """
    if conn.at is not At.SECONDARY or _outside(conn) or conn.packet.client_node == conn.target_node:
        return None
    return (
        _arrived(conn, conn.client_node.secondary_address or conn.client_node.address) if leaves_as_node(conn) else None
    )


@rule("R0.8", "kernel: source address selection by output interface")
def node_to_pod_network(conn: Connection) -> Arrival | None:
    """A packet reaches another node's bridge or tunnel address from the tunnel device of the client's node.

    Without an overlay, it comes from the client node's primary address. This applies to host-network processes and to
    pods whose egress the CNI masquerades.
    """
    elsewhere = conn.packet.client_node != conn.target_node
    if _outside(conn) or not _on_pod_network(conn) or not elsewhere or not leaves_as_node(conn):
        return None
    return _arrived(conn, address_towards_remote_pods(conn, conn.client_node))


def _pod_to_primary_elsewhere(conn: Connection) -> bool:
    elsewhere = conn.packet.client_node != conn.target_node
    return conn.packet.origin is Origin.POD and elsewhere and conn.at is At.PRIMARY


@rule("R0.9", "flannel pkg/trafficmngr/iptables masqRules: -s CLUSTER_CIDR ! -d 224.0.0.0/4 MASQUERADE (M4)")
def pod_masqueraded_on_the_way(conn: Connection) -> Arrival | None:
    """If the CNI masquerades pod egress, a pod reaches another node's primary address from its own node's address."""
    rewritten = _pod_to_primary_elsewhere(conn) and leaves_masqueraded(conn, conn.target)
    return _arrived(conn, conn.client_node.address) if rewritten else None


@rule("R0.10", 'kernel rp_filter; docs/observations.md "Strict rp_filter and anti-spoofing on an overlay"')
def pod_dropped_on_the_way(conn: Connection) -> Arrival | None:
    """On an overlay, strict rp_filter or anti-spoofing drops an unmasqueraded pod packet to another node's address.

    The packet does not reach kube-proxy's rules. If only the client's node is strict, it drops every reply.
    """
    if not _pod_to_primary_elsewhere(conn):
        return None
    return Disposition.DROPPED if are_bare_packets_lost(conn, conn.packet.client_node, conn.target_node) else None


@rule("R0.11", "IP routing")
def arrives_as_sent(conn: Connection) -> Arrival:
    """A NodePort packet arrives with the client's own source address if the network does not rewrite it."""
    return _arrived(conn, conn.packet.source)


TO_SERVICE_ADDRESS: tuple[Rule[Arrival], ...] = (
    own_node_translates,
    cluster_ip_from_outside,
    advertised_cluster_ip,
    held_from_outside,
    balancer_from_outside,
)
TO_NODE_PORT: tuple[Rule[Arrival], ...] = (
    no_way_to_pod_network,
    node_firewall.own_node_drops,
    public_from_inside,
    public_answered_past,
    guarded_secondary_address,
    node_to_own_address,
    to_secondary_address,
    node_to_pod_network,
    pod_masqueraded_on_the_way,
    pod_dropped_on_the_way,
    arrives_as_sent,
)
WITHOUT_BOUND_ADDRESSES: tuple[Rule[Arrival], ...] = (
    node_to_own_virtual_address,
    *TO_SERVICE_ADDRESS,
    loopback_elsewhere,
    *TO_NODE_PORT,
)


@rule("B1", "Kubernetes docs: Pod lifecycle, container probes (readiness) and termination")
def not_serving(conn: Connection) -> Arrival | None:
    """A direct connection to an echo pod fails if the pod is not ready and not serving.

    It is refused, times out or is unreachable. An echo pod that is declared unready answers.
    """
    declared = conn.cluster.topology.workload.backends_by_name.get(conn.chosen.backend)
    answers = declared is not None and not declared.state.serving
    return None if conn.chosen.ready or conn.chosen.serving or answers else Disposition.UNSERVED


@rule("B2", "IP routing: no route to the pod network outside the cluster")
def pod_from_outside(conn: Connection) -> Arrival | None:
    """Clients outside the cluster have no route to a pod IP, unless the pod network is routed there."""
    hidden = not conn.chosen.host_network and not conn.environment.external_routes_to_pods
    return Disposition.ASTRAY if _outside(conn) and hidden else None


@rule("B3", "IP routing")
def backend_from_outside(conn: Connection) -> Arrival | None:
    """A direct connection from outside the cluster reaches the echo pod's node with the client's own source address."""
    return replace(conn.packet, node=conn.chosen.node) if _outside(conn) else None


@rule("B4", "IP routing inside the cluster")
def backend_from_inside(conn: Connection) -> Arrival:
    """A direct connection inside the cluster leaves the client's node without Service address translation."""
    return conn.packet


BASELINE: tuple[Rule[Arrival], ...] = (not_serving, pod_from_outside, backend_from_outside, backend_from_inside)


@rule("L0", "flannel masqRules (M4); pkg/proxy KUBE-POSTROUTING MASQUERADE")
def masqueraded_towards_balancer(conn: Connection) -> IPAddress | None:
    """A pod's packet to the load balancer has its node's address if kube-proxy or the CNI masquerades it."""
    if conn.packet.origin is not Origin.POD or not (conn.marked or leaves_masqueraded(conn, conn.target)):
        return None
    return conn.node.address


@rule("L1", "IP routing")
def preserved_towards_balancer(conn: Connection) -> IPAddress:
    """A packet to the load balancer has the client's own source address, unless it comes from a masqueraded pod."""
    return conn.packet.source


LEAVING: tuple[Rule[IPAddress | Disposition], ...] = (
    node_firewall.dropped_when_leaving,
    masqueraded_towards_balancer,
    preserved_towards_balancer,
)


def loses_reply(conn: Connection) -> bool:
    """Return whether hosts outside the cluster cannot reply: the source is a pod IP without a route, or dropped."""
    if not is_from_pod_network(conn, conn.packet.source):
        return False
    environment = conn.environment
    return not environment.pods_routed_outside or (environment.overlay and environment.anti_spoof)
