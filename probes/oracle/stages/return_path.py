"""Rules for the return path: the reply must pass the processing node's conntrack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle import upstream
from probes.oracle.node_addresses import are_bare_packets_lost, is_from_pod_network, owned_addresses
from probes.oracle.rule import Rule, rule
from probes.oracle.stages import node_firewall
from probes.oracle.stages.traffic_policies import is_bound
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.common.addresses import IPAddress


MEASURED = 'docs/observations.md "Return path in network namespaces"'


def _seen(conn: Connection) -> IPAddress:
    return conn.seen or conn.packet.source


def _through_service(conn: Connection) -> bool:
    return conn.kind is not FrontendKind.ENDPOINT


def _endpoint_here(conn: Connection) -> bool:
    return conn.chosen.node == conn.packet.node


@rule("R11.1", f"kernel br_netfilter, bridge port hairpin_mode; {MEASURED}")
def bridge_hairpin_off(conn: Connection) -> Outcome | None:
    """With br_netfilter, a pod cannot reach itself through a Service if hairpin mode of its bridge port is off."""
    if not (conn.pod_here and conn.packet.source == conn.chosen.address and _through_service(conn)):
        return None
    here = conn.environment
    return Outcome.TIMEOUT if here.bridged and not here.hairpin and here.bridge_nf_call_iptables else None


@rule("R11.2", f"kernel net.bridge.bridge-nf-call-iptables; {MEASURED}")
def switched_past_conntrack(conn: Connection) -> Outcome | None:
    """Without br_netfilter, an unmasqueraded reply between two pods on one node bypasses conntrack.

    The connection times out.
    """
    one_bridge = conn.pod_here and _endpoint_here(conn) and not conn.chosen.host_network
    if not one_bridge or not _through_service(conn) or _seen(conn) != conn.packet.source:
        return None
    here = conn.environment
    return Outcome.TIMEOUT if here.bridged and not here.bridge_nf_call_iptables else None


@rule("R11.3", 'kernel rp_filter; docs/observations.md "Strict rp_filter and anti-spoofing on an overlay"')
def pod_address_on_underlay(conn: Connection) -> Outcome | None:
    """On an overlay, strict rp_filter or anti-spoofing drops packets from a pod IP on the nodes' network.

    A remote host-network endpoint therefore times out.
    """
    bare = conn.chosen.host_network and not _endpoint_here(conn) and is_from_pod_network(conn, _seen(conn))
    return Outcome.TIMEOUT if bare and are_bare_packets_lost(conn, conn.packet.node, conn.chosen.node) else None


@rule("R11.4", f"kernel rp_filter; {MEASURED}")
def answer_on_underlay(conn: Connection) -> Outcome | None:
    """On an overlay, strict rp_filter or anti-spoofing drops a remote pod's reply to a node's primary address."""
    remote_pod = not conn.chosen.host_network and not _endpoint_here(conn)
    bare = remote_pod and _seen(conn) == conn.node.address
    return Outcome.TIMEOUT if bare and are_bare_packets_lost(conn, conn.packet.node, conn.chosen.node) else None


@rule(
    "R7.10",
    "kernel: loopback source to a non-local address (#67730, #96879)",
    until=upstream.NO_LOOPBACK_SERVER,
)
def loopback_leaves(conn: Connection) -> Outcome | None:
    """In IPVS mode, a NodePort at 127.0.0.1 reaches only a host-network endpoint on the same node.

    The kernel does not send packets with a loopback source to a non-local address.
    """
    inside = conn.chosen.host_network and _endpoint_here(conn)
    bound = conn.at is At.LOOPBACK and conn.environment.mode is ProxyMode.IPVS
    return Outcome.TIMEOUT if bound and not inside else None


@rule(
    "R11.10",
    'source/destination check of the network; docs/observations.md "Source check drops replies from an externalIP"',
)
def foreign_address_leaves(conn: Connection) -> Outcome | None:
    """With anti-spoofing, the network drops a node's reply from an externalIP or another address that nodes announce.

    This applies to packets that the load balancer forwards to the node. A network whose own load balancer sends
    packets to nodes unchanged admits its addresses.
    """
    if not conn.returned or conn.kind in {FrontendKind.NODE_PORT, FrontendKind.ENDPOINT}:
        return None
    checked = conn.environment.anti_spoof
    foreign = checked and (conn.kind is FrontendKind.EXTERNAL_IP or conn.environment.passes_other_ports)
    return Outcome.TIMEOUT if foreign else None


@rule("R11.5", "netfilter conntrack")
def endpoint_here(conn: Connection) -> Outcome | None:
    """The reply of an endpoint on the processing node passes that node's conntrack."""
    return Outcome.OK if _endpoint_here(conn) else None


@rule("R11.9", "kernel: kube-ipvs0 of the endpoint's node has the address too (#93456)")
def to_a_bound_address(conn: Connection) -> Outcome | None:
    """In IPVS mode, a reply to an address bound to kube-ipvs0 does not leave the endpoint's node.

    The connection times out.
    """
    bound = is_bound(conn) and conn.environment_of(conn.chosen.node).mode is ProxyMode.IPVS
    return Outcome.TIMEOUT if bound and _seen(conn) == conn.target else None


@rule("R11.6", "netfilter conntrack")
def to_the_node(conn: Connection) -> Outcome | None:
    """A reply to an address of the processing node returns through that node's conntrack."""
    return Outcome.OK if _seen(conn) in owned_addresses(conn) else None


@rule("R11.7", "netfilter conntrack")
def to_a_pod_here(conn: Connection) -> Outcome | None:
    """A reply to a pod on the processing node is routed back through that node."""
    return Outcome.OK if conn.pod_here else None


@rule("R11.8", f"netfilter conntrack: five-tuple mismatch, RST to the endpoint; {MEASURED}")
def past_the_node(_conn: Connection) -> Outcome:
    """A reply that bypasses the processing node times out.

    It reaches the client directly, from an address that the client did not connect to.
    """
    return Outcome.TIMEOUT


LOST_ON_THE_WAY: tuple[Rule[Outcome], ...] = (
    *node_firewall.ON_THE_WAY,
    bridge_hairpin_off,
    switched_past_conntrack,
    pod_address_on_underlay,
    answer_on_underlay,
)
FROM_ELSEWHERE: tuple[Rule[Outcome], ...] = (to_the_node, to_a_pod_here, past_the_node)
WITHOUT_BOUND_ADDRESSES: tuple[Rule[Outcome], ...] = (
    *LOST_ON_THE_WAY,
    foreign_address_leaves,
    endpoint_here,
    *FROM_ELSEWHERE,
)
