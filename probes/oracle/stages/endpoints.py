"""Rules for usable endpoints: ready ones, or from 1.26 on serving and terminating ones if none is ready."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import EndpointPool
from probes.oracle.rule import Rule, decide, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.cluster_state.snapshot import Endpoint

Endpoints = tuple["Endpoint", ...]


@rule(
    "E1",
    "KEP-1669 (ProxyTerminatingEndpoints, beta 1.26); pkg/proxy/topology.go CategorizeEndpoints",
    since=upstream.TERMINATING_ENDPOINTS,
)
def serving_while_terminating(conn: Connection) -> Endpoints | None:
    """If no endpoint in the pool is ready, kube-proxy uses endpoints that are terminating and still serving."""
    if any(endpoint.ready for endpoint in conn.candidates):
        return None
    return tuple(endpoint for endpoint in conn.candidates if endpoint.serving and endpoint.terminating) or None


@rule(
    "E2",
    "pkg/proxy/topology.go FilterEndpoints (<= 1.23), CategorizeEndpoints (>= 1.24)",
)
def ready_only(conn: Connection) -> Endpoints:
    """kube-proxy sends traffic only to ready endpoints."""
    return tuple(endpoint for endpoint in conn.candidates if endpoint.ready)


READINESS: tuple[Rule[Endpoints], ...] = (serving_while_terminating, ready_only)


def usable_endpoints(conn: Connection, pool: EndpointPool) -> Endpoints:
    """Return the usable endpoints of a pool on the processing node."""
    near = conn.packet.node
    among = tuple(one for one in conn.state.endpoints if pool is EndpointPool.ALL or one.node == near)
    return decide(conn.chains.readiness, replace(conn, candidates=among)).value


def has_endpoint(conn: Connection) -> bool:
    """Return whether the Service has a usable endpoint on any node."""
    return bool(usable_endpoints(conn, EndpointPool.ALL))


def has_local_endpoint(conn: Connection) -> bool:
    """Return whether the processing node has a usable node-local endpoint."""
    return bool(usable_endpoints(conn, EndpointPool.LOCAL))
