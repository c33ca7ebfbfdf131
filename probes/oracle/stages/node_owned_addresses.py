"""LB addresses and externalIPs that are a host's own: k3s' servicelb, and `externalIPs` that lists the nodes.

The packet goes to the host that has the address, and not to the load balancer. On that node the address is local
(`addrtype --dst-type LOCAL`), so INPUT sees what no rule translates. In IPVS mode every other node has the address
too, on kube-ipvs0, and can no longer exchange packets with the node whose address it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle import upstream
from probes.oracle.connection import Fate, Origin
from probes.oracle.node_addresses import leaves_as_node
from probes.oracle.rule import IPVS_ONLY, Rule, rule
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import CniKind

if TYPE_CHECKING:
    from probes.oracle.connection import Flow, Packet
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node

BOUND = "kube-ipvs0 of every other node has the address (#93175, #104679, #127410)"


def is_held(flow: Flow) -> bool:
    """Return whether a node or another host has the LB address or externalIP that is asked."""
    return flow.holder is not None or _of_another_host(flow)


def _of_another_host(flow: Flow) -> bool:
    balancers_own = flow.kind is FrontendKind.LOAD_BALANCER and flow.target == flow.world.topology.load_balancer.address
    return flow.virtual and flow.target in flow.world.holders.hosts and not balancers_own


@rule("N1", "kernel: table local")
def own_port(flow: Flow) -> Fate | None:
    """A packet to an address of its own node that no rule translates is for that node's own port."""
    return Fate.HOST if flow.at_own_address else None


@rule("N2", "plain routing")
def to_its_node(flow: Flow) -> Flow | None:
    """A packet to an LB address or externalIP that is a node's own goes straight to that node."""
    if flow.holder is None or flow.at_own_address:
        return None
    packet = replace(flow.packet, origin=Origin.NODE, source=flow.home.address) if flow.marked else flow.packet
    return replace(
        flow, kind=FrontendKind.NODE_PORT, at=flow.holder.at, asked_node=flow.holder.node, packet=packet, marked=False
    )


@rule("N3", "plain routing")
def to_its_host(_flow: Flow) -> Fate:
    """An LB address or externalIP that another host has leads to that host, of which nothing is known."""
    return Fate.UNSERVED


HOLDING: tuple[Rule[Fate | Flow], ...] = (own_port, to_its_node, to_its_host)


def bound_on_its_node(flow: Flow) -> bool:
    """Return whether kube-ipvs0 of the node itself has the node's own address too."""
    return not upstream.NODE_IPS_WITH_OWN.is_in(flow.version)


def _bound_here(flow: Flow, node: Node, address: IPAddress) -> bool:
    """Whether kube-ipvs0 of this node has an address that is another node's."""
    holders = flow.world.holders
    others = address in holders.nodes and not holders.has(node.name, address)
    return others and address in holders.virtual


def _cut_off(flow: Flow, node: Node, other: Node, source: IPAddress) -> bool:
    """Whether packets between two nodes are lost, as the one has the other's address on kube-ipvs0.

    A tunnel's packets carry both nodes' addresses, and neighbours on a LAN must answer each other's ARP requests. Where
    the network routes, only a packet from such an address is lost: its source is a martian.
    """
    meeting = flow.environment.overlay or flow.world.topology.cni.kind is CniKind.ROUTED
    if meeting:
        return _bound_here(flow, node, other.address) or _bound_here(flow, other, node.address)
    return _bound_here(flow, other, source)


@rule("R0.21", f"ipvs syncService; {BOUND}", modes=IPVS_ONLY)
def taken_for_own(flow: Flow) -> Packet | None:
    """A NodePort at another node's address is asked at the client's own node if kube-ipvs0 has that address there."""
    if flow.kind is not FrontendKind.NODE_PORT or not flow.packet.home or flow.at in {At.LOOPBACK, At.PUBLIC}:
        return None
    if not _bound_here(flow, flow.home, flow.target):
        return None
    source = flow.target if flow.packet.origin is Origin.NODE else flow.packet.source
    return replace(flow.packet, node=flow.packet.home, source=source)


