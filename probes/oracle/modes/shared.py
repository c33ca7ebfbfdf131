"""Rules for endpoint selection or refusal that more than one kube-proxy mode has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Disposition, EndpointPool
from probes.oracle.rule import IPVS, NFTABLES, PROXIER, rule
from probes.oracle.stages.detect_local import is_pod_traffic
from probes.oracle.stages.endpoints import has_endpoint, has_local_endpoint
from probes.oracle.stages.traffic_policies import (
    has_proxy_ip_mode,
    is_cluster_ip,
    is_external_local,
    is_internal_local,
    leads_to_balancer,
)
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Connection, Selection


def node_port_left_out(conn: Connection) -> bool:
    """Return whether the target is a NodePort at an address outside `--nodeport-addresses`."""
    return conn.kind is FrontendKind.NODE_PORT and not conn.environment.serves_node_ports_at(conn.reached)


@rule("R0.3", "KEP-1860, #119937; pkg/proxy/util IsVIPMode", since=upstream.BALANCER_IP_MODE)
def not_a_vip(conn: Connection) -> Selection | None:
    """kube-proxy has no rules for a load balancer IP with ipMode: Proxy.

    Packets go to the real load balancer.
    """
    return Disposition.LEAVES if conn.kind is FrontendKind.LOAD_BALANCER and has_proxy_ip_mode(conn) else None


@rule("R0.12", "pkg/proxy ServicePort: only status.loadBalancer.ingress[].ip is read")
def hostname_only(conn: Connection) -> Selection | None:
    """kube-proxy has no rules for a load balancer whose status has only a hostname.

    Packets go to the real load balancer.
    """
    return Disposition.LEAVES if leads_to_balancer(conn) else None


@rule("R3.6", "#137293 (KEP-5707); pkg/proxy/serviceport.go ExternalIPs", since=upstream.EXTERNAL_IPS_GATE)
def external_ip_ignored(conn: Connection) -> Selection | None:
    """Without the feature gate AllowServiceExternalIPs, kube-proxy has no rules for externalIPs.

    Packets go to the host that owns the address.
    """
    ignored = conn.kind is FrontendKind.EXTERNAL_IP and conn.environment.ignores_external_ips
    return Disposition.LEAVES if ignored else None


@rule("R8.1", f"{PROXIER}, {NFTABLES} syncProxyRules: rules are made per declared port")
def undeclared_port(conn: Connection) -> Selection | None:
    """kube-proxy has no rules for a port that no Service declares.

    At a ClusterIP, packets have no route. At other addresses, they go to the host or load balancer that owns the
    address.
    """
    if conn.declared:
        return None
    return Disposition.ASTRAY if is_cluster_ip(conn) else Disposition.LEAVES


@rule(
    "R1.2",
    f"{PROXIER} REJECT in table filter; {NFTABLES} no-endpoint-services, no-endpoint-nodeports",
)
def no_endpoints(conn: Connection) -> Selection | None:
    """kube-proxy rejects packets to a Service without endpoints (ICMP port unreachable)."""
    return None if has_endpoint(conn) else Disposition.REJECTED


@rule("R6.3", f"#106497; {PROXIER} KUBE-SVL; {NFTABLES}", since=upstream.INTERNAL_POLICY_APART)
def internal_to_local(conn: Connection) -> Selection | None:
    """With internalTrafficPolicy: Local, a ClusterIP uses only node-local endpoints."""
    return EndpointPool.LOCAL if is_cluster_ip(conn) and is_internal_local(conn) and has_local_endpoint(conn) else None


@rule(
    "R6.5",
    f"#110290; {PROXIER} DROP in table filter; {NFTABLES} drop",
    since=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def internal_drop(conn: Connection) -> Selection | None:
    """With internalTrafficPolicy: Local, a node without a local endpoint drops packets to the ClusterIP."""
    return Disposition.DROPPED if is_cluster_ip(conn) and is_internal_local(conn) else None


@rule("R2.1", f"{PROXIER} 1.20.2:1067, 1.36:1099; {IPVS}; {NFTABLES} 1.36:633")
def internal_to_all(conn: Connection) -> Selection | None:
    """A ClusterIP uses all endpoints. externalTrafficPolicy has no effect on it."""
    return EndpointPool.ALL if is_cluster_ip(conn) else None


@rule("R4.1", f"{PROXIER} KUBE-XLB (<= 1.23), KUBE-EXT (1.24, #106497 #109060); {NFTABLES}")
def pod_short_circuit(conn: Connection) -> Selection | None:
    """With externalTrafficPolicy: Local, pod traffic that detect-local recognizes uses all endpoints.

    The ClusterIP treats it the same way.
    """
    return EndpointPool.ALL if is_external_local(conn) and is_pod_traffic(conn) else None


@rule("R4.2", f"#77523 (1.15, #65387): masquerade and route LOCAL traffic; {NFTABLES}")
def node_short_circuit(conn: Connection) -> Selection | None:
    """With externalTrafficPolicy: Local, packets of host-network processes on the node use all endpoints."""
    return EndpointPool.ALL if is_external_local(conn) and conn.local else None


@rule("R4.3", f"{PROXIER} 1.20.2:1427-1500, 1.24:1163-1200, 1.36:1131-1172; {NFTABLES} 1.36:1492")
def only_local(conn: Connection) -> Selection | None:
    """With externalTrafficPolicy: Local, packets use only node-local endpoints.

    This does not apply to pod traffic or to packets of host-network processes on the node.
    """
    return EndpointPool.LOCAL if is_external_local(conn) and has_local_endpoint(conn) else None


@rule(
    "R4.5",
    f"#110290; {PROXIER} DROP in table filter; {NFTABLES} drop",
    since=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
)
def local_drop(conn: Connection) -> Selection | None:
    """With externalTrafficPolicy: Local, a node without a local endpoint drops the packet.

    This does not apply to pod traffic or to packets of host-network processes on the node.
    """
    return Disposition.DROPPED if is_external_local(conn) else None


@rule("R3.3", f"{PROXIER} KUBE-FW, KUBE-NODEPORTS, KUBE-SVC (<= 1.23), KUBE-EXT (1.24); {IPVS}; {NFTABLES}")
def external_to_all(_conn: Connection) -> Selection:
    """With externalTrafficPolicy: Cluster, a NodePort, load balancer IP or externalIP uses all endpoints."""
    return EndpointPool.ALL
