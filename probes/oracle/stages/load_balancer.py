"""Rules for the load balancer that a topology declares: the nodes' default gateway (inline), or full NAT.

It translates load balancer IP and port to a NodePort of a node in the Service's target pool. It answers at its own
listeners, and routes externalIPs to the first node. Inline, it preserves the address of outside clients. With
`masquerade_inside` it uses its own address for packets from the nodes that return to the nodes. Without
`masquerade_inside` a node may receive its own packet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.connection import Connection, Disposition, NextHop, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import is_from_pod_network
from probes.oracle.rule import Decision, Rule, decide, rule
from probes.oracle.stages.arrival import loses_reply
from topologies.common.addresses import IPNetwork
from topologies.frontends import FrontendKind
from topologies.schema.enums import EmptyPool, LoadBalancerKind, TrafficPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.cluster_state.snapshot import ServiceState
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Listener

NAME = "lb"
Answer = Disposition | Path | tuple[Connection, ...]
Sent = Disposition | Connection
DOCS = "docs/topology.md load_balancer"


@rule("L2", f"{DOCS}.kind: none; IP routing: no host owns the address")
def no_balancer(conn: Connection) -> Answer | None:
    """Without a load balancer, packets to a load balancer IP or externalIP have no route."""
    return Disposition.ASTRAY if conn.environment.balancer is LoadBalancerKind.NONE else None


@rule("L3", "IP routing: no route back to the pod network")
def no_answer_to_pod(conn: Connection) -> Answer | None:
    """A pod IP that is not routed outside the cluster gets no reply from the load balancer.

    The same applies on an overlay with anti-spoofing.
    """
    return Disposition.DROPPED if conn.packet.origin is Origin.POD and loses_reply(conn) else None


@rule("L14", f"{DOCS}.listeners; Huawei CCE: an ELB shared with an Ingress, another cluster or a port range")
def listener_leads(conn: Connection) -> Answer | None:
    """A load balancer listener that forwards to a Service uses the nodes in that Service's target pool in turn."""
    listener = _listener(conn)
    if listener is None or not listener.leads_to:
        return None
    state = conn.cluster.snapshot.services[listener.leads_to]
    return _to_nodes(conn, state) or _refuse_or_drop(conn)


@rule("L15", f"{DOCS}.listeners")
def listener_answers(conn: Connection) -> Answer | None:
    """At a listener of its own, the load balancer answers under the listener's name."""
    listener = _listener(conn)
    return Path(Outcome.OK, frozenset({conn.packet.source}), listener.name) if listener else None


@rule("L4", f"{DOCS}.listens")
def own_answer(conn: Connection) -> Answer | None:
    """At a port of its address that no Service declares, the load balancer answers if it listens there."""
    mine = conn.kind is FrontendKind.LOAD_BALANCER and not conn.declared
    if not mine or not conn.environment.balancer_listens:
        return None
    return Path(Outcome.OK, frozenset({conn.packet.source}), NAME)


@rule("L5", f"{DOCS}.listens")
def own_refusal(conn: Connection) -> Answer | None:
    """At a port of its address where it does not listen, the load balancer refuses connections (TCP RST)."""
    return Disposition.CLOSED if conn.kind is FrontendKind.LOAD_BALANCER and not conn.declared else None


@rule("L6", "kernel: TTL exceeded in transit")
def loops(conn: Connection) -> Answer | None:
    """A packet to an externalIP that no node translates loops between load balancer and node until its TTL expires."""
    return Disposition.ASTRAY if conn.kind is FrontendKind.EXTERNAL_IP and conn.returned else None


@rule("L8", DOCS)
def handed_to_first_node(conn: Connection) -> Answer | None:
    """The load balancer routes packets to an externalIP to the first node, with the destination unchanged."""
    if conn.kind is not FrontendKind.EXTERNAL_IP:
        return None
    first = conn.cluster.topology.nodes[0].name
    return (replace(conn, packet=_packet_to_node(conn, first), marked=False, returned=True),)


@rule("L9", f"{DOCS}.empty_pool")
def empty_pool(conn: Connection) -> Answer | None:
    """If no node is in the target pool, the load balancer refuses connections (TCP RST) or drops packets."""
    return None if _pool(conn, conn.state) else _refuse_or_drop(conn)


@rule(
    "L10",
    "Kubernetes docs: Service externalTrafficPolicy; pkg/proxy/healthcheck/service_health.go: healthCheckNodePort",
)
def to_node_ports(conn: Connection) -> Answer:
    """The load balancer uses the nodes in its target pool in turn.

    With externalTrafficPolicy: Local and health checks, the pool contains only nodes with a ready endpoint.
    """
    return _to_nodes(conn, conn.state)


RECEIVING: tuple[Rule[Answer], ...] = (
    no_balancer,
    no_answer_to_pod,
    listener_leads,
    listener_answers,
    own_answer,
    own_refusal,
    loops,
    handed_to_first_node,
    empty_pool,
    to_node_ports,
)


@rule("L16", f"{DOCS}.kind: full-nat")
def full_nat(conn: Connection) -> IPAddress | None:
    """A full-NAT load balancer replaces the client's address with its own.

    This does not apply to packets to an externalIP.
    """
    translated = conn.kind is not FrontendKind.EXTERNAL_IP
    return _own_address(conn) if translated and not conn.environment.keeps_client else None


@rule("L11", f"{DOCS}.masquerade_inside")
def back_to_the_nodes(conn: Connection) -> IPAddress | None:
    """An inline load balancer with masquerade_inside uses its own address as the source of packets from the nodes."""
    inside = conn.packet.origin is not Origin.EXTERNAL
    facts = conn.environment
    return _own_address(conn) if inside and facts.masquerade_inside and facts.keeps_client else None


