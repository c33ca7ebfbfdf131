"""Rules for loadBalancerSourceRanges, as kube-proxy enforces them on the client's own node.

A packet that a load balancer translates to a NodePort does not meet these rules. A load balancer has to enforce the
ranges itself, and the one that a topology declares does not.

In every mode kube-proxy also admits the load balancer IP itself as a source if a range contains the node's address
(`allowFromNode`). A host-network process has that source if its node has the load balancer IP on an interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Disposition, Selection
from probes.oracle.rule import IPVS, MARK_DROP, NFTABLES, PROXIER, rule
from probes.oracle.stages.endpoints import has_endpoint, has_local_endpoint
from probes.oracle.stages.traffic_policies import is_external_local, is_internal_local
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.common.addresses import IPAddress


def _has_ranges(conn: Connection) -> bool:
    """Return whether the target is a load balancer IP of a Service with loadBalancerSourceRanges."""
    return conn.kind is FrontendKind.LOAD_BALANCER and bool(conn.state.load_balancer_source_ranges)


def _in_ranges(conn: Connection, address: IPAddress) -> bool:
    return any(address in network for network in conn.state.load_balancer_source_ranges)


def _is_outside_ranges(conn: Connection) -> bool:
    """Return whether the Service has ranges and none contains the packet's source."""
    return _has_ranges(conn) and not _in_ranges(conn, conn.packet.source)


def _is_dropped_by_ranges(conn: Connection) -> bool:
    """Return whether the packet is outside the ranges, with kube-proxy's exception `allowFromNode`.

    The load balancer IP itself is admitted as a source if the ranges contain the node's address.
    """
    admitted = conn.packet.source == conn.target and _in_ranges(conn, conn.node.address)
    return _is_outside_ranges(conn) and not admitted


def _is_node_outside_ranges(conn: Connection) -> bool:
    """Return whether no range contains the node's address: in IPVS mode its processes connect from the VIP."""
    return _has_ranges(conn) and not _in_ranges(conn, conn.node.address)


@rule(
    "F1",
    f"{PROXIER} KUBE-FW: KUBE-MARK-DROP, until #110289; {MARK_DROP}",
    until=upstream.NO_MARK_DROP_FOR_RANGES,
)
def marked_for_drop(conn: Connection) -> Selection | None:
    """In iptables mode, kube-proxy only marks packets from outside loadBalancerSourceRanges for drop.

    kubelet's rule for marked packets drops them if a host-network process sent them or the node owns the load balancer
    IP. All other packets go to the real load balancer. With externalTrafficPolicy: Cluster they are masqueraded.
    """
    if not _is_dropped_by_ranges(conn):
        return None
    if (conn.local or conn.at_own_address) and conn.environment.kubelet_drops_marked:
        return Disposition.DROPPED
    return Disposition.LEAVES if is_external_local(conn) else Disposition.LEAVES_MASQUERADED


@rule(
    "F2",
    f"#110289; {PROXIER} KUBE-PROXY-FIREWALL in INPUT, OUTPUT, FORWARD",
    since=upstream.NO_MARK_DROP_FOR_RANGES,
)
def dropped(conn: Connection) -> Selection | None:
    """In iptables mode, kube-proxy drops packets to a load balancer IP from outside loadBalancerSourceRanges."""
    return Disposition.DROPPED if _is_dropped_by_ranges(conn) else None


@rule(
    "F3",
    f"#122614; {NFTABLES} firewall-check in prerouting and output",
    since=upstream.RANGES_BEFORE_DNAT,
)
def dropped_before_translation(conn: Connection) -> Selection | None:
    """In nftables mode, kube-proxy drops packets to a load balancer IP from outside loadBalancerSourceRanges."""
    return Disposition.DROPPED if _is_dropped_by_ranges(conn) else None


@rule(
    "F4",
    f"{NFTABLES} 1.29: firewall-check after translation; until #122614",
    until=upstream.RANGES_BEFORE_DNAT,
)
def dropped_in_output(conn: Connection) -> Selection | None:
    """In nftables mode, loadBalancerSourceRanges apply only to packets of host-network processes on the node.

    kube-proxy drops those packets if their source is outside the ranges. It translates other packets before the
    check.
    """
    return Disposition.DROPPED if _is_dropped_by_ranges(conn) and conn.local else None


def _has_real_server(conn: Connection) -> bool:
    """Return whether this node's virtual server has a real server, which must be node-local with a Local policy."""
    internal_counts = conn.environment.has(upstream.INTERNAL_POLICY)
    own_only = not conn.environment.has(upstream.LOCAL_FALLS_BACK) and (
        is_external_local(conn) or (is_internal_local(conn) and internal_counts)
    )
    return has_local_endpoint(conn) if own_only else has_endpoint(conn)


@rule(
    "F5",
    f"{IPVS} 1.20.2:1361: KUBE-LOAD-BALANCER-FW, KUBE-MARK-DROP, until #110628; {MARK_DROP}; "
    "kernel net/netfilter/ipvs/ip_vs_core.c ip_vs_ops4: LOCAL_OUT before the filter table; "
    'docs/observations.md "loadBalancerSourceRanges and host-network processes in IPVS mode"',
    until=upstream.NO_MARK_DROP_IN_IPVS,
)
def marked_before_ipvs(conn: Connection) -> Selection | None:
    """In IPVS mode, kubelet's rule for marked packets drops those from outside loadBalancerSourceRanges.

    kube-proxy marks them. Packets of a host-network process pass IPVS before that rule. A virtual server without
    endpoints therefore refuses them.
    """
    out = _is_node_outside_ranges(conn) and _is_outside_ranges(conn) if conn.local else _is_outside_ranges(conn)
    meets = not conn.local or _has_real_server(conn)
    return Disposition.DROPPED if out and meets and conn.environment.kubelet_drops_marked else None


@rule(
    "F6",
    f"#110628; {IPVS} KUBE-PROXY-FIREWALL in INPUT, FORWARD; until #119791",
    since=upstream.NO_MARK_DROP_IN_IPVS,
    until=upstream.NODE_OUT_FILTER,
)
def dropped_in_input(conn: Connection) -> Selection | None:
    """In IPVS mode, kube-proxy drops packets to a load balancer IP from outside loadBalancerSourceRanges.

    This does not apply to packets of host-network processes on the node.
    """
    return Disposition.DROPPED if _is_outside_ranges(conn) and not conn.local else None


@rule(
    "F7",
    f"#119791 (#119656); {IPVS} KUBE-PROXY-FIREWALL in INPUT, FORWARD, KUBE-IPVS-OUT-FILTER in OUTPUT",
    since=upstream.NODE_OUT_FILTER,
)
def dropped_in_input_and_output(conn: Connection) -> Selection | None:
    """In IPVS mode, kube-proxy drops packets to a load balancer IP from outside loadBalancerSourceRanges.

    For host-network processes, the ranges must contain their node's address. Their packets pass IPVS before the
    check, so a virtual server without endpoints refuses them.
    """
    out = _is_node_outside_ranges(conn) and _has_real_server(conn) if conn.local else _is_outside_ranges(conn)
    return Disposition.DROPPED if out else None
