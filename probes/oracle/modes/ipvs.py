"""Rules of IPVS mode, 1.20 to 1.37: which endpoints are selected, or how the packet ends.

Every virtual IP of a Service is bound to kube-ipvs0 on every node. The kernel's IPVS translates the packets, not
kube-proxy's rules. IPVS does not distinguish internal from external clients. A packet that it does not translate is
local to the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Disposition, EndpointPool, Selection
from probes.oracle.modes.mode_chains import ModeChains
from probes.oracle.modes.shared import (
    external_ip_ignored,
    external_to_all,
    hostname_only,
    internal_to_all,
    node_port_left_out,
    not_a_vip,
)
from probes.oracle.rule import IPVS, Rule, rule
from probes.oracle.stages import arrival, masquerade_mark, node_firewall, return_path, source_nat, source_ranges
from probes.oracle.stages.detect_local import DETECT_LOCAL
from probes.oracle.stages.endpoints import READINESS, has_endpoint, has_local_endpoint
from probes.oracle.stages.node_owned_addresses import (
    binds_own_addresses,
    cut_off,
    cut_off_on_the_way,
    endpoint_taken_for_own,
    node_port_at_bound_address,
    node_port_taken_for_own,
    own_undeclared,
    taken_for_own,
)
from probes.oracle.stages.traffic_policies import (
    is_bound,
    is_cluster_ip,
    is_external_local,
    is_externally_accessible,
    is_internal_local,
)
from probes.oracle.upstream import VersionRange
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Connection


def _at_loopback(conn: Connection) -> bool:
    return conn.kind is FrontendKind.NODE_PORT and conn.at is At.LOOPBACK


def _unserved_loopback(conn: Connection) -> bool:
    """Return whether 127.0.0.1 has no virtual server: since 1.22, or because nodePortAddresses excludes it."""
    return _at_loopback(conn) and (conn.environment.has(upstream.NO_LOOPBACK_SERVER) or node_port_left_out(conn))


@rule("R8.2", "kernel: the address is local to every node (kube-ipvs0)", until=upstream.VIP_FILTER)
def undeclared_is_the_nodes(conn: Connection) -> Selection | None:
    """In IPVS mode, an address on kube-ipvs0 is local to the node at ports that no Service declares.

    A process that listens there answers. If no process listens, the port is closed.
    """
    return Disposition.HOST if is_bound(conn) and not conn.declared else None


@rule("R8.3", f"#108460; {IPVS} KUBE-IPVS-FILTER", since=upstream.VIP_FILTER)
def undeclared_refused(conn: Connection) -> Selection | None:
    """In IPVS mode, an address on kube-ipvs0 rejects packets at ports that no Service declares.

    It does so even if a process listens there.
    """
    return Disposition.REJECTED if is_bound(conn) and not conn.declared else None


@rule(
    "R7.6",
    "pkg/kubelet/kubelet_network_linux.go syncNetworkUtil: KUBE-FIREWALL ! -s 127/8 -d 127/8 DROP; "
    f"{IPVS}: -s 127/8 RETURN since #112950; "
    'docs/observations.md "NodePort at 127.0.0.1 in IPVS mode"',
    until=upstream.LOOPBACK_RETURN,
)
def loopback_martian(conn: Connection) -> Selection | None:
    """In IPVS mode, kubelet's firewall drops NodePort packets to 127.0.0.1 with externalTrafficPolicy: Cluster.

    They are masqueraded and therefore martian, because their source is not in 127.0.0.0/8.
    """
    marked = _unserved_loopback(conn) and not is_external_local(conn)
    return Disposition.DROPPED if marked and conn.environment.kubelet_drops_martians else None


@rule(
    "R7.7",
    f'#101023; {IPVS} openPort, removed by #108496; docs/observations.md "NodePort at 127.0.0.1 in IPVS mode"',
    since=upstream.NO_LOOPBACK_SERVER,
    until=upstream.PORT_OPENER_REMOVED,
)
def loopback_held(conn: Connection) -> Selection | None:
    """In IPVS mode, connections to a NodePort at 127.0.0.1 hang, because the address has no virtual server.

    The socket that kube-proxy holds for the NodePort accepts them and never answers.
    """
    return Disposition.HANGS if _unserved_loopback(conn) and not conn.environment.limits_node_ports else None


@rule("R7.8", f"#101023; {IPVS} GetNodeAddresses without loopback", since=upstream.NO_LOOPBACK_SERVER)
def loopback_unserved(conn: Connection) -> Selection | None:
    """In IPVS mode, a NodePort is closed at 127.0.0.1, because the address has no virtual server."""
    return Disposition.CLOSED if _unserved_loopback(conn) else None


@rule("R7.9", f"{IPVS} GetNodeAddresses: --nodeport-addresses")
def address_left_out(conn: Connection) -> Selection | None:
    """In IPVS mode, a NodePort is closed at addresses outside nodePortAddresses."""
    return Disposition.CLOSED if node_port_left_out(conn) else None


@rule(
    "R8.5",
    f"#108460, #121909; {IPVS} KUBE-IPVS-FILTER; fixed by #121919; "
    'docs/observations.md "externalIP with externalTrafficPolicy: Local in IPVS mode"',
    since=upstream.VIP_FILTER,
    until=upstream.EXTERNAL_IP_LOCAL_ADMITTED,
)
def external_ip_filtered(conn: Connection) -> Selection | None:
    """In IPVS mode with externalTrafficPolicy: Local, an externalIP on kube-ipvs0 rejects packets.

    This does not apply to packets of host-network processes on the node.
    """
    listed = not conn.at_own_address or binds_own_addresses(conn)  # in KUBE-IPVS-IPS
    filtered = conn.kind is FrontendKind.EXTERNAL_IP and is_external_local(conn) and listed
    return Disposition.REJECTED if filtered and not conn.local else None


@rule("R1.3", "kernel net/netfilter/ipvs/ip_vs_core.c ip_vs_leave: port unreachable (#75262)")
def empty_virtual_server(conn: Connection) -> Selection | None:
    """In IPVS mode, a virtual server without endpoints rejects packets (ICMP port unreachable)."""
    return None if has_endpoint(conn) else Disposition.REJECTED


@rule(
    "R6.6",
    "#106497 (bug); pkg/proxy/topology.go FilterEndpoints; "
    'docs/observations.md "internalTrafficPolicy: Local in 1.22 and 1.23"',
    since=upstream.INTERNAL_POLICY,
    until=upstream.INTERNAL_POLICY_APART,
)
def stripped(conn: Connection) -> Selection | None:
    """In IPVS mode with internalTrafficPolicy: Local, every frontend uses only node-local endpoints.

    A node without a local endpoint rejects packets (ICMP port unreachable).
    """
    if not is_internal_local(conn):
        return None
    return EndpointPool.LOCAL if has_local_endpoint(conn) else Disposition.REJECTED


@rule(
    "R6.7",
    f"#106497; {IPVS} syncEndpoint(onlyNodeLocal), 1.24:1990",
    since=upstream.INTERNAL_POLICY_APART,
)
def internal_to_local(conn: Connection) -> Selection | None:
    """In IPVS mode with internalTrafficPolicy: Local, a ClusterIP uses only node-local endpoints, if there are any."""
    return EndpointPool.LOCAL if is_cluster_ip(conn) and is_internal_local(conn) and has_local_endpoint(conn) else None


@rule(
    "R6.8",
    f"#106497, #97081; {IPVS} 1.24:1990; pkg/proxy/topology.go CategorizeEndpoints",
    since=upstream.INTERNAL_POLICY_APART,
)
def internal_refused(conn: Connection) -> Selection | None:
    """In IPVS mode with internalTrafficPolicy: Local, a node without a local endpoint rejects ClusterIP packets.

    This applies to Services without a NodePort, load balancer IP or externalIP.
    """
    alone = is_cluster_ip(conn) and is_internal_local(conn) and not is_externally_accessible(conn)
    return Disposition.REJECTED if alone else None


@rule(
    "R6.9",
    f"#106497, #97081; {IPVS} 1.24:1990; pkg/proxy/topology.go CategorizeEndpoints; "
    'docs/observations.md "internalTrafficPolicy: Local in IPVS mode from 1.24 on"',
    since=upstream.INTERNAL_POLICY_APART,
)
def internal_leaks(conn: Connection) -> Selection | None:
    """In IPVS mode, a node without a local endpoint does not enforce internalTrafficPolicy: Local.

    The ClusterIP uses all endpoints. This applies to Services with a NodePort, load balancer IP or externalIP.
    """
    return EndpointPool.ALL if is_cluster_ip(conn) and is_internal_local(conn) else None


@rule("R4i.1", f"{IPVS} syncEndpoint(onlyNodeLocal)")
def only_local(conn: Connection) -> Selection | None:
    """In IPVS mode with externalTrafficPolicy: Local, all clients use only node-local endpoints, if there are any.

    This includes pods and host-network processes.
    """
    return EndpointPool.LOCAL if is_external_local(conn) and has_local_endpoint(conn) else None


@rule("R4i.2", f"{IPVS} syncEndpoint: no real server", until=upstream.LOCAL_FALLS_BACK)
def local_refused(conn: Connection) -> Selection | None:
    """In IPVS mode with externalTrafficPolicy: Local, a node without a local endpoint rejects all packets.

    Its virtual server is empty (ICMP port unreachable).
    """
    return Disposition.REJECTED if is_external_local(conn) else None


@rule("R4i.3", f"#97081; {IPVS} 1.24:1990-2010, 1.36:1625-1640", since=upstream.LOCAL_FALLS_BACK)
def local_falls_back(conn: Connection) -> Selection | None:
    """In IPVS mode with externalTrafficPolicy: Local, a node without a local endpoint uses all endpoints.

    kube-proxy does not masquerade the packets.
    """
    return EndpointPool.ALL if is_external_local(conn) else None


SOURCE_RANGES: tuple[Rule[Selection], ...] = (
    source_ranges.marked_before_ipvs,
    source_ranges.dropped_in_input,
    source_ranges.dropped_in_input_and_output,
)
POOL: tuple[Rule[Selection], ...] = (
    not_a_vip,
    hostname_only,
    external_ip_ignored,
    own_undeclared,
    undeclared_is_the_nodes,
    undeclared_refused,
    node_port_taken_for_own,
    node_port_at_bound_address,
    loopback_martian,
    loopback_held,
    loopback_unserved,
    address_left_out,
    external_ip_filtered,
    node_firewall.virtual_server_dropped,
    *SOURCE_RANGES,
    empty_virtual_server,
    stripped,
    internal_to_local,
    internal_refused,
    internal_leaks,
    internal_to_all,
    only_local,
    local_refused,
    local_falls_back,
    external_to_all,
)
CHAINS = ModeChains(
    versions=VersionRange(),
    arrival=(
        arrival.node_to_own_virtual_address,
        arrival.node_to_bound_address,
        *arrival.TO_SERVICE_ADDRESS,
        arrival.loopback_elsewhere,
        taken_for_own,
        cut_off_on_the_way,
        *arrival.TO_NODE_PORT,
    ),
    readiness=READINESS,
    detect_local=DETECT_LOCAL,
    source_ranges=SOURCE_RANGES,
    pool=POOL,
    mark=(
        masquerade_mark.masquerade_all,
        masquerade_mark.internal_from_virtual_address,
        masquerade_mark.internal_from_no_pod,
        masquerade_mark.never_under_local,
        masquerade_mark.external_always,
    ),
    source=(source_nat.hairpin_here, *source_nat.POSTROUTING),
    reply=(
        endpoint_taken_for_own,
        cut_off,
        *return_path.LOST_ON_THE_WAY,
        return_path.loopback_leaves,
        return_path.foreign_address_leaves,
        return_path.endpoint_here,
        return_path.to_a_bound_address,
        *return_path.FROM_ELSEWHERE,
    ),
)
