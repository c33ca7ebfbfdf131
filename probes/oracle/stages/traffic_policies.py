"""Predicates on a Service's settings: traffic policies, and whether kube-proxy serves the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.connection import Flow


def internal(flow: Flow) -> bool:
    """Return whether the target is the ClusterIP, for which internalTrafficPolicy applies."""
    return flow.kind is FrontendKind.CLUSTER_IP


def external_local(flow: Flow) -> bool:
    """Return whether externalTrafficPolicy applies to the target and is Local."""
    return not internal(flow) and flow.state.external_traffic_policy is TrafficPolicy.LOCAL


def internal_local(flow: Flow) -> bool:
    """Return whether the Service's internalTrafficPolicy is Local."""
    return flow.state.internal_traffic_policy is TrafficPolicy.LOCAL


def externally_accessible(flow: Flow) -> bool:
    """Return whether the Service has a NodePort, load balancer IP or externalIP (ServicePort.ExternallyAccessible)."""
    state = flow.state
    return bool(state.node_port or state.external_ips or (state.load_balancer_ip and not proxied(flow)))


def proxied(flow: Flow) -> bool:
    """Return whether the load balancer IP has ipMode: Proxy and this kube-proxy supports it."""
    return flow.state.load_balancer_ip_mode == "Proxy" and upstream.BALANCER_IP_MODE.is_in(flow.version)


def leads_to_balancer(flow: Flow) -> bool:
    """Return whether kube-proxy has no rules for the load balancer: hostname-only status, or ipMode: Proxy."""
    if flow.kind is not FrontendKind.LOAD_BALANCER:
        return False
    return flow.state.load_balancer_ip is None or proxied(flow)


def bound(flow: Flow) -> bool:
    """Return whether IPVS mode binds the target to kube-ipvs0: a ClusterIP, load balancer IP or externalIP."""
    return flow.kind in {FrontendKind.CLUSTER_IP, FrontendKind.LOAD_BALANCER, FrontendKind.EXTERNAL_IP} and (
        not leads_to_balancer(flow)
    )
