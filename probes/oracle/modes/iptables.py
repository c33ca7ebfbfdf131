"""Rules of iptables mode, 1.20 to 1.37: which endpoints are selected, or how the packet ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Disposition, EndpointPool, Selection
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
from probes.oracle.rule import MARK_DROP, PROXIER, Rule, rule
from probes.oracle.stages import arrival, masquerade_mark, return_path, source_nat, source_ranges
from probes.oracle.stages.detect_local import DETECT_LOCAL
from probes.oracle.stages.endpoints import READINESS, has_endpoint, has_local_endpoint
from probes.oracle.stages.traffic_policies import is_cluster_ip, is_external_local, is_internal_local
from probes.oracle.upstream import VersionRange
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.connection import Connection


def _stripped(conn: Connection) -> bool:
    """Return whether internalTrafficPolicy: Local limits every frontend, unless externalTrafficPolicy is Local too."""
    return is_internal_local(conn) and conn.state.external_traffic_policy is not TrafficPolicy.LOCAL


@rule("R1.1", f"{PROXIER} iptablesJumpChains: KUBE-EXTERNAL-SERVICES")
def reject_not_in_output(conn: Connection) -> Selection | None:
    """In iptables mode, a host-network process is not refused at a load balancer IP or externalIP without endpoints.

    Its packet leaves the node, because the REJECT rule is not in OUTPUT. If the node owns the address, the packet
    returns through INPUT and is refused.
    """
    return Disposition.LEAVES if conn.off_node and conn.local and not has_endpoint(conn) else None


@rule(
    "R6.1",
    "#106497 (bug); pkg/proxy/topology.go FilterEndpoints; "
    'docs/observations.md "internalTrafficPolicy: Local in 1.22 and 1.23"',
    since=upstream.INTERNAL_POLICY,
    until=upstream.INTERNAL_POLICY_APART,
)
def stripped_to_nothing(conn: Connection) -> Selection | None:
    """In iptables mode with internalTrafficPolicy: Local, a node without a local endpoint rejects all packets.

    This includes packets to NodePorts and load balancer IPs, unless externalTrafficPolicy is Local too. Packets of
    host-network processes to a load balancer IP or externalIP leave the node, unless the node owns the address.
    """
    if not _stripped(conn) or has_local_endpoint(conn):
        return None
    return Disposition.LEAVES if conn.off_node and conn.local else Disposition.REJECTED


@rule(
    "R3.1",
    f'{PROXIER} addrtype --dst-type LOCAL; #96296; docs/observations.md "externalIPs in iptables mode up to 1.20"',
    until=upstream.EXTERNAL_IPS_CAPTURED,
)
def external_ip_from_node(conn: Connection) -> Selection | None:
    """In iptables mode, kube-proxy does not capture packets of host-network processes to an externalIP.

    They leave the node, unless the node owns the address.
    """
    return Disposition.LEAVES if conn.kind is FrontendKind.EXTERNAL_IP and conn.off_node and conn.local else None


@rule(
    "R3.2",
    f'{PROXIER} addrtype --dst-type LOCAL; #96296; docs/observations.md "externalIPs in iptables mode up to 1.20"',
    until=upstream.EXTERNAL_IPS_CAPTURED,
)
def external_ip_from_bridge(conn: Connection) -> Selection | None:
    """In iptables mode with br_netfilter, kube-proxy does not capture packets from bridged pods to an externalIP.

    They leave the node. With externalTrafficPolicy: Cluster they are masqueraded. If the node owns the address,
    kube-proxy captures them.
    """
    if conn.kind is not FrontendKind.EXTERNAL_IP or not conn.off_node or not conn.pod_here:
        return None
    if not conn.environment.bridged or not conn.environment.bridge_nf_call_iptables:
        return None
    return Disposition.LEAVES if is_external_local(conn) else Disposition.LEAVES_MASQUERADED


@rule(
    "R7.1",
    f"#110290; {PROXIER} KUBE-EXTERNAL-SERVICES DROP",
    since=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def drop_at_unserved_address(conn: Connection) -> Selection | None:
    """In iptables mode, the drop for externalTrafficPolicy: Local also applies at addresses outside nodePortAddresses.

    It affects nodes without a local endpoint.
    """
    without_local = is_external_local(conn) and not has_local_endpoint(conn)
    return Disposition.DROPPED if node_port_left_out(conn) and without_local else None


@rule("R7.2", f"{PROXIER} GetNodeAddresses; --iptables-localhost-nodeports (1.26)")
def unserved_address(conn: Connection) -> Selection | None:
    """In iptables mode, a NodePort is closed at addresses outside nodePortAddresses.

    It is closed at 127.0.0.1 with --iptables-localhost-nodeports=false.
    """
    return Disposition.CLOSED if node_port_left_out(conn) else None


@rule(
    "R6.2",
    "#106497 (bug); pkg/proxy/topology.go FilterEndpoints; "
    'docs/observations.md "internalTrafficPolicy: Local in 1.22 and 1.23"',
    since=upstream.INTERNAL_POLICY,
    until=upstream.INTERNAL_POLICY_APART,
)
def stripped_to_local(conn: Connection) -> Selection | None:
    """In iptables mode with internalTrafficPolicy: Local, every frontend uses only node-local endpoints.

    This includes NodePorts and load balancer IPs, unless externalTrafficPolicy is Local too.
    """
    return EndpointPool.LOCAL if _stripped(conn) else None


@rule(
    "R6.4",
    f"#106497, #110290; {PROXIER} KUBE-MARK-DROP; {MARK_DROP}; "
    'docs/observations.md "internalTrafficPolicy: Local in iptables mode 1.24"',
    since=upstream.INTERNAL_POLICY_APART,
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def internal_mark_drop(conn: Connection) -> Selection | None:
    """In iptables mode with internalTrafficPolicy: Local, a node without a local endpoint only marks packets for drop.

    kubelet's rule for marked packets drops those of host-network processes. All other packets have no route to the
    ClusterIP.
    """
    if not is_cluster_ip(conn) or not is_internal_local(conn):
        return None
    return Disposition.DROPPED if conn.local and conn.environment.kubelet_drops_marked else Disposition.ASTRAY


@rule(
    "R4.9",
    f'{PROXIER} openPort, removed by #108496; {MARK_DROP}; docs/observations.md "NodePort without kubelet\'s firewall"',
    until=upstream.PORT_OPENER_REMOVED,
)
def held_without_local_endpoint(conn: Connection) -> Selection | None:
    """In iptables mode with externalTrafficPolicy: Local, kube-proxy's own socket may accept a NodePort connection.

    It never answers. This affects nodes without a local endpoint and without kubelet's rule for marked packets. If
    kube-proxy holds no socket, the port is closed. A load balancer IP or externalIP that the node owns behaves the
    same.
    """
    held = is_external_local(conn) and not conn.off_node and not conn.environment.kubelet_drops_marked
    return Disposition.HELD if held else None


@rule(
    "R4.4",
    f"{PROXIER} KUBE-MARK-DROP, until #110290; {MARK_DROP}",
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def marked_for_drop(conn: Connection) -> Selection | None:
    """In iptables mode with externalTrafficPolicy: Local, a node without a local endpoint only marks packets for drop.

    kubelet's rule for marked packets drops the NodePort packet. Without that rule the port is closed. A load balancer
    IP or externalIP that the node owns behaves the same.
    """
    if not is_external_local(conn) or conn.off_node:
        return None
    return Disposition.DROPPED if conn.environment.kubelet_drops_marked else Disposition.CLOSED


@rule(
    "R4.10",
    f"{PROXIER} KUBE-MARK-DROP, until #110290; "
    "pkg/kubelet/kubelet_network_linux.go syncNetworkUtil: KUBE-FIREWALL in INPUT and OUTPUT; "
    'docs/observations.md "KUBE-MARK-DROP does not drop forwarded packets"',
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def marked_and_forwarded(conn: Connection) -> Selection | None:
    """In iptables mode with externalTrafficPolicy: Local, a node without a local endpoint forwards the packet.

    This applies to a load balancer IP or externalIP that the node does not own. The packet is only marked for drop,
    and it goes to the real load balancer.
    """
    return Disposition.LEAVES if is_external_local(conn) and conn.off_node else None


SOURCE_RANGES: tuple[Rule[Selection], ...] = (source_ranges.marked_for_drop, source_ranges.dropped)
POOL: tuple[Rule[Selection], ...] = (
    not_a_vip,
    hostname_only,
    external_ip_ignored,
    undeclared_port,
    reject_not_in_output,
    no_endpoints,
    stripped_to_nothing,
    *SOURCE_RANGES,
    external_ip_from_node,
    external_ip_from_bridge,
    drop_at_unserved_address,
    unserved_address,
    stripped_to_local,
    internal_to_local,
    internal_mark_drop,
    internal_drop,
    internal_to_all,
    pod_short_circuit,
    node_short_circuit,
    only_local,
    held_without_local_endpoint,
    marked_for_drop,
    marked_and_forwarded,
    local_drop,
    external_to_all,
)
CHAINS = ModeChains(
    versions=VersionRange(),
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
        masquerade_mark.pod_to_external_ip,
        masquerade_mark.external_always,
    ),
    source=(source_nat.hairpin, *source_nat.POSTROUTING),
    reply=return_path.WITHOUT_BOUND_ADDRESSES,
)
