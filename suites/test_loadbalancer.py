"""The load balancer's address, asked from outside the cluster."""

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
# Its address at a port that no Service declares, asked by hosts outside the cluster.
UNDECLARED = {"frontend": "loadbalancer", "declared": False, "listener": "none", "vantage": "external"}


@judge_cells(Facet.REACHABILITY, **FROM_OUTSIDE, expects="ok")
def test_a_load_balancer_answers_an_outside_client() -> None:
    """A host outside is answered at the load balancer's address of a Service that has endpoints."""


@judge_cells(Facet.BACKENDS, **FROM_OUTSIDE, spreads=True, expects="ok from-all")
def test_a_load_balancer_reaches_all_endpoints() -> None:
    """Every endpoint of the Service answers a host outside at the load balancer's address."""


@judge_cells(Facet.BACKENDS, **FROM_OUTSIDE, spreads=False, policy="Cluster", expects="ok from-all")
def test_one_node_leads_to_all_endpoints() -> None:
    """With externalTrafficPolicy: Cluster the one node that has the address leads a host outside to every endpoint."""


@judge_cells(
    Facet.SOURCE,
    **FROM_OUTSIDE,
    policy="Cluster",
    host_network=False,
    arrives_at=("node-port", "address"),
    expects="ok node",
)
def test_a_cluster_load_balancer_shows_a_node_to_the_backend() -> None:
    """With externalTrafficPolicy: Cluster a backend sees an address of the node that took the connection."""


@judge_cells(Facet.SOURCE, **FROM_OUTSIDE, policy="Local", keeps_client=True, expects="ok kept")
def test_a_local_load_balancer_keeps_the_outside_client() -> None:
    """With externalTrafficPolicy: Local a load balancer that keeps clients shows the outside host's own address."""


@judge_cells(Facet.REACHABILITY, **UNDECLARED, listens=True, expects="ok")
def test_an_undeclared_port_is_answered_by_the_balancer() -> None:
    """At a port that no Service declares, a load balancer that listens there answers a host outside."""


@judge_cells(Facet.SOURCE, **UNDECLARED, listens=True, expects="ok kept")
def test_the_balancer_sees_the_outside_client() -> None:
    """At a port that no Service declares, the load balancer sees the own address of the host outside."""


@judge_cells(Facet.REACHABILITY, **UNDECLARED, listens=False, other_ports="refuse", expects="refused")
def test_an_undeclared_port_is_refused_by_the_balancer() -> None:
    """At a port that no Service declares, a load balancer that does not listen there refuses a host outside."""
