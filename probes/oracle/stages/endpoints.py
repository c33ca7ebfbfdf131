"""Which endpoints kube-proxy counts: ready ones, and from 1.26 those that still serve while terminating if none is."""

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
    """With no ready endpoint in reach, endpoints that are terminating and still serving are used."""
    if any(endpoint.ready for endpoint in flow.candidates):
        return None
    return tuple(endpoint for endpoint in flow.candidates if endpoint.serving and endpoint.terminating) or None


@rule(
    "E2",
    "pkg/proxy/topology.go FilterEndpoints (<= 1.23), CategorizeEndpoints (>= 1.24)",
)
def ready_only(flow: Flow) -> Endpoints:
    """Only ready endpoints get traffic."""
    return tuple(endpoint for endpoint in flow.candidates if endpoint.ready)


READINESS: tuple[Rule[Endpoints], ...] = (serving_while_terminating, ready_only)


def pooled(flow: Flow, pool: Pool) -> Endpoints:
    """The usable endpoints of a pool, as the processing node counts them."""
    near = flow.packet.node
    among = tuple(one for one in flow.state.endpoints if pool is Pool.ALL or one.node == near)
    return decide(READINESS, replace(flow, candidates=among)).value


def anywhere(flow: Flow) -> bool:
    """Whether the Service has a usable endpoint on any node."""
    return bool(pooled(flow, Pool.ALL))


def here(flow: Flow) -> bool:
    """Whether the processing node has a usable endpoint of its own."""
    return bool(pooled(flow, Pool.LOCAL))
