"""When every kube-proxy is up to date: it answers at a Service that was made last."""

from __future__ import annotations

import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, cast

from topologies.cluster.proxy_barrier import Settled
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.cluster.client import Cluster
    from topologies.schema.topology import Topology

IPTABLES, IPVS = load("lab-small"), load("lab-ipvs-flannel")


class FakeCluster:
    """Gives NodePorts from 30001 on; a node answers at those it `knows`."""

    run = "ab12"

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.knows: dict[str, set[int]] = {node.name: set() for node in topology.nodes}
        self.made: list[dict[str, Any]] = []
        self.ports: dict[str, int] = {}

    def expose(self, service: dict[str, Any]) -> int:
        self.made.append(service)
        return 30000 + len(self.made)

    def healthy(self, node: str, port: int) -> bool:
        return port in self.knows[node]

    def write(self, *nodes: str) -> None:
        for node in nodes or self.knows:
            self.knows[node] = {30000 + number + 1 for number in range(len(self.made))}


def settled_of(cluster: FakeCluster, first: int = 1) -> Settled:
    """Return the barrier over the fake. It uses only what the fake has."""
    return Settled(cast("Cluster", cluster), first=first)


def test_every_node_has_to_answer_at_the_mark() -> None:
    cluster = FakeCluster(IPTABLES)
    settled = settled_of(cluster)

    assert settled() == "the newest Service, NodePort 30001, is not yet answered by n1, n2"
    cluster.write("n1")
    assert settled().endswith("answered by n2")
    cluster.write("n2")
    assert settled() == ""
    assert settled() == ""
    assert len(cluster.made) == 1


def test_ipvs_needs_a_second_mark_since_it_writes_one_service_after_the_other() -> None:
    cluster = FakeCluster(IPVS)
    settled = settled_of(cluster)
    settled()
    cluster.write()

    assert settled() == "one more Service is to be answered"
    assert settled().startswith("the newest Service, NodePort 30002")
    cluster.write()
    assert settled() == ""
    assert [mark["metadata"]["name"] for mark in cluster.made] == ["settled-1", "settled-2"]


def test_a_mark_leads_to_a_backend_and_goes_with_the_run() -> None:
    cluster = FakeCluster(IPTABLES)
    settled_of(cluster, first=7)()

    [mark] = cluster.made
    assert mark["metadata"]["name"] == "settled-7"
    assert mark["metadata"]["labels"]["hairpin/run"] == "ab12"
    app = IPTABLES.workload.backends[0].app
    assert mark["spec"]["selector"] == {"hairpin/app": app, "hairpin/run": "ab12"}  # not the pods of another run


def test_nodes_that_serve_no_node_port_at_their_own_address_are_not_asked() -> None:
    proxy = IPTABLES.proxy.model_copy(update={"node_port_addresses": (IPv4Network("198.18.77.0/24"),)})
    cluster = FakeCluster(IPTABLES.model_copy(update={"proxy": proxy}))

    assert settled_of(cluster)() == ""
    assert not cluster.made


def test_a_windows_node_is_not_waited_for() -> None:
    n1, n2 = IPTABLES.nodes
    windows = n2.model_copy(update={"name": "n3", "os": "windows"})
    cluster = FakeCluster(IPTABLES.model_copy(update={"nodes": (n1, n2, windows)}))

    assert settled_of(cluster).nodes == ["n1", "n2"]


def test_every_node_that_serves_its_internal_address_alone_is_asked() -> None:
    proxy = IPTABLES.proxy.model_copy(update={"node_port_addresses": ("primary",)})
    topology = IPTABLES.model_copy(update={"proxy": proxy})

    assert settled_of(FakeCluster(topology)).nodes == [node.name for node in topology.nodes]


def test_nodes_are_asked_at_the_same_time() -> None:
    """One node after the other took HEALTH_TIMEOUT for each node that did not answer yet."""
    both = threading.Barrier(2)

    class Meets(FakeCluster):
        def healthy(self, node: str, port: int) -> bool:
            both.wait(5)
            return super().healthy(node, port)

    cluster = Meets(IPTABLES)

    assert settled_of(cluster)().endswith("answered by n1, n2")
