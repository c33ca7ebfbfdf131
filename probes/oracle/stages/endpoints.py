"""Rules for usable endpoints: ready ones, or from 1.26 on serving and terminating ones if none is ready."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import EndpointPool
from probes.oracle.rule import Decision, Rule, decide, rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.connection import Connection, Selection
    from topologies.cluster_state.snapshot import Endpoint

Endpoints = tuple["Endpoint", ...]


@rule(
    "E1",
    "KEP-1669 (ProxyTerminatingEndpoints, beta 1.26); pkg/proxy/topology.go CategorizeEndpoints; "
    'docs/observations.md "Terminating endpoints"',
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
    return _decide_readiness(conn, pool).value


def _decide_readiness(conn: Connection, pool: EndpointPool) -> Decision[Endpoints]:
    near = conn.packet.node
    among = tuple(one for one in conn.state.endpoints if pool is EndpointPool.ALL or one.node == near)
    return decide(conn.chains.readiness, replace(conn, candidates=among))


def list_readiness(conn: Connection, selection: Selection) -> tuple[Decision[Endpoints], ...]:
    """Return the decision about endpoints that are not ready, if the selection depends on it. Else return nothing.

    A refusal depends on it if the selection is another one without these endpoints, or with ready ones in their place.
    """
    if all(endpoint.ready for endpoint in conn.state.endpoints):
        return ()
    if isinstance(selection, EndpointPool):
        decision = _decide_readiness(conn, selection)
        return () if all(endpoint.ready for endpoint in decision.connection.candidates) else (decision,)
    if _select_among(conn, (one for one in conn.state.endpoints if one.ready)) != selection:
        return (_decide_readiness(conn, EndpointPool.ALL),)
    if _select_among(conn, (replace(one, ready=True) for one in conn.state.endpoints)) != selection:
        return (_decide_readiness(conn, EndpointPool.LOCAL if has_endpoint(conn) else EndpointPool.ALL),)
    return ()


def _select_among(conn: Connection, endpoints: Iterable[Endpoint]) -> Selection:
    """Return what kube-proxy would select if the Service had these endpoints."""
    return decide(conn.chains.pool, replace(conn, state=replace(conn.state, endpoints=tuple(endpoints)))).value


def has_endpoint(conn: Connection) -> bool:
    """Return whether the Service has a usable endpoint on any node."""
    return bool(usable_endpoints(conn, EndpointPool.ALL))


def has_local_endpoint(conn: Connection) -> bool:
    """Return whether the processing node has a usable node-local endpoint."""
    return bool(usable_endpoints(conn, EndpointPool.LOCAL))
