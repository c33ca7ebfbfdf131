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
from probes.oracle.connection import Fate, Flow, Onward, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import from_pod_network
from probes.oracle.rule import Decision, Rule, decide, rule
from probes.oracle.stages.arrival import lost_answer
from topologies.common.addresses import IPNetwork
from topologies.frontends import FrontendKind
from topologies.schema.enums import EmptyPool, LoadBalancerKind, Registers, TrafficPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.cluster_state.snapshot import ServiceState
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Listener

NAME = "lb"
Answer = Fate | Path | tuple[Flow, ...]
Sent = Fate | Flow
DOCS = "docs/topology.md load_balancer"


@rule("L2", f"{DOCS}.kind: none; IP routing: no host owns the address")
def no_balancer(flow: Flow) -> Answer | None:
    """Without a load balancer, packets to a load balancer IP or externalIP have no route."""
    return Fate.ASTRAY if flow.environment.balancer is LoadBalancerKind.NONE else None


@rule("L3", "IP routing: no route back to the pod network")
def no_answer_to_pod(flow: Flow) -> Answer | None:
    """A pod IP that is not routed outside the cluster gets no reply from the load balancer.

    The same applies on an overlay with anti-spoofing.
    """
    return Fate.DROPPED if flow.packet.origin is Origin.POD and lost_answer(flow) else None


@rule("L14", f"{DOCS}.listeners; Huawei CCE: an ELB shared with an Ingress, another cluster or a port range")
def listener_leads(flow: Flow) -> Answer | None:
    """A load balancer listener that forwards to a Service uses the nodes in that Service's target pool in turn."""
    listener = _listener(flow)
    if listener is None or not listener.leads_to:
        return None
    state = flow.world.snapshot.services[listener.leads_to]
    return _to_nodes(flow, state) or _nobody(flow)


@rule("L15", f"{DOCS}.listeners")
def listener_answers(flow: Flow) -> Answer | None:
    """At a listener of its own, the load balancer answers under the listener's name."""
    listener = _listener(flow)
    return Path(Outcome.OK, frozenset({flow.packet.source}), listener.name) if listener else None


@rule("L4", f"{DOCS}.listens")
def own_answer(flow: Flow) -> Answer | None:
    """At a port of its address that no Service declares, the load balancer answers if it listens there."""
    mine = flow.kind is FrontendKind.LOAD_BALANCER and not flow.declared
    if not mine or not flow.environment.balancer_listens:
        return None
    return Path(Outcome.OK, frozenset({flow.packet.source}), NAME)


@rule("L5", f"{DOCS}.listens")
def own_refusal(flow: Flow) -> Answer | None:
    """At a port of its address where it does not listen, the load balancer refuses connections (TCP RST)."""
    return Fate.CLOSED if flow.kind is FrontendKind.LOAD_BALANCER and not flow.declared else None


@rule("L6", "kernel: TTL exceeded in transit")
def circles(flow: Flow) -> Answer | None:
    """A packet to an externalIP that no node translates loops between load balancer and node until its TTL expires."""
    return Fate.ASTRAY if flow.kind is FrontendKind.EXTERNAL_IP and flow.returned else None


@rule("L8", DOCS)
def handed_to_first_node(flow: Flow) -> Answer | None:
    """The load balancer routes packets to an externalIP to the first node, with the destination unchanged."""
    if flow.kind is not FrontendKind.EXTERNAL_IP:
        return None
    first = flow.world.topology.nodes[0].name
    return (replace(flow, packet=_onward(flow, first), marked=False, returned=True),)


@rule("L9", f"{DOCS}.empty_pool")
def empty_pool(flow: Flow) -> Answer | None:
    """If no node is in the target pool, the load balancer refuses connections (TCP RST) or drops packets."""
    return None if _pool(flow, flow.state) else _nobody(flow)


@rule(
    "L10",
    "Kubernetes docs: Service externalTrafficPolicy; pkg/proxy/healthcheck/service_health.go: healthCheckNodePort",
)
def to_node_ports(flow: Flow) -> Answer:
    """The load balancer uses the nodes in its target pool in turn.

    With externalTrafficPolicy: Local and health checks, the pool contains only nodes with a ready endpoint.
    """
    return _to_nodes(flow, flow.state)


RECEIVING: tuple[Rule[Answer], ...] = (
    no_balancer,
    no_answer_to_pod,
    listener_leads,
    listener_answers,
    own_answer,
    own_refusal,
    circles,
    handed_to_first_node,
    empty_pool,
    to_node_ports,
)


@rule("L16", f"{DOCS}.kind: full-nat")
def full_nat(flow: Flow) -> IPAddress | None:
    """A full-NAT load balancer replaces the client's address with its own.

    This does not apply to packets to an externalIP.
    """
    translated = flow.kind is not FrontendKind.EXTERNAL_IP
    return _own_address(flow) if translated and flow.environment.balancer is LoadBalancerKind.FULL_NAT else None


@rule("L11", f"{DOCS}.masquerade_inside")
def back_to_the_nodes(flow: Flow) -> IPAddress | None:
    """An inline load balancer with masquerade_inside uses its own address as the source of packets from the nodes."""
    inside = flow.packet.origin is not Origin.EXTERNAL
    masquerades = flow.world.topology.load_balancer.masquerade_inside
    inline = flow.environment.balancer is LoadBalancerKind.INLINE
    return _own_address(flow) if inside and masquerades and inline else None


@rule("L12", f"{DOCS}.kind: inline")
def client_kept(flow: Flow) -> IPAddress:
    """The load balancer preserves the client's source IP."""
    return flow.packet.source


