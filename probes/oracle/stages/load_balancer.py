"""Rules for the load balancer that a topology declares: where a packet to one of its addresses goes.

It translates load balancer IP and port to a NodePort of a node in the Service's target pool or to an endpoint, or a
node receives the packet unchanged. It answers at its own listeners, and routes externalIPs to the first node. The rules
for the source address and for the way to the node are in load_balancer_targets.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.connection import Connection, Disposition, NextHop, Origin
from probes.oracle.expectation import Path
from probes.oracle.rule import Decision, Rule, decide, rule
from probes.oracle.stages.arrival import loses_reply
from probes.oracle.stages.load_balancer_targets import (
    DOCS,
    REWRITING,
    SENDING,
    aim,
    connect_pod,
    is_unchanged,
    list_nodes,
    list_pods,
    to_nodes,
    unchanged_to,
)
from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerAffinity, EmptyPool, LoadBalancerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.topology import Listener

NAME = "lb"
Answer = Disposition | Path | tuple[Connection, ...]


@rule("L2", f"{DOCS}.kind: none; IP routing: no host owns the address")
def no_balancer(conn: Connection) -> Answer | None:
    """Without a load balancer, packets to a load balancer IP or externalIP have no route."""
    absent = conn.environment.balancer is LoadBalancerKind.NONE
    return Disposition.ASTRAY if absent and conn.kind is not FrontendKind.CLUSTER_IP else None


@rule("L20", f"{DOCS}.source_ranges")
def outside_ranges(conn: Connection) -> Answer | None:
    """A load balancer that enforces loadBalancerSourceRanges drops packets from outside them."""
    ranges = conn.state.load_balancer_source_ranges
    if not ranges or conn.kind is not FrontendKind.LOAD_BALANCER or not conn.declared:
        return None
    admitted = any(conn.packet.source in network for network in ranges)
    return Disposition.DROPPED if not admitted and conn.environment.balancer_source_ranges else None


@rule("L3", "IP routing: no route back to the pod network")
def no_answer_to_pod(conn: Connection) -> Answer | None:
    """A pod IP that is not routed outside the cluster gets no reply from the load balancer.

    The same applies on an overlay with anti-spoofing.
    """
    if conn.packet.origin is not Origin.POD or not loses_reply(conn):
        return None
    answers = conn.kind is FrontendKind.EXTERNAL_IP or not is_unchanged(conn)
    return Disposition.DROPPED if answers else None


@rule("L14", f"{DOCS}.listeners; Huawei CCE: an ELB shared with an Ingress, another cluster or a port range")
def listener_leads(conn: Connection) -> Answer | None:
    """A load balancer listener that forwards to a Service uses the nodes in that Service's target pool in turn."""
    listener = _listener(conn)
    if listener is None or not listener.leads_to:
        return None
    state = conn.cluster.snapshot.services[listener.leads_to]
    return to_nodes(conn, state) or end_without_target(conn)


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
    return Disposition.CLOSED if _is_at_other_port(conn) and conn.environment.refuses_other_ports else None


@rule("L22", f"{DOCS}.other_ports")
def own_drop(conn: Connection) -> Answer | None:
    """At a port of its address without a listener, the load balancer may drop packets."""
    return Disposition.DROPPED if _is_at_other_port(conn) and not conn.environment.passes_other_ports else None


@rule("L6", "kernel: TTL exceeded in transit")
def loops(conn: Connection) -> Answer | None:
    """A packet to an externalIP that no node translates loops between load balancer and node until its TTL expires.

    The same applies to a load balancer IP with which packets arrive at a node.
    """
    return Disposition.ASTRAY if conn.returned and conn.kind is not FrontendKind.NODE_PORT else None


@rule("L8", DOCS)
def handed_to_first_node(conn: Connection) -> Answer | None:
    """The load balancer routes packets to an externalIP to the first node, with the destination unchanged."""
    if conn.kind is not FrontendKind.EXTERNAL_IP:
        return None
    return (unchanged_to(conn, conn.cluster.topology.nodes[0].name),)


@rule("L9", f"{DOCS}.empty_pool")
def empty_pool(conn: Connection) -> Answer | None:
    """If no node is in the target pool, the load balancer refuses connections (TCP RST) or drops packets.

    An address that nodes announce may be withdrawn instead, so that no host owns it.
    """
    to_pods = not is_unchanged(conn) and conn.environment.arrives_at_pods
    return None if (list_pods(conn) if to_pods else list_nodes(conn, conn.state)) else end_without_target(conn)


