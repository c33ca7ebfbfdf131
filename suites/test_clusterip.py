"""ClusterIP: clients in the cluster reach all endpoints, clients outside reach none."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells

# A ClusterIP whose endpoints are all pods of the pod network, on nodes whose kernels are set up as kubeadm requires.
CLUSTER_IP = {
    "frontend": "clusterip",
    "declared": True,
    "endpoints": True,
    "host_network": False,
    "internal_policy": "Cluster",
    "usual_kernel": True,
}


@judge_cells(Facet.REACHABILITY, **CLUSTER_IP, vantage=("pod", "backend"), expects="ok")
def test_a_pod_reaches_a_cluster_ip() -> None:
    """A pod is answered at the ClusterIP of a Service that has endpoints."""


@judge_cells(Facet.BACKENDS, **CLUSTER_IP, vantage=("pod", "backend"), expects="ok from-all")
def test_a_cluster_ip_spreads_a_pods_connections_over_all_endpoints() -> None:
    """Every endpoint of the Service answers a pod at the ClusterIP, whatever externalTrafficPolicy is."""


@judge_cells(
    Facet.SOURCE,
    **CLUSTER_IP,
    vantage="pod",
    masquerade_all=False,
    detect_local=("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
    expects="ok kept",
)
def test_a_cluster_ip_keeps_the_address_of_a_pod() -> None:
    """Behind a ClusterIP a backend sees the client pod's own address, if kube-proxy can detect pod traffic."""


@judge_cells(
    Facet.REACHABILITY,
    frontend="clusterip",
    vantage="external",
    cluster_ips_outside=False,
    expects="timeout|unreachable",
)
def test_a_cluster_ip_does_not_answer_outside_clients() -> None:
    """A ClusterIP that no node announces never answers a client outside the cluster."""


@judge_cells(
    Facet.BACKENDS,
    frontend="clusterip",
    vantage="external",
    endpoints=True,
    cluster_ips_outside=False,
    expects="unanswered",
)
def test_no_backend_answers_an_outside_client_at_a_cluster_ip() -> None:
    """No backend answers a client outside the cluster at a ClusterIP that no node announces."""


@judge_cells(Facet.AFFINITY, **CLUSTER_IP, vantage=("pod", "backend"), affinity="ClientIP", expects="ok from-one")
def test_a_sticky_cluster_ip_keeps_a_client_on_one_backend() -> None:
    """With sessionAffinity: ClientIP all connections of one client to the ClusterIP reach one backend."""
