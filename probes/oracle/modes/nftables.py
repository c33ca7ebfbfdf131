"""Rules of nftables mode, 1.29 to 1.37, that differ from iptables mode, and its chain of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Disposition, Selection
from probes.oracle.modes.mode_chains import ModeChains
from probes.oracle.modes.shared import (
    external_ip_ignored,
    external_to_all,
    hostname_only,
    internal_drop,
    internal_to_all,
    internal_to_local,
    local_drop,
    no_endpoints,
    node_port_left_out,
    node_short_circuit,
    not_a_vip,
    only_local,
    pod_short_circuit,
    undeclared_port,
)
from probes.oracle.rule import NFTABLES, Rule, rule
from probes.oracle.stages import arrival, masquerade_mark, return_path, source_nat, source_ranges
from probes.oracle.stages.detect_local import DETECT_LOCAL
from probes.oracle.stages.endpoints import READINESS, has_endpoint, has_local_endpoint
from probes.oracle.stages.traffic_policies import is_cluster_ip, is_external_local
from probes.oracle.upstream import VersionRange
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Connection


def _dropped_before_translation(conn: Connection) -> bool:
    """Return whether the drop for externalTrafficPolicy: Local precedes the translation for host-network processes."""
    return conn.local and is_external_local(conn) and has_endpoint(conn) and not has_local_endpoint(conn)


@rule("R8.4", f"{NFTABLES} cluster-ips-check (#122692)", since=upstream.CLUSTER_IP_REJECT)
def cluster_ip_refuses(conn: Connection) -> Selection | None:
    """In nftables mode, kube-proxy rejects packets to a ClusterIP at a port that its Service does not declare."""
    return Disposition.REJECTED if is_cluster_ip(conn) and not conn.declared else None


def _at_gated_loopback(conn: Connection) -> bool:
    at_loopback = conn.kind is FrontendKind.NODE_PORT and conn.target.is_loopback
    return at_loopback and conn.environment.has_localhost_gate


@rule(
    "R7.13",
    "#138427 (KEP-6032); pkg/proxy/localnodeportproxy/proxy.go; "
    "pkg/proxy/util/nodeport_addresses.go ContainsExplicitLoopback",
    since=upstream.LOCALHOST_NODE_PORT_PROXY,
)
def loopback_proxied(conn: Connection) -> Selection | None:
    """In nftables mode with KubeProxyNFTablesLocalhostNodePorts, kube-proxy proxies NodePorts at 127.0.0.1.

    nodePortAddresses must have a loopback range. With externalTrafficPolicy: Local, the node must have a local
    endpoint, and only such endpoints are used. The endpoint sees a connection of kube-proxy.
    """
    if not _at_gated_loopback(conn) or not conn.environment.names_loopback:
        return None
    served = has_local_endpoint(conn) if is_external_local(conn) else has_endpoint(conn)
    return Disposition.PROXIED if served else None


@rule(
    "R7.14",
    f"#138427 (KEP-6032); {NFTABLES} localhost-nodeport-reject-ports",
    since=upstream.LOCALHOST_NODE_PORT_PROXY,
)
def loopback_rejected(conn: Connection) -> Selection | None:
    """In nftables mode with KubeProxyNFTablesLocalhostNodePorts, kube-proxy rejects packets to NodePorts at 127.0.0.1.

    This applies if nodePortAddresses has no loopback range.
    """
    rejected = _at_gated_loopback(conn) and not conn.environment.names_loopback
    return Disposition.REJECTED if rejected else None


@rule("R7.3", f"{NFTABLES}: ip daddr != 127.0.0.0/8")
def loopback_closed(conn: Connection) -> Selection | None:
    """In nftables mode, NodePorts are closed at 127.0.0.1."""
    return Disposition.CLOSED if conn.kind is FrontendKind.NODE_PORT and conn.target.is_loopback else None


@rule(
    "R7.4",
    f"#122724, #123105; {NFTABLES} nodeport-ips; --nodeport-addresses primary",
    since=upstream.PRIMARY_NODE_PORTS,
)
def primary_only(conn: Connection) -> Selection | None:
    """In nftables mode without nodePortAddresses, NodePorts are closed at all addresses except a node's primary one."""
    if conn.kind is not FrontendKind.NODE_PORT or conn.environment.limits_node_ports:
        return None
    return None if conn.reached == conn.node.address else Disposition.CLOSED


@rule("R7.5", f"{NFTABLES} nodeport-ips; --nodeport-addresses")
def address_left_out(conn: Connection) -> Selection | None:
    """In nftables mode, a NodePort is closed at addresses outside nodePortAddresses."""
    return Disposition.CLOSED if node_port_left_out(conn) else None


@rule(
    "R5.1",
    f"{NFTABLES} 1.32:394: filter-output before dstnat; #132456",
    until=upstream.NODE_SHORT_CIRCUIT,
)
def node_dropped_at_virtual_address(conn: Connection) -> Selection | None:
    """In nftables mode with externalTrafficPolicy: Local, a node without a local endpoint drops its own packets.

    This applies to packets of host-network processes to a load balancer IP or externalIP.
    """
    return Disposition.DROPPED if conn.virtual and _dropped_before_translation(conn) else None


@rule(
    "R5.2",
    f'{NFTABLES} 1.29: nodeport-endpoints-check from output; docs/observations.md "NodePort in nftables mode"',
    until=upstream.NODE_PORT_CHECK_IN_INPUT,
)
def node_dropped_at_own_node_port(conn: Connection) -> Selection | None:
    """In nftables mode with externalTrafficPolicy: Local, a node without a local endpoint drops its own packets.

    This applies to packets of host-network processes to a NodePort of their own node.
    """
    own = conn.kind is FrontendKind.NODE_PORT
    return Disposition.DROPPED if own and _dropped_before_translation(conn) else None


SOURCE_RANGES: tuple[Rule[Selection], ...] = (
    source_ranges.dropped_before_translation,
    source_ranges.dropped_in_output,
)
POOL: tuple[Rule[Selection], ...] = (
    not_a_vip,
    hostname_only,
    external_ip_ignored,
    cluster_ip_refuses,
    undeclared_port,
    loopback_proxied,
    loopback_rejected,
    loopback_closed,
    primary_only,
    address_left_out,
    no_endpoints,
    *SOURCE_RANGES,
    node_dropped_at_virtual_address,
    node_dropped_at_own_node_port,
    internal_to_local,
    internal_drop,
    internal_to_all,
    pod_short_circuit,
    node_short_circuit,
    only_local,
    local_drop,
    external_to_all,
)
CHAINS = ModeChains(
    versions=VersionRange(since=upstream.NFTABLES_MODE),
    arrival=arrival.WITHOUT_BOUND_ADDRESSES,
    readiness=READINESS,
    detect_local=DETECT_LOCAL,
    source_ranges=SOURCE_RANGES,
    pool=POOL,
    mark=(
        masquerade_mark.masquerade_all,
        masquerade_mark.internal_without_detector,
        masquerade_mark.internal_from_no_pod,
        *masquerade_mark.NODE_LOCAL,
        masquerade_mark.external_always,
    ),
    source=(source_nat.hairpin_nftables, source_nat.hairpin_here, *source_nat.POSTROUTING),
    reply=return_path.WITHOUT_BOUND_ADDRESSES,
)
