"""Listeners of the load balancer that no Service here declares, asked from outside the cluster."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells


@judge_cells(Facet.REACHABILITY, frontend="loadbalancer", listener="own", vantage="external", expects="ok")
def test_a_foreign_listener_answers_an_outside_client() -> None:
    """A listener of an Ingress or of another cluster answers a host outside."""


@judge_cells(Facet.SOURCE, frontend="loadbalancer", listener="own", vantage="external", expects="ok kept")
def test_a_foreign_listener_sees_the_outside_client() -> None:
    """A listener of an Ingress or of another cluster sees the own address of the host outside."""


@judge_cells(
    Facet.REACHABILITY,
    frontend="loadbalancer",
    listener="leads",
    vantage="external",
    internal_policy="Cluster",
    expects="ok",
)
def test_a_port_range_answers_an_outside_client() -> None:
    """The ports of a range beyond the Service's own port answer a host outside."""


@judge_cells(
    Facet.BACKENDS,
    frontend="loadbalancer",
    listener="leads",
    vantage="external",
    internal_policy="Cluster",
    expects="ok from-all",
)
def test_a_port_range_leads_to_all_backends_of_its_service() -> None:
    """At every port of a range the endpoints of its Service answer a host outside."""
