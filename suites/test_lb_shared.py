"""One address of the load balancer for several Services, on different ports, asked from outside the cluster."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells

# The load balancer's address at the port of a Service with endpoints, asked by hosts outside the cluster.
FROM_OUTSIDE = {
    "frontend": "loadbalancer",
    "declared": True,
    "endpoints": True,
    "vantage": "external",
    "registers": "endpoints",
    "served_outside": True,
    "source_ranges": False,
    "internal_policy": "Cluster",
}


@judge_cells(Facet.REACHABILITY, **FROM_OUTSIDE, shared_address=True, expects="ok")
def test_each_service_answers_at_its_own_port() -> None:
    """Services that share an address each answer a host outside at their own port."""


@judge_cells(Facet.BACKENDS, **FROM_OUTSIDE, shared_address=True, spreads=True, expects="ok from-all")
def test_each_service_answers_with_its_own_backends() -> None:
    """At a shared address the port decides which Service's endpoints answer."""
