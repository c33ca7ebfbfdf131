"""The load balancer as declared: the nodes' default gateway, or a host that gives everybody its own address (R9).

It translates LB address:port to a NodePort of a node in the Service's pool, answers at its own listeners, and hands
externalIPs on to the first node. In line it keeps an outside client's address; with `masquerade_inside` what came from
the nodes' side and goes back to it gets the balancer's own, without it a node may be sent its own packet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.connection import Fate, Flow, Onward, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import from_pod_network
from probes.oracle.rule import Rule, decide, rule
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
DESIGN = "topologies/lab/load_balancer/config.py, topologies/lab/network/plan.py"


@rule("L2", "datapath-rules R9: nobody owns the address")
def no_balancer(flow: Flow) -> Answer | None:
    """Without a load balancer, a packet to its address leads nowhere."""
    return Fate.ASTRAY if flow.environment.balancer is LoadBalancerKind.NONE else None


@rule("L3", "no route back to the pod network")
def no_answer_to_pod(flow: Flow) -> Answer | None:
    """A pod's own address that is routed nowhere outside gets no answer from the load balancer."""
    return Fate.DROPPED if flow.packet.origin is Origin.POD and lost_answer(flow) else None


@rule("L14", "CCE: an ELB shared with an Ingress, another cluster or a port range (datapath-rules R8)")
def listener_leads(flow: Flow) -> Answer | None:
    """A listener that leads to a Service takes the nodes of that Service's pool in turn."""
    listener = _listener(flow)
    if listener is None or not listener.leads_to:
        return None
    state = flow.world.snapshot.services[listener.leads_to]
    return _to_nodes(flow, state) or _nobody(flow)


@rule("L15", "datapath-rules R8")
def listener_answers(flow: Flow) -> Answer | None:
    """At a listener of its own the load balancer answers under the listener's name."""
    listener = _listener(flow)
    return Path(Outcome.OK, frozenset({flow.packet.source}), listener.name) if listener else None


@rule("L4", "datapath-rules R8")
def own_answer(flow: Flow) -> Answer | None:
    """At a port of its address that no Service declares the load balancer answers itself, if it listens there."""
    mine = flow.kind is FrontendKind.LOAD_BALANCER and not flow.declared
    if not mine or not flow.environment.balancer_listens:
        return None
    return Path(Outcome.OK, frozenset({flow.packet.source}), NAME)


@rule("L5", "datapath-rules R8")
def own_refusal(flow: Flow) -> Answer | None:
    """At a port of its address where it does not listen the load balancer refuses by RST."""
    return Fate.CLOSED if flow.kind is FrontendKind.LOAD_BALANCER and not flow.declared else None


@rule("L6", "kernel: TTL exceeded in transit")
def circles(flow: Flow) -> Answer | None:
    """An external address's packet that no node translates circles between balancer and node until it dies."""
    return Fate.ASTRAY if flow.kind is FrontendKind.EXTERNAL_IP and flow.returned else None


@rule("L8", DESIGN)
def handed_to_first_node(flow: Flow) -> Answer | None:
    """An external address's packet is routed to the first node, its destination untouched."""
    if flow.kind is not FrontendKind.EXTERNAL_IP:
        return None
    first = flow.world.topology.nodes[0].name
    return (replace(flow, packet=_onward(flow, first), marked=False, returned=True),)


@rule("L9", f"{DESIGN}; load_balancer.empty_pool")
def empty_pool(flow: Flow) -> Answer | None:
    """With no node left in the pool the load balancer refuses by RST, or drops."""
    return None if _pool(flow, flow.state) else _nobody(flow)


@rule("L10", "docs: externalTrafficPolicy; healthCheckNodePort answers 200 on nodes with a ready endpoint")
def to_node_ports(flow: Flow) -> Answer:
    """The load balancer takes each node of the pool in turn; under Local only those with an endpoint, if it asks."""
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


@rule("L16", "vendors: full NAT")
def full_nat(flow: Flow) -> IPAddress | None:
    """With full NAT every client gets the load balancer's address."""
    translated = flow.kind is not FrontendKind.EXTERNAL_IP
    return _own_address(flow) if translated and flow.environment.balancer is LoadBalancerKind.FULL_NAT else None


@rule("L11", f"{DESIGN}: iifname in0 oifname in0 masquerade")
def back_to_the_nodes(flow: Flow) -> IPAddress | None:
    """What came from the nodes' side and goes back to it gets the load balancer's address, if it masquerades inside."""
    inside = flow.packet.origin is not Origin.EXTERNAL
    masquerades = flow.world.topology.load_balancer.masquerade_inside
    inline = flow.environment.balancer is LoadBalancerKind.INLINE
    return _own_address(flow) if inside and masquerades and inline else None


