"""Names of Services in the cluster's DNS: asked by name, a Service answers as at its ClusterIP.

Only topologies that declare `cluster_dns` have these cells.
"""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells
from suites.test_clusterip import CLUSTER_IP

BY_NAME = {**CLUSTER_IP, "frontend": "dnsname"}


@judge_cells(Facet.REACHABILITY, **BY_NAME, vantage=("pod", "backend"), expects="ok")
def test_a_pod_reaches_a_service_by_its_name() -> None:
    """A pod is answered if it asks for a Service with endpoints by its DNS name."""


@judge_cells(Facet.BACKENDS, **BY_NAME, vantage=("pod", "backend"), expects="ok from-all")
def test_a_name_spreads_a_pods_connections_over_all_endpoints() -> None:
    """Every endpoint of the Service answers a pod that asks by name."""


@judge_cells(
    Facet.SOURCE,
    **BY_NAME,
    vantage="pod",
    masquerade_all=False,
    detect_local=("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
    expects="ok kept",
)
def test_a_name_keeps_the_address_of_a_pod() -> None:
    """A backend sees the own address of a pod that asks by name, if kube-proxy can detect pod traffic."""


@judge_cells(Facet.AFFINITY, **BY_NAME, vantage=("pod", "backend"), affinity="ClientIP", expects="ok from-one")
def test_a_sticky_service_keeps_a_client_that_asks_by_name() -> None:
    """With sessionAffinity: ClientIP all connections of one client by name reach one backend."""
