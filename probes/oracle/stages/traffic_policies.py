"""What a Service's own settings say of a packet: its traffic policies, and whether its address is kube-proxy's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.connection import Flow


def internal(flow: Flow) -> bool:
    """Asked at the ClusterIP: internalTrafficPolicy is what counts."""
    return flow.kind is FrontendKind.CLUSTER_IP


def external_local(flow: Flow) -> bool:
    """Asked from the outside's side, and externalTrafficPolicy is Local."""
    return not internal(flow) and flow.state.external_traffic_policy is TrafficPolicy.LOCAL


def internal_local(flow: Flow) -> bool:
    """The Service's internalTrafficPolicy is Local."""
    return flow.state.internal_traffic_policy is TrafficPolicy.LOCAL


def externally_accessible(flow: Flow) -> bool:
    """The Service has a NodePort, a balancer's address or an externalIP (ServicePort.ExternallyAccessible)."""
    state = flow.state
    return bool(state.node_port or state.external_ips or (state.load_balancer_ip and not proxied(flow)))


def proxied(flow: Flow) -> bool:
    """The balancer's address has ipMode Proxy, and kube-proxy honours it."""
    return flow.state.load_balancer_ip_mode == "Proxy" and upstream.BALANCER_IP_MODE.is_in(flow.version)


def leads_to_balancer(flow: Flow) -> bool:
    """A balancer's address that kube-proxy does not serve: the API tells a hostname only, or ipMode Proxy."""
    if flow.kind is not FrontendKind.LOAD_BALANCER:
        return False
    return flow.state.load_balancer_ip is None or proxied(flow)


def bound(flow: Flow) -> bool:
    """In ipvs mode, an address that kube-ipvs0 has on every node: ClusterIP, VIP of a balancer, externalIP."""
    return flow.kind in {FrontendKind.CLUSTER_IP, FrontendKind.LOAD_BALANCER, FrontendKind.EXTERNAL_IP} and (
        not leads_to_balancer(flow)
    )