@rule("L12", DESIGN)
def client_kept(flow: Flow) -> IPAddress:
    """Else the client's address is kept by the load balancer."""
    return flow.packet.source


REWRITING: tuple[Rule[IPAddress], ...] = (full_nat, back_to_the_nodes, client_kept)


def _keeps_an_inside_client(flow: Flow) -> bool:
    return bool(flow.packet.home) and flow.packet.source != _own_address(flow)


@rule("L19", "netfilter: only a connection's first packet is translated; kernel: TTL exceeded in transit")
def circles_at_home(flow: Flow) -> Sent | None:
    """A kept pod's packet to an external address is no new connection on its own node: untranslated, it circles."""
    home = flow.packet.home == flow.packet.node and from_pod_network(flow, flow.packet.source)
    return Fate.ASTRAY if home and flow.kind is FrontendKind.EXTERNAL_IP else None


@rule("L13", "kernel: martian source; the answer never passes the balancer (datapath-rules R9)")
def sent_home(flow: Flow) -> Sent | None:
    """A kept client on the very node that is picked gets its own packet back: timeout."""
    home = flow.packet.home == flow.packet.node
    return Fate.DROPPED if _keeps_an_inside_client(flow) and home else None


@rule("L17", "the answer goes through the tunnel, past the balancer")
def answered_past(flow: Flow) -> Sent | None:
    """On an overlay a kept pod's address is answered over the pod network, from an address it never asked: timeout."""
    bare = _keeps_an_inside_client(flow) and from_pod_network(flow, flow.packet.source)
    translated = flow.kind is not FrontendKind.EXTERNAL_IP
    return Fate.DROPPED if bare and translated and flow.environment.overlay else None


@rule("L18", "datapath-rules R9")
def arrives(flow: Flow) -> Sent:
    """Any other packet arrives at the node that was picked, as from outside."""
    return flow


SENDING: tuple[Rule[Sent], ...] = (circles_at_home, sent_home, answered_past, arrives)


class Declared:
    """The load balancer that the topology declares."""

    def receive(self, flow: Flow) -> Iterator[Onward]:
        """What becomes of a packet that reached the balancer: one way, or one per node, decided as asked for."""
        decision = decide(RECEIVING, flow)
        answer, rules = decision.value, (decision.rule.id,)
        if isinstance(answer, Fate):
            yield Onward(answer.paths(), rules)
        elif isinstance(answer, Path):
            yield Onward((answer,), rules)
        else:
            told = (*rules, decide(REWRITING, flow).rule.id)
            for one in answer:
                yield _sent(one, told, 1 / len(answer))


def _sent(flow: Flow, rules: tuple[str, ...], share: float) -> Onward:
    decision = decide(SENDING, flow)
    sent, told = decision.value, (*rules, decision.rule.id)
    return Onward(sent.paths() if isinstance(sent, Fate) else sent, told, share)


def _own_address(flow: Flow) -> IPAddress:
    """As declared, else the first host of the nodes' /24, where the lab puts it."""
    topology = flow.world.topology
    return topology.load_balancer.address or IPNetwork((topology.nodes[0].address, 24), strict=False)[1]


def _listener(flow: Flow) -> Listener | None:
    """The listener at this port of the balancer's address, if no Service declares the port."""
    if flow.kind is not FrontendKind.LOAD_BALANCER or flow.declared:
        return None
    services = flow.world.snapshot.services.values()
    here = {None, *(state.name for state in services if state.balanced_at == flow.target)}
    for listener in flow.world.topology.load_balancer.listeners:
        if listener.service in here and listener.port <= flow.port <= (listener.until or listener.port):
            return listener
    return None


def _pool(flow: Flow, state: ServiceState) -> tuple[str, ...]:
    """The nodes it may send this packet to.

    A health check says which nodes may serve under Local; kube-proxy's counts ready endpoints only. One that excludes
    the source leaves out the node that the packet is from.
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
    """To the processing node whoever sent it is now somebody from outside."""
    return Packet(Origin.EXTERNAL, decide(REWRITING, flow).value, node=node, home=flow.packet.home)


def _at_node_port(flow: Flow, state: ServiceState, node: str) -> Flow:
    """The same connection as a NodePort's of that node."""
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
