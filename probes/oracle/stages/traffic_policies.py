"""Predicates on a Service's settings: traffic policies, and whether kube-proxy serves the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.connection import Connection


def is_cluster_ip(conn: Connection) -> bool:
    """Return whether the target is the ClusterIP, for which internalTrafficPolicy applies."""
    return conn.kind is FrontendKind.CLUSTER_IP


def is_external_local(conn: Connection) -> bool:
    """Return whether externalTrafficPolicy applies to the target and is Local."""
    return not is_cluster_ip(conn) and conn.state.external_traffic_policy is TrafficPolicy.LOCAL


def is_internal_local(conn: Connection) -> bool:
    """Return whether the Service's internalTrafficPolicy is Local."""
    return conn.state.internal_traffic_policy is TrafficPolicy.LOCAL


def is_externally_accessible(conn: Connection) -> bool:
    """Return whether the Service has a NodePort, load balancer IP or externalIP (ServicePort.ExternallyAccessible)."""
    state = conn.state
    return bool(state.node_port or state.external_ips or (state.load_balancer_ip and not has_proxy_ip_mode(conn)))


def has_proxy_ip_mode(conn: Connection) -> bool:
    """Return whether the load balancer IP has ipMode: Proxy and this kube-proxy supports it."""
    return conn.state.load_balancer_ip_mode == "Proxy" and conn.environment.has(upstream.BALANCER_IP_MODE)


def leads_to_balancer(conn: Connection) -> bool:
    """Return whether kube-proxy has no rules for the load balancer: hostname-only status, or ipMode: Proxy."""
    if conn.kind is not FrontendKind.LOAD_BALANCER:
        return False
    return conn.state.load_balancer_ip is None or has_proxy_ip_mode(conn)


def is_bound(conn: Connection) -> bool:
    """Return whether IPVS mode binds the target to kube-ipvs0: a ClusterIP, load balancer IP or externalIP."""
    if conn.kind is FrontendKind.EXTERNAL_IP:
        return not conn.environment.ignores_external_ips
    return conn.kind in {FrontendKind.CLUSTER_IP, FrontendKind.LOAD_BALANCER} and not leads_to_balancer(conn)