@rule("L23", f"{DOCS}.arrives_at, announced_by; RFC 826; BGP ECMP")
def to_announcing_nodes(conn: Connection) -> Answer | None:
    """A packet arrives unchanged at a node that announces the address, or that the load balancer selects.

    With externalTrafficPolicy: Local these may be only nodes with a ready endpoint. They may be a single node.
    """
    if not is_unchanged(conn):
        return None
    return tuple(unchanged_to(conn, node) for node in list_nodes(conn, conn.state))


@rule("L24", f"{DOCS}.arrives_at")
def to_pods(conn: Connection) -> Answer | None:
    """A load balancer with pods as targets sends packets to the ready endpoints in turn, past kube-proxy."""
    if not conn.environment.arrives_at_pods:
        return None
    return tuple(connect_pod(conn, endpoint) for endpoint in list_pods(conn))


@rule(
    "L10",
    "Kubernetes docs: Service externalTrafficPolicy; pkg/proxy/healthcheck/service_health.go: healthCheckNodePort",
)
def to_node_ports(conn: Connection) -> Answer:
    """The load balancer uses the nodes in its target pool in turn.

    With externalTrafficPolicy: Local and health checks, the pool contains only nodes with a ready endpoint.
    """
    return to_nodes(conn, conn.state)


@rule(
    "L29",
    f"{DOCS}.session_affinity; cloud-provider-gcp gce_loadbalancer.go translateAffinityType; cloud-provider-azure "
    "azure_loadbalancer.go: load distribution SourceIP; AWS NLB docs: target group stickiness source_ip; "
    'docs/observations.md "sessionAffinity: ClientIP behind a load balancer"',
)
def selects_by_client(conn: Connection) -> BalancerAffinity | None:
    """With sessionAffinity: ClientIP, a load balancer with session affinity sends each client to one node or pod."""
    return BalancerAffinity.CLIENT_IP if conn.environment.balancer_keeps_affinity else None


@rule(
    "L30",
    f"{DOCS}.session_affinity; pkg/proxy: each node's kube-proxy has an affinity table of its own; "
    'docs/observations.md "sessionAffinity: ClientIP behind a load balancer"',
)
def selects_by_connection(_: Connection) -> BalancerAffinity:
    """A load balancer without session affinity selects a node or pod for each connection.

    With sessionAffinity: ClientIP, each node's kube-proxy then keeps the client on an endpoint that it selected itself.
    """
    return BalancerAffinity.NONE


AFFINITY: tuple[Rule[BalancerAffinity], ...] = (selects_by_client, selects_by_connection)
RECEIVING: tuple[Rule[Answer], ...] = (
    no_balancer,
    outside_ranges,
    no_answer_to_pod,
    listener_leads,
    listener_answers,
    own_answer,
    own_refusal,
    own_drop,
    loops,
    handed_to_first_node,
    empty_pool,
    to_announcing_nodes,
    to_pods,
    to_node_ports,
)


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
            weights = [conn.cluster.balancer_nodes.weights.get(one.packet.node, 1) for one in answer]
            affinity, by_connection = _affinity(conn, len(answer), sum(weights))
            for one, weight in zip(answer, weights, strict=True):
                source = decide(REWRITING, aim(conn, one.packet.node))
                hop = _send(one.with_source(source.value), (reception, *affinity, source), weight / sum(weights))
                yield replace(hop, selected=one.packet.node if by_connection else "")


def _affinity(conn: Connection, computed: int, targets: int) -> tuple[tuple[Decision[BalancerAffinity], ...], bool]:
    """Return the decision, if one is needed, and whether the load balancer selects a target for each connection.

    Args:
        conn: The connection as the load balancer receives it.
        computed: How many targets are computed.
        targets: How many targets these stand for. A leader is one target also if any of several nodes may be it.

    """
    if targets == 1 or (computed == 1 and conn.environment.has_leader):
        return (), False
    if conn.kind is not FrontendKind.LOAD_BALANCER or not (conn.declared and conn.state.sticky):
        return (), True
    made = decide(AFFINITY, conn)
    return (made,), made.value is BalancerAffinity.NONE


def _send(conn: Connection, decisions: tuple[Decision[Any], ...], share: float) -> NextHop:
    sending = decide(SENDING, conn)
    sent = sending.value
    return NextHop(sent.paths() if isinstance(sent, Disposition) else sent, (*decisions, sending), share)


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


def _is_at_other_port(conn: Connection) -> bool:
    """Return whether the target is a port of a load balancer IP without a listener."""
    return conn.kind is FrontendKind.LOAD_BALANCER and not conn.declared


def end_without_target(conn: Connection) -> Disposition:
    """Return the result if the load balancer has no node or pod for a packet."""
    return {EmptyPool.DROP: Disposition.DROPPED, EmptyPool.WITHDRAW: Disposition.ASTRAY}.get(
        conn.environment.empty_pool, Disposition.CLOSED
    )