@rule("L12", f"{DOCS}.kind: inline")
def client_preserved(conn: Connection) -> IPAddress:
    """The load balancer preserves the client's source IP."""
    return conn.packet.source


REWRITING: tuple[Rule[IPAddress], ...] = (full_nat, back_to_the_nodes, client_preserved)


def _preserves_inside_client(conn: Connection) -> bool:
    return bool(conn.packet.client_node) and conn.packet.source != _own_address(conn)


@rule(
    "L19",
    "netfilter: NAT only for the first packet of a connection; kernel: TTL exceeded in transit; "
    'docs/observations.md "externalIP loop on the pod\'s own node"',
)
def loops_at_client_node(conn: Connection) -> Sent | None:
    """A pod's packet to an externalIP loops if the load balancer returns it, with the pod IP, to the pod's node.

    conntrack already has the connection, so no NAT rule translates the packet. It loops until its TTL expires.
    """
    returned = conn.packet.client_node == conn.packet.node and is_from_pod_network(conn, conn.packet.source)
    return Disposition.ASTRAY if returned and conn.kind is FrontendKind.EXTERNAL_IP else None


@rule(
    "L13", 'kernel: martian source; the reply bypasses the load balancer; docs/observations.md "Load balancer loopback"'
)
def returned_to_client_node(conn: Connection) -> Sent | None:
    """A connection times out if the load balancer preserves the client's source IP and picks the client's own node."""
    returned = conn.packet.client_node == conn.packet.node
    return Disposition.DROPPED if _preserves_inside_client(conn) and returned else None


@rule("L17", "IP routing: the reply uses the tunnel and bypasses the load balancer")
def answered_past(conn: Connection) -> Sent | None:
    """On an overlay, a pod times out if the load balancer preserves its pod IP.

    The reply returns over the pod network, from an address that the pod did not connect to.
    """
    bare = _preserves_inside_client(conn) and is_from_pod_network(conn, conn.packet.source)
    translated = conn.kind is not FrontendKind.EXTERNAL_IP
    return Disposition.DROPPED if bare and translated and conn.environment.overlay else None


@rule("L18", DOCS)
def arrives(conn: Connection) -> Sent:
    """A packet from the load balancer arrives at the selected node as external traffic."""
    return conn


SENDING: tuple[Rule[Sent], ...] = (loops_at_client_node, returned_to_client_node, answered_past, arrives)


class DeclaredBalancer:
    """The load balancer that the topology declares."""

    def receive(self, conn: Connection) -> Iterator[NextHop]:
        """Yield the next hop of a packet that reached the load balancer, or one per node of the target pool."""
        reception = decide(RECEIVING, conn)
        answer = reception.value
        if isinstance(answer, Disposition):
            yield NextHop(answer.paths(), (reception,))
        elif isinstance(answer, Path):
            yield NextHop((answer,), (reception,))
        else:
            source = decide(REWRITING, conn)
            for one in answer:
                yield _send(one, (reception, source), 1 / len(answer))


def _send(conn: Connection, decisions: tuple[Decision[Any], ...], share: float) -> NextHop:
    sending = decide(SENDING, conn)
    sent = sending.value
    return NextHop(sent.paths() if isinstance(sent, Disposition) else sent, (*decisions, sending), share)


def _own_address(conn: Connection) -> IPAddress:
    """Return the declared address, or the first host of the nodes' /24, which the lab uses."""
    topology = conn.cluster.topology
    return topology.load_balancer.address or IPNetwork((topology.nodes[0].address, 24), strict=False)[1]


def _listener(conn: Connection) -> Listener | None:
    """Return the listener at this port of the load balancer IP, if no Service declares the port."""
    if conn.kind is not FrontendKind.LOAD_BALANCER or conn.declared:
        return None
    services = conn.cluster.snapshot.services.values()
    here = {None, *(state.name for state in services if conn.target in state.balanced)}
    for listener in conn.cluster.topology.load_balancer.listeners:
        if listener.service in here and listener.port <= conn.port <= (listener.until or listener.port):
            return listener
    return None


def _pool(conn: Connection, state: ServiceState) -> tuple[str, ...]:
    """Return the nodes to which it may send this packet.

    With externalTrafficPolicy: Local the health check selects the nodes, and kube-proxy's healthCheckNodePort counts
    only ready endpoints. With `excludes_source` the node that sent the packet is excluded.
    """
    nodes = [node for node in conn.cluster.topology.nodes if not _excluded(conn, node.address)]
    if state.external_traffic_policy is not TrafficPolicy.LOCAL or not conn.environment.avoids_empty_nodes:
        return tuple(node.name for node in nodes)
    served = {endpoint.node for endpoint in state.endpoints if endpoint.ready}
    return tuple(node.name for node in nodes if node.name in served)


def _excluded(conn: Connection, address: IPAddress) -> bool:
    return conn.packet.source == address and conn.environment.excludes_source


def _refuse_or_drop(conn: Connection) -> Disposition:
    return Disposition.DROPPED if conn.environment.empty_pool is EmptyPool.DROP else Disposition.CLOSED


def _to_nodes(conn: Connection, state: ServiceState) -> tuple[Connection, ...]:
    return tuple(_connect_node_port(conn, state, node) for node in _pool(conn, state))


def _packet_to_node(conn: Connection, node: str) -> Packet:
    """Return the packet as the selected node receives it: as external traffic."""
    return Packet(Origin.EXTERNAL, decide(REWRITING, conn).value, node=node, client_node=conn.packet.client_node)


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
