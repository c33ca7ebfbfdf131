"""The client's side: which node's rules see the packet, and from which address it arrives there (R0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle.connection import Fate, Origin, Packet
from probes.oracle.node_addresses import from_pod_network, leaves_as_node, masqueraded_leaving, towards_pods_elsewhere
from probes.oracle.rule import IPVS_ONLY, Rule, rule
from probes.oracle.stages.node_owned_addresses import cut_off_on_the_way, is_held, taken_for_own
from probes.oracle.stages.traffic_policies import bound
from topologies.frontends import At, FrontendKind, UnresolvedError
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology, Vantage

Arrival = Packet | Fate


def departing(vantage: Vantage, topology: Topology, snapshot: Snapshot) -> Packet:
    """The client's packet before it goes anywhere. A hostNetwork backend that asks is a process of its node.

    UnresolvedError where the client is a pod without an address.
    """
    if vantage.kind is VantageKind.EXTERNAL:
        hosts = {external.name: external.address for external in topology.external}
        return Packet(Origin.EXTERNAL, hosts[vantage.external or ""])
    backends = {backend.name: backend for backend in topology.workload.backends}
    asking = backends.get(vantage.backend or "")
    home = vantage.node or (asking.node if asking else "")
    if vantage.on_host_network or (asking and asking.host_network):
        return Packet(Origin.NODE, topology.node(home).address, node=home, home=home)
    if (address := snapshot.pods.get(vantage.backend or vantage.name)) is None:
        message = f"pod {vantage.backend or vantage.name} has no address: it does not run"
        raise UnresolvedError(message)
    return Packet(Origin.POD, address, node=home, home=home)


def _outside(flow: Flow) -> bool:
    return flow.packet.origin is Origin.EXTERNAL


def _node_port(flow: Flow) -> bool:
    return flow.kind is FrontendKind.NODE_PORT


def _on_pod_network(flow: Flow) -> bool:
    return flow.at in {At.CNI0, At.VTEP}


def _arrived(flow: Flow, source: IPAddress) -> Packet:
    return replace(flow.packet, node=flow.asked_node, source=source)


@rule("R0.14", "ipvs writeIptablesRules: the service VIP is picked as the source IP", modes=IPVS_ONLY)
def node_to_bound_address(flow: Flow) -> Arrival | None:
    """A node process that asks an address bound to kube-ipvs0 comes from that very address."""
    local = flow.packet.origin is Origin.NODE and bound(flow)
    return replace(flow.packet, source=flow.target) if local else None


@rule("R0.19", "kernel: a packet to a local address has that address as its source")
def node_to_own_virtual_address(flow: Flow) -> Arrival | None:
    """A process that asks an LB address or externalIP of its own node comes from that very address."""
    local = flow.packet.origin is Origin.NODE and flow.at_own_address
    return replace(flow.packet, source=flow.target) if local else None


@rule("R0.1", "pkg/proxy: rules sit in OUTPUT and PREROUTING of every node")
def own_node_translates(flow: Flow) -> Arrival | None:
    """A virtual address asked inside the cluster is translated by the client's own node."""
    return None if _node_port(flow) or _outside(flow) else flow.packet


@rule("R0.2", "no route to the service CIDR outside the cluster")
def cluster_ip_from_outside(flow: Flow) -> Arrival | None:
    """A ClusterIP leads nowhere from outside the cluster."""
    return Fate.ASTRAY if _outside(flow) and flow.kind is FrontendKind.CLUSTER_IP else None


@rule("R0.20", "plain routing")
def held_from_outside(flow: Flow) -> Arrival | None:
    """From outside the cluster, an LB address or externalIP that is a host's own leads to that host."""
    return Fate.LEAVES if _outside(flow) and is_held(flow) else None


@rule("R0.4", "the balancer's addresses are routed to it")
def balancer_from_outside(flow: Flow) -> Arrival | None:
    """From outside the cluster, an LB or external address that no other host has leads to the load balancer."""
    return None if _node_port(flow) else Fate.LEAVES


