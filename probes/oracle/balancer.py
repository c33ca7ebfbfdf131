"""A load balancer in line: the nodes' default gateway, which keeps the client's address (R9 needs no other here).

It translates LB address:port to a NodePort of a node in the Service's pool, answers an undeclared port itself, and
hands externalIPs on to the first node; what came from the nodes' side and goes back to it gets the balancer's own
address. Vendors' other kinds are further implementations of `Balancer`.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from probes.expectation import Path
from probes.observation import Outcome
from probes.oracle.flow import Fate, Flow, Onward, Origin, Packet
from probes.oracle.rule import Rule, decide, rule
from probes.oracle.travel import lost_answer
from topologies.frontends import FrontendKind
from topologies.model import EmptyPool, LoadBalancerKind, TrafficPolicy

if TYPE_CHECKING:
    from ipaddress import IPv4Address

NAME = "lb"
Answer = Fate | Path | tuple[Flow, ...]
DESIGN = "topologies/lab/balancing.py, topologies/lab/addresses.py"


@rule("L2", "datapath-rules R9: nobody owns the address")
def no_balancer(flow: Flow) -> Answer | None:
    """Without a load balancer, a packet to its address leads nowhere."""
    return Fate.ASTRAY if flow.environment.balancer is LoadBalancerKind.NONE else None


@rule("L3", "no route back to the pod network")
def no_answer_to_pod(flow: Flow) -> Answer | None:
    """A pod's own address that is routed nowhere outside gets no answer from the load balancer."""
    return Fate.DROPPED if flow.packet.origin is Origin.POD and lost_answer(flow) else None


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
    lost = flow.kind is FrontendKind.EXTERNAL_IP and (flow.returned or not flow.declared)
    return Fate.ASTRAY if lost else None


@rule("L8", DESIGN)
def handed_to_first_node(flow: Flow) -> Answer | None:
    """An external address's packet is routed to the first node, its destination untouched."""
    if flow.kind is not FrontendKind.EXTERNAL_IP:
        return None
    source = decide(REWRITING, flow).value
    packet = Packet(Origin.EXTERNAL, source, node=flow.world.topology.nodes[0].name)
    return (replace(flow, packet=packet, marked=False, returned=True),)


@rule("L9", f"{DESIGN}; load_balancer.empty_pool")
def empty_pool(flow: Flow) -> Answer | None:
    """With no healthy node in the pool the load balancer refuses by RST, or drops."""
    if _pool(flow):
        return None
    return Fate.DROPPED if flow.environment.empty_pool is EmptyPool.DROP else Fate.CLOSED


@rule(
    "L10",
    "docs: externalTrafficPolicy; healthCheckNodePort answers 200 on nodes with a ready endpoint",
)
def to_node_ports(flow: Flow) -> Answer:
    """The load balancer translates to the NodePort of each node in turn, under Local only of those with an endpoint."""
    source = decide(REWRITING, flow).value
    return tuple(_at_node_port(flow, node, source) for node in _pool(flow))


RECEIVING: tuple[Rule[Answer], ...] = (
    no_balancer,
    no_answer_to_pod,
    own_answer,
    own_refusal,
    circles,
    handed_to_first_node,
    empty_pool,
    to_node_ports,
)


@rule("L11", f"{DESIGN}: iifname in0 oifname in0 masquerade")
def back_to_the_nodes(flow: Flow) -> IPv4Address | None:
    """What came from the nodes' side and goes back to it gets the load balancer's address."""
    return None if flow.packet.origin is Origin.EXTERNAL else _own_address(flow)


@rule("L12", DESIGN)
def client_kept(flow: Flow) -> IPv4Address:
    """An outside client's address is kept by the load balancer."""
    return flow.packet.source


REWRITING: tuple[Rule[IPv4Address], ...] = (back_to_the_nodes, client_kept)


class Inline:
    """The lab's own load balancer."""

    def receive(self, flow: Flow) -> tuple[Onward, ...]:
        """What becomes of a packet that reached the balancer: one way, or one per node of the pool."""
        decision = decide(RECEIVING, flow)
        answer, rules = decision.value, (decision.rule.id,)
        if isinstance(answer, Fate):
            return (Onward(answer.paths(), rules),)
        if isinstance(answer, Path):
            return (Onward((answer,), rules),)
        return tuple(Onward(one, rules, 1 / len(answer)) for one in answer)


def _own_address(flow: Flow) -> IPv4Address:
    """As declared, else the first host of the nodes' /24, where the lab puts it."""
    topology = flow.world.topology
    return topology.load_balancer.address or IPv4Network((topology.nodes[0].address, 24), strict=False)[1]


def _pool(flow: Flow) -> tuple[str, ...]:
    """The nodes whose health check says they may serve; kube-proxy's counts ready endpoints only."""
    names = tuple(node.name for node in flow.world.topology.nodes)
    if flow.state.external_traffic_policy is not TrafficPolicy.LOCAL:
        return names
    homes = {endpoint.node for endpoint in flow.state.endpoints if endpoint.ready}
    return tuple(name for name in names if name in homes)


def _at_node_port(flow: Flow, node: str, source: IPv4Address) -> Flow:
    """The same connection as a NodePort's of that node; whoever sent it is now somebody from outside."""
    return replace(
        flow,
        kind=FrontendKind.NODE_PORT,
        target=flow.world.topology.node(node).address,
        asked_node=node,
        packet=Packet(Origin.EXTERNAL, source, node=node),
        marked=False,
        returned=True,
    )