REWRITING: tuple[Rule[IPAddress], ...] = (full_nat, back_to_the_nodes, client_kept)


def _keeps_an_inside_client(flow: Flow) -> bool:
    return bool(flow.packet.home) and flow.packet.source != _own_address(flow)


@rule(
    "L19",
    "netfilter: NAT only for the first packet of a connection; kernel: TTL exceeded in transit; "
    'docs/observations.md "externalIP loop on the pod\'s own node"',
)
def circles_at_home(flow: Flow) -> Sent | None:
    """A pod's packet to an externalIP loops if the load balancer returns it, with the pod IP, to the pod's node.

    conntrack already has the connection, so no NAT rule translates the packet. It loops until its TTL expires.
    """
    home = flow.packet.home == flow.packet.node and from_pod_network(flow, flow.packet.source)
    return Fate.ASTRAY if home and flow.kind is FrontendKind.EXTERNAL_IP else None


@rule(
    "L13", 'kernel: martian source; the reply bypasses the load balancer; docs/observations.md "Load balancer loopback"'
)
def sent_home(flow: Flow) -> Sent | None:
    """A connection times out if the load balancer preserves the client's source IP and picks the client's own node."""
    home = flow.packet.home == flow.packet.node
    return Fate.DROPPED if _keeps_an_inside_client(flow) and home else None


@rule("L17", "IP routing: the reply uses the tunnel and bypasses the load balancer")
def answered_past(flow: Flow) -> Sent | None:
    """On an overlay, a pod times out if the load balancer preserves its pod IP.

    The reply returns over the pod network, from an address that the pod did not connect to.
    """
    bare = _keeps_an_inside_client(flow) and from_pod_network(flow, flow.packet.source)
    translated = flow.kind is not FrontendKind.EXTERNAL_IP
    return Fate.DROPPED if bare and translated and flow.environment.overlay else None


@rule("L18", DOCS)
def arrives(flow: Flow) -> Sent:
    """A packet from the load balancer arrives at the selected node as external traffic."""
    return flow


SENDING: tuple[Rule[Sent], ...] = (circles_at_home, sent_home, answered_past, arrives)


class Declared:
    """The load balancer that the topology declares."""

    def receive(self, flow: Flow) -> Iterator[Onward]:
        """Yield the next hop of a packet that reached the load balancer, or one per node of the target pool."""
        reception = decide(RECEIVING, flow)
        answer = reception.value
        if isinstance(answer, Fate):
            yield Onward(answer.paths(), (reception,))
        elif isinstance(answer, Path):
            yield Onward((answer,), (reception,))
        else:
            source = decide(REWRITING, flow)
            for one in answer:
                yield _send(one, (reception, source), 1 / len(answer))


def _send(flow: Flow, decisions: tuple[Decision[Any], ...], share: float) -> Onward:
    sending = decide(SENDING, flow)
    sent = sending.value
    return Onward(sent.paths() if isinstance(sent, Fate) else sent, (*decisions, sending), share)


def _own_address(flow: Flow) -> IPAddress:
    """Return the declared address, or the first host of the nodes' /24, which the lab uses."""
    topology = flow.world.topology
    return topology.load_balancer.address or IPNetwork((topology.nodes[0].address, 24), strict=False)[1]


def _listener(flow: Flow) -> Listener | None:
    """Return the listener at this port of the load balancer IP, if no Service declares the port."""
    if flow.kind is not FrontendKind.LOAD_BALANCER or flow.declared:
        return None
    services = flow.world.snapshot.services.values()
    here = {None, *(state.name for state in services if state.balanced_at == flow.target)}
    for listener in flow.world.topology.load_balancer.listeners:
        if listener.service in here and listener.port <= flow.port <= (listener.until or listener.port):
            return listener
    return None


def _pool(flow: Flow, state: ServiceState) -> tuple[str, ...]:
    """Return the nodes to which it may send this packet.

    With externalTrafficPolicy: Local the health check selects the nodes, and kube-proxy's healthCheckNodePort counts
    only ready endpoints. With `excludes_source` the node that sent the packet is excluded.
    """
    balancer = flow.world.topology.load_balancer
    nodes = [node for node in flow.world.topology.nodes if not _excluded(flow, node.address)]
    if state.external_traffic_policy is not TrafficPolicy.LOCAL or balancer.registers is Registers.ALL:
        return tuple(node.name for node in nodes)
    homes = {endpoint.node for endpoint in state.endpoints if endpoint.ready}
    return tuple(node.name for node in nodes if node.name in homes)


def _excluded(flow: Flow, address: IPAddress) -> bool:
    return flow.world.topology.load_balancer.excludes_source and flow.packet.source == address


def _nobody(flow: Flow) -> Fate:
    return Fate.DROPPED if flow.environment.empty_pool is EmptyPool.DROP else Fate.CLOSED


def _to_nodes(flow: Flow, state: ServiceState) -> tuple[Flow, ...]:
    return tuple(_at_node_port(flow, state, node) for node in _pool(flow, state))


def _onward(flow: Flow, node: str) -> Packet:
    """Return the packet as the selected node receives it: as external traffic."""
    return Packet(Origin.EXTERNAL, decide(REWRITING, flow).value, node=node, home=flow.packet.home)


def _at_node_port(flow: Flow, state: ServiceState, node: str) -> Flow:
    """Return the connection as one to a NodePort of that node."""
    return replace(
        flow,
        state=state,
        kind=FrontendKind.NODE_PORT,
        target=flow.world.topology.node(node).address,
        asked_node=node,
        packet=_onward(flow, node),
        declared=True,
        marked=False,
        returned=True,
    )
