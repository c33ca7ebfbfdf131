"""Rules for usable endpoints: ready ones, or from 1.26 on serving and terminating ones if none is ready."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Pool
from probes.oracle.rule import Rule, decide, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from topologies.cluster_state.snapshot import Endpoint

Endpoints = tuple["Endpoint", ...]


@rule(
    "E1",
    "KEP-1669 (ProxyTerminatingEndpoints, beta 1.26); pkg/proxy/topology.go CategorizeEndpoints",
    since=upstream.TERMINATING_ENDPOINTS,
)
def serving_while_terminating(flow: Flow) -> Endpoints | None:
    """If no endpoint in the pool is ready, kube-proxy uses endpoints that are terminating and still serving."""
    if any(endpoint.ready for endpoint in flow.candidates):
        return None
    return tuple(endpoint for endpoint in flow.candidates if endpoint.serving and endpoint.terminating) or None


@rule(
    "E2",
    "pkg/proxy/topology.go FilterEndpoints (<= 1.23), CategorizeEndpoints (>= 1.24)",
)
def ready_only(flow: Flow) -> Endpoints:
    """kube-proxy sends traffic only to ready endpoints."""
    return tuple(endpoint for endpoint in flow.candidates if endpoint.ready)


READINESS: tuple[Rule[Endpoints], ...] = (serving_while_terminating, ready_only)


def pooled(flow: Flow, pool: Pool) -> Endpoints:
    """Return the usable endpoints of a pool on the processing node."""
    near = flow.packet.node
    among = tuple(one for one in flow.state.endpoints if pool is Pool.ALL or one.node == near)
    return decide(flow.world.chains.readiness, replace(flow, candidates=among)).value


def anywhere(flow: Flow) -> bool:
    """Return whether the Service has a usable endpoint on any node."""
    return bool(pooled(flow, Pool.ALL))


def here(flow: Flow) -> bool:
    """Return whether the processing node has a usable node-local endpoint."""
    return bool(pooled(flow, Pool.LOCAL))
