"""NodePort at a node's primary address: who is answered, by which backends, with which source address."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells

# A NodePort of a Service with endpoints at a node's primary address, nodePortAddresses unset.
NODE_PORT = {
    "frontend": "nodeport",
    "at": "primary",
    "endpoints": True,
    "all_node_ports": True,
    "internal_policy": "Cluster",
    "usual_kernel": True,
}
FROM_ELSEWHERE = {"vantage": ("external", "node", "ssh"), "node": "other"}


@judge_cells(Facet.REACHABILITY, **NODE_PORT, policy="Cluster", vantage=("external", "node", "ssh"), expects="ok")
def test_a_cluster_node_port_answers_nodes_and_outside_hosts_on_every_node() -> None:
    """With externalTrafficPolicy: Cluster every node answers node processes and hosts outside."""


@judge_cells(Facet.REACHABILITY, **NODE_PORT, policy="Cluster", vantage=("pod", "backend"), node="own", expects="ok")
def test_a_cluster_node_port_answers_pods_on_their_own_node() -> None:
    """With externalTrafficPolicy: Cluster a pod is answered at the NodePort of its own node."""


@judge_cells(Facet.SOURCE, **NODE_PORT, policy="Cluster", host_network=False, **FROM_ELSEWHERE, expects="ok node")
def test_a_cluster_node_port_shows_a_node_to_the_backend() -> None:
    """With externalTrafficPolicy: Cluster a backend sees an address of the node that was asked, not the client's."""


@judge_cells(
    Facet.SOURCE,
    **NODE_PORT,
    policy="Cluster",
    host_network=False,
    vantage=("pod", "backend"),
    node="own",
    expects="ok node",
)
def test_a_cluster_node_port_shows_the_node_for_its_own_pods() -> None:
    """With externalTrafficPolicy: Cluster a backend sees an address of the node if a pod asks its own node."""


@judge_cells(Facet.BACKENDS, **NODE_PORT, policy="Cluster", vantage=("external", "node", "ssh"), expects="ok from-all")
def test_a_cluster_node_port_is_answered_by_all_endpoints() -> None:
    """With externalTrafficPolicy: Cluster every endpoint answers node processes and hosts outside at every node."""


@judge_cells(Facet.REACHABILITY, **NODE_PORT, policy="Local", local_endpoint=True, **FROM_ELSEWHERE, expects="ok")
def test_a_local_node_port_answers_on_a_node_with_an_endpoint() -> None:
    """With externalTrafficPolicy: Local a node with an endpoint answers other nodes and hosts outside."""


@judge_cells(Facet.SOURCE, **NODE_PORT, policy="Local", local_endpoint=True, **FROM_ELSEWHERE, expects="ok kept")
def test_a_local_node_port_keeps_the_client_address() -> None:
    """With externalTrafficPolicy: Local a backend sees the own address of another node or of a host outside."""


@judge_cells(
    Facet.BACKENDS, **NODE_PORT, policy="Local", local_endpoint=True, **FROM_ELSEWHERE, expects="ok from-local"
)
def test_a_local_node_port_is_answered_by_the_nodes_own_endpoints() -> None:
    """With externalTrafficPolicy: Local only the endpoints of the node asked answer other nodes and hosts outside."""


@judge_cells(Facet.REACHABILITY, **NODE_PORT, policy="Local", local_endpoint=True, node="own", expects="ok")
def test_a_local_node_port_answers_clients_of_a_node_with_an_endpoint() -> None:
    """With externalTrafficPolicy: Local a node with an endpoint answers its own pods and processes."""


@judge_cells(
    Facet.SOURCE, **NODE_PORT, policy="Local", local_endpoint=True, node="own", vantage="pod", expects="ok kept"
)
def test_a_local_node_port_keeps_the_address_of_the_nodes_own_pod() -> None:
    """With externalTrafficPolicy: Local a backend sees the own address of a pod that asks its own node."""


@judge_cells(
    Facet.REACHABILITY,
    **NODE_PORT,
    policy="Local",
    local_endpoint=False,
    **FROM_ELSEWHERE,
    mode=("iptables", "nftables"),
    expects="timeout",
)
def test_a_local_node_port_drops_on_a_node_without_an_endpoint() -> None:
    """With externalTrafficPolicy: Local a node without an endpoint drops what other nodes and hosts outside send."""