@rule("R0.5", "RFC 1122 3.2.1.3: 127/8 never leaves the host")
def loopback_elsewhere(flow: Flow) -> Arrival | None:
    """127.0.0.1 of a pod or of an external host is its own, and nobody listens there."""
    return Fate.CLOSED if flow.at is At.LOOPBACK and flow.packet.origin is not Origin.NODE else None


@rule("R0.6", "no such device without an overlay or a bridge; no route to the pod network outside")
def no_way_to_pod_network(flow: Flow) -> Arrival | None:
    """The address of a vxlan device or bridge that is not there, or one without a route from outside, leads nowhere."""
    no_vtep = flow.at is At.VTEP and not flow.environment.overlay
    no_device = no_vtep or (flow.at is At.CNI0 and not flow.environment.bridged)
    no_route = _outside(flow) and _on_pod_network(flow) and not flow.environment.external_routes_to_pods
    return Fate.ASTRAY if no_device or no_route else None


@rule("R0.15", "1:1 NAT in the network (an EIP), both ways")
def public_from_inside(flow: Flow) -> Arrival | None:
    """Asked at a public address, a node with one of its own arrives under that, as from outside; so does its pod."""
    if flow.at is not At.PUBLIC or _outside(flow) or not (flow.home.public_address and leaves_as_node(flow)):
        return None
    return Packet(Origin.EXTERNAL, flow.home.public_address, node=flow.asked_node)


@rule("R0.16", "1:1 NAT in the network: the answer does not pass it")
def public_answered_past(flow: Flow) -> Arrival | None:
    """Asked at a public address, any other client inside is answered directly, from an address it never asked."""
    return Fate.DROPPED if flow.at is At.PUBLIC and not _outside(flow) else None


@rule("R0.17", "kernel rp_filter; the answer leaves by the first card, where anti-spoofing sees its source")
def guarded_second_card(flow: Flow) -> Arrival | None:
    """With strict rp_filter or anti-spoofing a second card serves only those on its own network."""
    if flow.at is not At.SECONDARY or flow.packet.home == flow.asked_node:
        return None
    if not _outside(flow) and flow.home.secondary_address and leaves_as_node(flow):
        return None
    tunnelled = flow.packet.origin is Origin.POD and flow.environment.overlay and not leaves_as_node(flow)
    guarded = flow.environment.strict or (flow.environment.anti_spoof and not tunnelled)
    return Fate.DROPPED if guarded else None


@rule("R0.7", "kernel: a packet to a local address has that address as its source")
def node_to_own_address(flow: Flow) -> Arrival | None:
    """A node process that asks an address of its own node comes from that very address."""
    own = flow.packet.origin is Origin.NODE and flow.packet.home == flow.asked_node
    return _arrived(flow, flow.target) if own else None


@rule("R0.18", "kernel source address selection, and MASQUERADE, by output device")
def to_second_card(flow: Flow) -> Arrival | None:
    """To another node's second card a node, or its masqueraded pod, comes from its own second card, if it has one."""
    if flow.at is not At.SECONDARY or _outside(flow) or flow.packet.home == flow.asked_node:
        return None
    return _arrived(flow, flow.home.secondary_address or flow.home.address) if leaves_as_node(flow) else None


@rule("R0.8", "kernel source address selection by output device")
def node_to_pod_network(flow: Flow) -> Arrival | None:
    """A node process that asks another node at a pod-network address comes from its vxlan device, if there is one."""
    if flow.packet.origin is not Origin.NODE or not _on_pod_network(flow):
        return None
    return _arrived(flow, towards_pods_elsewhere(flow.home, flow.environment))


def _pod_to_primary_elsewhere(flow: Flow) -> bool:
    elsewhere = flow.packet.home != flow.asked_node
    return flow.packet.origin is Origin.POD and elsewhere and flow.at is At.PRIMARY