@rule("R0.22", f"kernel: martian source, ARP; {BOUND}", modes=IPVS_ONLY)
def cut_off_on_the_way(flow: Flow) -> Fate | None:
    """A NodePort of a node is not reached from another node if one has the other's address on kube-ipvs0."""
    if flow.kind is not FrontendKind.NODE_PORT or flow.packet.home in {"", flow.asked_node} or flow.at is At.LOOPBACK:
        return None
    other = flow.world.topology.node(flow.asked_node)
    return Fate.DROPPED if _cut_off(flow, flow.home, other, _source_on_the_way(flow)) else None


def _source_on_the_way(flow: Flow) -> IPAddress:
    return flow.home.address if leaves_as_node(flow) else flow.packet.source


def _without_server(flow: Flow) -> Fate:
    """A port without virtual server: kube-proxy may hold it open, later KUBE-IPVS-FILTER rejects."""
    if upstream.VIP_FILTER.is_in(flow.version):
        return Fate.REJECTED
    held = not upstream.PORT_OPENER_REMOVED.is_in(flow.version) and not flow.environment.node_port_addresses
    return Fate.HELD if held else Fate.CLOSED


def _node_port_also_virtual(flow: Flow) -> bool:
    return flow.kind is FrontendKind.NODE_PORT and flow.reached in flow.world.holders.virtual


@rule("R7.11", f"ipvs NodeIPs; {BOUND}", modes=IPVS_ONLY)
def node_port_taken_for_own(flow: Flow) -> Fate | None:
    """A NodePort at another node's address that kube-ipvs0 has here is a port without virtual server."""
    own = flow.world.holders.has(flow.packet.node, flow.reached)
    return _without_server(flow) if _node_port_also_virtual(flow) and not own else None


@rule(
    "R7.12",
    "ipvs NodeIPs without those of kube-ipvs0: #114815",
    since=upstream.NODE_IPS_WITHOUT_BOUND,
    until=upstream.NODE_IPS_WITH_OWN,
    modes=IPVS_ONLY,
)
def node_port_at_bound_address(flow: Flow) -> Fate | None:
    """A NodePort at an address of the node that is an LB address or externalIP too is a port without virtual server."""
    return _without_server(flow) if _node_port_also_virtual(flow) else None


@rule("R8.6", "#115019: KUBE-IPVS-IPS without the node's own", since=upstream.NODE_IPS_WITH_OWN, modes=IPVS_ONLY)
def own_undeclared(flow: Flow) -> Fate | None:
    """At a port that no Service declares, an LB address or externalIP that is the node's own is the node's port."""
    return Fate.HOST if flow.at_own_address and not flow.declared else None


@rule("R11.12", f"kernel: table local; {BOUND}", modes=IPVS_ONLY)
def endpoint_taken_for_own(flow: Flow) -> Outcome | None:
    """A hostNetwork endpoint whose address kube-ipvs0 of the processing node has is not reached: refused there."""
    elsewhere = flow.chosen.node != flow.packet.node and flow.chosen.host_network
    return Outcome.REFUSED if elsewhere and _bound_here(flow, flow.node, flow.chosen.address) else None


@rule("R11.11", f"kernel: martian source, ARP; {BOUND}", modes=IPVS_ONLY)
def cut_off(flow: Flow) -> Outcome | None:
    """An endpoint on another node does not answer if one node has the other's address on kube-ipvs0."""
    if flow.chosen.node == flow.packet.node:
        return None
    there = flow.world.topology.node(flow.chosen.node)
    lost = _cut_off(flow, flow.node, there, flow.seen or flow.packet.source)
    return Outcome.TIMEOUT if lost else None
