"""Every cell and facet that no other suite makes a promise about: judged by the rules of its kube-proxy's mode alone.

The other suites promise one answer for each of their cells. Here the answer depends on the mode, the version, the pod
network or the load balancer. `expected` and `because` in the account of a failure name the answer and its rules.
"""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells


@judge_cells(Facet.REACHABILITY)
def test_reachability_is_as_the_rules_say() -> None:
    """The client is answered, refused or times out as the rules of its mode predict."""


@judge_cells(Facet.SOURCE, frontend=("endpoint", "externalip"))
def test_the_source_at_an_echo_pod_or_an_external_ip_is_as_the_rules_say() -> None:
    """At an echo pod or an externalIP a backend sees the source address that the rules of its mode predict."""


@judge_cells(Facet.SOURCE, frontend=("clusterip", "dnsname", "nodeport"), endpoints=True)
def test_the_source_at_a_cluster_ip_or_a_node_port_is_as_the_rules_say() -> None:
    """At a ClusterIP (by address or name) or a NodePort a backend sees the source address that the rules predict."""


@judge_cells(Facet.SOURCE, frontend="loadbalancer", declared=True, endpoints=True)
def test_the_source_at_a_load_balancer_is_as_the_rules_say() -> None:
    """At a load balancer's address a backend sees the source address that the rules of its mode predict."""


@judge_cells(
    Facet.SOURCE, frontend="loadbalancer", declared=True, endpoints=False, inside=True, status=("hostname", "proxy")
)
def test_the_source_at_a_passed_through_load_balancer_is_as_the_rules_say() -> None:
    """At a load balancer that passes no address to kube-proxy, no client address is seen without endpoints."""


@judge_cells(Facet.SOURCE, frontend="loadbalancer", declared=False, listener=("none", "own"))
def test_the_source_at_an_undeclared_port_is_as_the_rules_say() -> None:
    """At a port that no Service declares, the process that answers sees the source address that the rules predict."""


@judge_cells(Facet.BACKENDS, frontend=("clusterip", "dnsname", "nodeport", "externalip"), endpoints=True)
def test_the_backends_of_a_service_are_as_the_rules_say() -> None:
    """The backends that the rules of its mode choose answer, and no others."""


@judge_cells(Facet.BACKENDS, frontend="loadbalancer", declared=True, endpoints=True)
def test_the_backends_of_a_load_balancer_are_as_the_rules_say() -> None:
    """At a load balancer's address the backends that the rules of its mode choose answer, and no others."""


@judge_cells(Facet.BACKENDS, frontend="loadbalancer", listener=("own", "leads"), endpoints=True)
def test_the_backends_of_a_listener_are_as_the_rules_say() -> None:
    """At a listener that no Service declares, exactly the listener or backends of the rules answer."""


@judge_cells(Facet.BACKENDS, endpoints=False)
def test_who_answers_without_endpoints_is_as_the_rules_say() -> None:
    """At a Service without endpoints only what the rules of its mode predict answers."""


@judge_cells(Facet.AFFINITY, affinity="ClientIP")
def test_affinity_is_as_the_rules_say() -> None:
    """With sessionAffinity: ClientIP one client reaches one backend if the rules of its mode predict it."""


@judge_cells(Facet.SHARES, frontend="loadbalancer", inside=True, status=("hostname", "proxy"))
def test_shares_at_a_passed_through_load_balancer_are_as_the_rules_say() -> None:
    """A client inside is answered as often as the shares of the load balancer's choices predict."""


@judge_cells(Facet.SHARES, frontend="loadbalancer", inside=True, status="ip", listener="leads", excludes=False)
def test_shares_at_a_port_range_are_as_the_rules_say() -> None:
    """At a port range a client inside is answered as often as the shares of the load balancer's choices predict."""