@rule("R0.9", "flannel pkg/trafficmngr/iptables masqRules M4")
def pod_masqueraded_on_the_way(flow: Flow) -> Arrival | None:
    """With the CNI's masquerade, a pod's packet to another node's address arrives from its own node's address."""
    rewritten = _pod_to_primary_elsewhere(flow) and masqueraded_leaving(flow, flow.target)
    return _arrived(flow, flow.home.address) if rewritten else None


@rule("R0.10", "kernel rp_filter (datapath-rules 6.8)")
def pod_dropped_on_the_way(flow: Flow) -> Arrival | None:
    """On an overlay with strict rp_filter or anti-spoofing, an unmasqueraded pod's packet dies before any rule."""
    guarded = flow.environment.pod_addresses_die_between_nodes
    return Fate.DROPPED if guarded and _pod_to_primary_elsewhere(flow) else None


@rule("R0.11", "plain routing")
def arrives_as_sent(flow: Flow) -> Arrival:
    """Otherwise a NodePort's node sees the client's own address."""
    return _arrived(flow, flow.packet.source)


TRAVEL: tuple[Rule[Arrival], ...] = (
    node_to_own_virtual_address,
    node_to_bound_address,
    own_node_translates,
    cluster_ip_from_outside,
    held_from_outside,
    balancer_from_outside,
    loopback_elsewhere,
    taken_for_own,
    cut_off_on_the_way,
    no_way_to_pod_network,
    public_from_inside,
    public_answered_past,
    guarded_second_card,
    node_to_own_address,
    to_second_card,
    node_to_pod_network,
    pod_masqueraded_on_the_way,
    pod_dropped_on_the_way,
    arrives_as_sent,
)


@rule("B1", "kubelet: a pod that is not ready or has ended promises nothing")
def not_serving(flow: Flow) -> Arrival | None:
    """An echo pod that does not serve is expected to answer nobody."""
    return None if flow.chosen.ready or flow.chosen.serving else Fate.UNSERVED


@rule("B2", "no route to the pod network outside the cluster")
def pod_from_outside(flow: Flow) -> Arrival | None:
    """A pod's own address leads nowhere from outside the cluster, unless the pod network is routed there."""
    hidden = not flow.chosen.host_network and not flow.environment.external_routes_to_pods
    return Fate.ASTRAY if _outside(flow) and hidden else None


@rule("B3", "plain routing")
def backend_from_outside(flow: Flow) -> Arrival | None:
    """Asked directly from outside, an echo pod sees the client's address."""
    return replace(flow.packet, node=flow.chosen.node) if _outside(flow) else None


@rule("B4", "plain routing inside the cluster")
def backend_from_inside(flow: Flow) -> Arrival:
    """Asked directly inside the cluster, the packet is the client's node's to send."""
    return flow.packet


BASELINE: tuple[Rule[Arrival], ...] = (not_serving, pod_from_outside, backend_from_outside, backend_from_inside)


@rule("L0", "flannel M4; KUBE-POSTROUTING")
def masqueraded_towards_balancer(flow: Flow) -> IPAddress | None:
    """A pod's packet that leaves the cluster has its node's address if the CNI masquerades, or if it was marked."""
    if flow.packet.origin is not Origin.POD or not (flow.marked or masqueraded_leaving(flow, flow.target)):
        return None
    return flow.node.address


@rule("L1", "plain routing")
def kept_towards_balancer(flow: Flow) -> IPAddress:
    """Any other packet reaches the load balancer from the client's own address."""
    return flow.packet.source


LEAVING: tuple[Rule[IPAddress], ...] = (masqueraded_towards_balancer, kept_towards_balancer)


def lost_answer(flow: Flow) -> bool:
    """Whether nobody off the nodes can answer it: a pod's own address, routed nowhere or dropped on its way."""
    environment = flow.environment
    lost = not environment.pods_routed_outside or (environment.overlay and environment.anti_spoof)
    return from_pod_network(flow, flow.packet.source) and lost
