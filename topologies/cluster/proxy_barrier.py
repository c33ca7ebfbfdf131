"""Check through the datapath whether every kube-proxy has applied all changes up to a moment.

kube-proxy's healthz is no evidence. It answers 200 with `lastUpdated` = `currentTime` also while changes are queued and
not yet late (pkg/proxy/healthcheck/proxier_health.go: isHealthy), and knows of no change that has not reached it. So
when everything else exists, a Service is created: a *mark*, of type NodePort, with an endpoint that is already Ready. A
watch delivers changes in order, so a node that answers there has all earlier changes. The API server sends the request,
as it does to a kubelet: no pod is needed.

iptables and nftables apply everything in one transaction. IPVS applies one Service after the other, so that a mark may
answer before its round is over. There a second mark is created, which the next round applies; rounds do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.cluster import manifests
from topologies.common.threads import run_all
from topologies.schema.enums import EndpointState, ProxyMode
from topologies.schema.facts import any_node_may_have, unknown_at

if TYPE_CHECKING:
    from topologies.cluster.client import Cluster
    from topologies.schema.topology import Backend, Node

NODES_AT_ONCE = 8  # requests: a node that does not answer takes HEALTH_TIMEOUT, and the client keeps 5 a processor


@dataclass
class Settled:
    """A check for one run, called until it returns an empty string; ClusterError if a mark is refused.

    Returns an empty string at once if no backend is declared, or no node serves NodePorts at its own address.
    `first`: the number of the first mark, where others were made before. `lost`: pods that will never be Ready, which
    are no endpoint of a mark.
    """

    cluster: Cluster
    first: int = 1
    lost: frozenset[str] = frozenset()
    port: int = 0
    late: list[str] = field(default_factory=list)
    made: int = 0

    def __call__(self) -> str:
        """Return an empty string if every node answers at the last mark, else the nodes that do not."""
        if not self.nodes:
            return ""
        if not self.late and self.made < self.marks:
            self.mark()
        self.late = self._unanswered(self.late)
        if self.late:
            late = map(self.cluster.topology.full_node_name, self.late)
            return f"the newest Service, NodePort {self.port}, is not yet answered by {', '.join(late)}"
        return "" if self.made == self.marks else "one more Service is to be answered"

    def _unanswered(self, nodes: list[str]) -> list[str]:
        """Return the nodes that do not answer at the newest mark, in the given order; several are asked at a time."""
        answered: set[str] = set()

        def check(node: str) -> None:
            if self.cluster.healthy(node, self.port):
                answered.add(node)

        run_all(check, nodes, NODES_AT_ONCE)
        return [node for node in nodes if node not in answered]

    def mark(self) -> None:
        """Create the next mark, which no node has answered yet."""
        number = self.first + self.made
        self.made += 1
        backend = self.backends[0]
        made = manifests.mark(backend, self.cluster.run, number, self.cluster.ports.get(backend.name))
        self.port = self.cluster.expose(made)
        self.late = self.nodes

    @property
    def marks(self) -> int:
        """The number of marks that are needed."""
        return 2 if any_node_may_have(self.cluster.topology, "proxy.mode", ProxyMode.IPVS) else 1

    @property
    def backends(self) -> list[Backend]:
        """The backends that may be the endpoint of a mark; one that shares its `app` with a lost one would do too.

        Those that are declared ready come first.
        """
        found = [one for one in self.cluster.topology.workload.backends if one.name not in self.lost]
        return sorted(found, key=lambda one: one.state is not EndpointState.READY)

    @property
    def nodes(self) -> list[str]:
        """The nodes that can be asked. No NodePort of a node without Linux is planned, so it is not waited for."""
        nodes = self.cluster.topology.nodes if self.backends else ()
        return [node.name for node in nodes if node.is_linux and self._serves_primary(node)]

    def _serves_primary(self, node: Node) -> bool:
        """Return whether the node serves NodePorts at its InternalIP. If that is unknown, it is not asked."""
        topology = self.cluster.topology
        if unknown_at(topology, node.name, "proxy.node_port_addresses"):
            return False
        served = () if topology.proxy_of(node.name).names_primary else topology.node_port_networks_of(node.name)
        return not served or any(node.address in network for network in served)
