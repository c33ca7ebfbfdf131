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
from probes.oracle.connection import Fate, Origin
from probes.oracle.node_addresses import leaves_as_node
from probes.oracle.rule import Rule, rule
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import CniKind

if TYPE_CHECKING:
    from probes.oracle.connection import Flow, Packet
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node

BOUND = "kube-ipvs0 of every other node has the address (#93175, #104679, #127410)"


def is_held(flow: Flow) -> bool:
    """Return whether a node or an external host owns the load balancer IP or externalIP."""
    return flow.holder is not None or _of_another_host(flow)


def _of_another_host(flow: Flow) -> bool:
    balancers_own = flow.kind is FrontendKind.LOAD_BALANCER and flow.target == flow.world.topology.load_balancer.address
    return flow.virtual and flow.target in flow.world.holders.hosts and not balancers_own


@rule("N1", "kernel: table local")
def own_port(flow: Flow) -> Fate | None:
    """A packet that no rule translates reaches the node's own port at a load balancer IP or externalIP of that node."""
    return Fate.HOST if flow.at_own_address else None


@rule("N2", "IP routing")
def to_its_node(flow: Flow) -> Flow | None:
    """A packet to a load balancer IP or externalIP that another node owns goes directly to that node."""
    if flow.holder is None or flow.at_own_address:
        return None
    packet = replace(flow.packet, origin=Origin.NODE, source=flow.home.address) if flow.marked else flow.packet
    return replace(
        flow, kind=FrontendKind.NODE_PORT, at=flow.holder.at, asked_node=flow.holder.node, packet=packet, marked=False
    )


@rule("N3", "IP routing")
def to_its_host(_flow: Flow) -> Fate:
    """A packet to a load balancer IP or externalIP that an external host owns goes to that host.

    No process is known to serve it there.
    """
    return Fate.UNSERVED


HOLDING: tuple[Rule[Fate | Flow], ...] = (own_port, to_its_node, to_its_host)


def bound_on_its_node(flow: Flow) -> bool:
    """Return whether a node binds its own address to kube-ipvs0 (before #115019)."""
    return not upstream.NODE_IPS_WITH_OWN.is_in(flow.version)


def _bound_here(flow: Flow, node: Node, address: IPAddress) -> bool:
    """Return whether kube-ipvs0 of this node has an address that another node owns."""
    holders = flow.world.holders
    others = address in holders.nodes and not holders.has(node.name, address)
    return others and address in holders.virtual


def _cut_off(flow: Flow, node: Node, other: Node, source: IPAddress) -> bool:
    """Return whether packets between two nodes are lost because kube-ipvs0 of one has the other's address.

    Tunnel packets carry the addresses of both nodes, and nodes on one LAN must answer each other's ARP requests. On a
    network with a router between the nodes, only a packet from such an address is lost: its source is martian.
    """
    meeting = flow.environment.overlay or flow.world.topology.cni.kind is CniKind.ROUTED
    if meeting:
        return _bound_here(flow, node, other.address) or _bound_here(flow, other, node.address)
    return _bound_here(flow, other, source)


@rule("R0.21", f"pkg/proxy/ipvs/proxier.go syncService; {BOUND}")
def taken_for_own(flow: Flow) -> Packet | None:
    """In IPVS mode, the client's node processes a packet to another node's NodePort if its kube-ipvs0 has the address.

    The address is also a load balancer IP or externalIP.
    """
    if flow.kind is not FrontendKind.NODE_PORT or not flow.packet.home or flow.at in {At.LOOPBACK, At.PUBLIC}:
        return None
    if not _bound_here(flow, flow.home, flow.target):
        return None
    source = flow.target if flow.packet.origin is Origin.NODE else flow.packet.source
    return replace(flow.packet, node=flow.packet.home, source=source)


@rule("R0.22", f"kernel: martian source, ARP; {BOUND}")
def cut_off_on_the_way(flow: Flow) -> Fate | None:
    """In IPVS mode, another node's NodePort times out if kube-ipvs0 of one node has the other node's address.

    On VPC-routed and ENI networks, kube-ipvs0 of the target node must have the packet's source address.
    """
    if flow.kind is not FrontendKind.NODE_PORT or flow.packet.home in {"", flow.asked_node} or flow.at is At.LOOPBACK:
        return None
    other = flow.world.topology.node(flow.asked_node)
    return Fate.DROPPED if _cut_off(flow, flow.home, other, _source_on_the_way(flow)) else None


def _source_on_the_way(flow: Flow) -> IPAddress:
    return flow.home.address if leaves_as_node(flow) else flow.packet.source


def _without_server(flow: Flow) -> Fate:
    """Return the result at a port without a virtual server.

    KUBE-IPVS-FILTER rejects the packet. Before that chain existed, kube-proxy could hold a socket at the port.
    """
    if upstream.VIP_FILTER.is_in(flow.version):
        return Fate.REJECTED
    held = not upstream.PORT_OPENER_REMOVED.is_in(flow.version) and not flow.environment.node_port_addresses
    return Fate.HELD if held else Fate.CLOSED


def _node_port_also_virtual(flow: Flow) -> bool:
    return flow.kind is FrontendKind.NODE_PORT and flow.reached in flow.world.holders.virtual


@rule("R7.11", f"pkg/proxy/ipvs NodeIPs; {BOUND}")
def node_port_taken_for_own(flow: Flow) -> Fate | None:
    """In IPVS mode, another node's NodePort has no virtual server on a node whose kube-ipvs0 has that address."""
    own = flow.world.holders.has(flow.packet.node, flow.reached)
    return _without_server(flow) if _node_port_also_virtual(flow) and not own else None


@rule(
    "R7.12",
    "pkg/proxy/ipvs NodeIPs without the addresses of kube-ipvs0: #114815",
    since=upstream.NODE_IPS_WITHOUT_BOUND,
    until=upstream.NODE_IPS_WITH_OWN,
)
def node_port_at_bound_address(flow: Flow) -> Fate | None:
    """In IPVS mode, a NodePort has no virtual server at a node address that is a load balancer IP or externalIP too."""
    return _without_server(flow) if _node_port_also_virtual(flow) else None


@rule("R8.6", "#115019: KUBE-IPVS-IPS without the node's addresses", since=upstream.NODE_IPS_WITH_OWN)
def own_undeclared(flow: Flow) -> Fate | None:
    """In IPVS mode, a load balancer IP or externalIP that the node owns leads to the node's own port.

    This applies to ports that no Service declares.
    """
    return Fate.HOST if flow.at_own_address and not flow.declared else None


@rule("R11.12", f"kernel: table local; {BOUND}")
def endpoint_taken_for_own(flow: Flow) -> Outcome | None:
    """In IPVS mode, a node refuses connections to a remote host-network endpoint if its kube-ipvs0 has the address."""
    elsewhere = flow.chosen.node != flow.packet.node and flow.chosen.host_network
    return Outcome.REFUSED if elsewhere and _bound_here(flow, flow.node, flow.chosen.address) else None


@rule("R11.11", f"kernel: martian source, ARP; {BOUND}")
def cut_off(flow: Flow) -> Outcome | None:
    """In IPVS mode, a remote endpoint times out if kube-ipvs0 of one node has the other node's address.

    On VPC-routed and ENI networks, kube-ipvs0 of the endpoint's node must have the packet's source address.
    """
    if flow.chosen.node == flow.packet.node:
        return None
    there = flow.world.topology.node(flow.chosen.node)
    lost = _cut_off(flow, flow.node, there, flow.seen or flow.packet.source)
    return Outcome.TIMEOUT if lost else None
