"""Services without an endpoint: no backend answers, and most frontends refuse."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells


@judge_cells(Facet.BACKENDS, endpoints=False, declared=True, expects="unanswered")
def test_no_backend_answers_without_endpoints() -> None:
    """No backend answers at any frontend of a Service that has no endpoint."""


@judge_cells(Facet.REACHABILITY, frontend="clusterip", inside=True, endpoints=False, expects="refused")
def test_a_cluster_ip_without_endpoints_refuses() -> None:
    """The ClusterIP of a Service without endpoints refuses every client in the cluster."""


@judge_cells(
    Facet.REACHABILITY,
    frontend="nodeport",
    at="primary",
    endpoints=False,
    vantage=("external", "node", "ssh"),
    expects="refused",
)
def test_a_node_port_without_endpoints_refuses_nodes_and_outside_hosts() -> None:
    """The NodePort of a Service without endpoints refuses node processes and hosts outside at every node."""


@judge_cells(
    Facet.REACHABILITY,
    frontend="nodeport",
    at="primary",
    endpoints=False,
    vantage=("pod", "backend"),
    node="own",
    expects="refused",
)
def test_a_node_port_without_endpoints_refuses_pods_on_their_own_node() -> None:
    """The NodePort of a Service without endpoints refuses a pod at its own node."""


@judge_cells(
    Facet.REACHABILITY,
    frontend="loadbalancer",
    declared=True,
    endpoints=False,
    vantage="external",
    empty_pool="refuse",
    source_ranges=False,
    served_outside=True,
    expects="refused",
)
def test_a_load_balancer_without_endpoints_refuses_outside_clients() -> None:
    """A load balancer refuses a host outside at the address of a Service without endpoints."""
