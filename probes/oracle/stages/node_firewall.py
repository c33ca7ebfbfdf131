"""Rules for nodes whose chains FORWARD or INPUT have policy DROP, without accepting rules of the CNI.

kube-proxy's chain KUBE-FORWARD accepts packets that it marked for masquerade, and established connections. It has no
rule in INPUT that accepts a connection. In nftables mode it accepts nothing: an accept in its own table does not
override the drop of another one (KEP-3866). IPVS sends packets to an endpoint from LOCAL_IN, past FORWARD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.connection import Disposition, Origin, Packet
from probes.oracle.rule import NFTABLES, PROXIER, Rule, rule
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.connection import Connection, Selection
    from topologies.common.addresses import IPAddress

FORWARD = (
    f'netfilter: policy of FORWARD; {PROXIER} KUBE-FORWARD (#52569); docs/observations.md "Policy DROP of FORWARD"'
)
INPUT = 'netfilter: policy of INPUT; docs/observations.md "Policy DROP of INPUT"'
OF_THE_NODE = frozenset({Disposition.CLOSED, Disposition.HELD, Disposition.HANGS, Disposition.HOST})


def _endpoint_is_process(conn: Connection, node: str) -> bool:
    return conn.chosen.host_network and conn.chosen.node == node


@rule("W1", FORWARD)
def own_node_drops(conn: Connection) -> Packet | Disposition | None:
    """A pod's packet to another node's NodePort is dropped by its own node if that node drops forwarded packets."""
    if conn.packet.origin is not Origin.POD or not conn.packet.client_node:
        return None
    forwarded = conn.packet.client_node != conn.target_node or conn.at is At.PUBLIC
    return Disposition.DROPPED if forwarded and conn.environment_of(conn.packet.client_node).drops_forwarded else None


@rule("W2", FORWARD)
def dropped_when_leaving(conn: Connection) -> IPAddress | Disposition | None:
    """A pod's packet to the load balancer is dropped if its node drops forwarded packets.

    This does not apply to packets that kube-proxy marked for masquerade.
    """
    by_own_node = conn.pod_here and not conn.marked and conn.environment.drops_forwarded
    return Disposition.DROPPED if by_own_node else None


def _is_forwarded(conn: Connection) -> bool:
    """Return whether the packet to the endpoint traverses FORWARD of a processing node that drops there."""
    if conn.local or _endpoint_is_process(conn, conn.packet.node):
        return False
    direct = conn.kind is FrontendKind.ENDPOINT
    return (not direct or _is_direct_forwarded(conn)) and conn.environment.drops_forwarded


def _is_direct_forwarded(conn: Connection) -> bool:
    """Return whether a packet to a pod's own address traverses FORWARD: not to itself, not switched by a bridge."""
    switched = conn.environment.bridged and not conn.environment.bridge_nf_call_iptables
    one_bridge = switched and conn.pod_here and conn.chosen.node == conn.packet.node
    return conn.packet.source != conn.chosen.address and not one_bridge


def _has_mark(conn: Connection) -> bool:
    """Return whether the packet has the mark for masquerade: KUBE-SEP sets it for an endpoint's own packet too."""
    return conn.marked or conn.packet.source == conn.chosen.address


@rule("W3", FORWARD)
def forwarded_unmarked(conn: Connection) -> Outcome | None:
    """KUBE-FORWARD accepts packets marked for masquerade. A node that drops forwarded packets drops all others.

    The packets of pods and of other hosts to an endpoint time out. Packets to a host-network process of the node are
    not forwarded.
    """
    by_iptables = conn.environment.mode is ProxyMode.IPTABLES
    return Outcome.TIMEOUT if by_iptables and not _has_mark(conn) and _is_forwarded(conn) else None


@rule("W4", f"KEP-3866: an accept in the table of kube-proxy does not override a drop; {NFTABLES} filter-forward")
def forwarded(conn: Connection) -> Outcome | None:
    """An nft table of kube-proxy cannot accept what the policy of another table drops. Forwarded packets time out.

    These are the packets of pods and of other hosts to an endpoint. Packets to a host-network process of the node are
    not forwarded.
    """
    by_nftables = conn.environment.mode is ProxyMode.NFTABLES
    return Outcome.TIMEOUT if by_nftables and _is_forwarded(conn) else None


@rule("W5", "netfilter: policy of FORWARD; kernel ip_vs_nat_xmit: packets of a virtual server leave by LOCAL_OUT")
def forwarded_directly(conn: Connection) -> Outcome | None:
    """Beside virtual servers, a node that drops forwarded packets drops direct connections to its pods.

    Packets of a virtual server do not traverse FORWARD.
    """
    by_ipvs = conn.environment.mode is ProxyMode.IPVS and conn.kind is FrontendKind.ENDPOINT
    return Outcome.TIMEOUT if by_ipvs and _is_forwarded(conn) else None


@rule("W6", FORWARD)
def dropped_at_endpoint(conn: Connection) -> Outcome | None:
    """A pod on another node than the processing one times out if its node drops forwarded packets.

    On the pod's node the packet has no mark, whether or not the processing node masqueraded it.
    """
    node = conn.chosen.node
    elsewhere = node != conn.packet.node and not conn.chosen.host_network
    return Outcome.TIMEOUT if elsewhere and conn.environment_of(node).drops_forwarded else None


@rule("W7", INPUT)
def dropped_at_process(conn: Connection) -> Outcome | None:
    """A host-network endpoint times out if its node drops new connections to its own processes.

    This does not apply to clients that are host-network processes of the same node.
    """
    inside = conn.local and conn.chosen.node == conn.packet.node
    received = conn.chosen.host_network and not inside
    return Outcome.TIMEOUT if received and conn.environment_of(conn.chosen.node).drops_received else None


@rule("W8", "netfilter: policy of INPUT; kernel ip_vs: the hook in LOCAL_IN comes after the filter table")
def virtual_server_dropped(conn: Connection) -> Selection | None:
    """In IPVS mode, a node that drops new connections to its own processes drops packets to a virtual server.

    This applies to packets of pods and of other hosts. In IPVS mode they traverse INPUT.
    """
    return Disposition.DROPPED if not conn.local and conn.environment.drops_received else None


@rule("W9", INPUT)
def received_by_node(conn: Connection) -> Disposition | None:
    """A packet to a port of the node itself times out if the node drops new connections to its own processes.

    This applies to packets of pods and of other hosts.
    """
    away = not conn.local and bool(conn.packet.node) and conn.at is not At.LOOPBACK
    return Disposition.DROPPED if away and conn.environment.drops_received else None


ON_THE_WAY: tuple[Rule[Outcome], ...] = (
    forwarded_unmarked,
    forwarded,
    forwarded_directly,
    dropped_at_endpoint,
    dropped_at_process,
)
RECEIVED: tuple[Rule[Disposition], ...] = (received_by_node,)
