"""The nodes, clients and backends of the scenarios of a run, as a topology that can be deployed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.selecting import FEATURES
from probes.contract.sources import Level
from probes.scenarios.catalogue.common import WEB as STEADY
from probes.scenarios.model import SPARE_APP, AddressKind, Asked, Backing, Check
from topologies.schema.default_workload import short_names
from topologies.schema.enums import VantageKind
from topologies.schema.workload import Backend, Service, Vantage, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.scenarios.model import ContractScenario
    from topologies.schema.topology import Node, Topology

NODES_MAX = 4


@dataclass(frozen=True)
class Stage:
    """What the steps of scenarios are made of.

    `topology`: the declared cluster with the scenarios' workload. `backings`: its backends by name.
    """

    topology: Topology
    nodes: tuple[str, ...]
    backings: dict[str, Backing] = field(default_factory=dict)

    @classmethod
    def build(cls, topology: Topology, scenarios: Iterable[ContractScenario]) -> Stage:
        """Return the stage of these scenarios in a declared cluster."""
        chosen, nodes = tuple(scenarios), tuple(node.name for node in _nodes(topology))
        used = (*STEADY, *(one for scenario in chosen for one in scenario.backings))
        backings = {one.name: one for one in used}
        second = nodes[1:2] or nodes
        backends = tuple(
            Backend(
                name=one.name,
                app=SPARE_APP if one.spare else one.app,
                node=second[0] if one.second else nodes[0],
                port=one.port,
            )
            for one in backings.values()
        )
        services = tuple(Service.model_validate(one) for scenario in chosen for one in scenario.services)
        workload = Workload(backends=backends, services=services, vantages=tuple(_vantages(topology, nodes)))
        balancer = topology.load_balancer.model_copy(update={"listeners": ()})
        changed = {"workload": workload, "load_balancer": balancer, "deviations": ()}
        return cls(topology.model_copy(update=changed), nodes, backings)

    @property
    def first(self) -> str:
        """The node with the first backend of every Service."""
        return self.nodes[0]

    @property
    def second(self) -> str:
        """The node with the second backend."""
        return self.nodes[1]

    @cached_property
    def pods(self) -> tuple[Vantage, ...]:
        """The clients on the pod network, one a node."""
        return self._clients(VantageKind.POD)

    @cached_property
    def hosts(self) -> tuple[Vantage, ...]:
        """The clients on the nodes' own network."""
        return self._clients(VantageKind.NODE, VantageKind.SSH)

    @cached_property
    def outside(self) -> tuple[Vantage, ...]:
        """The clients outside the cluster."""
        return self._clients(VantageKind.EXTERNAL)

    def _clients(self, *kinds: VantageKind) -> tuple[Vantage, ...]:
        return tuple(one for one in self.topology.workload.vantages if one.kind in kinds)

    def at_cluster_ip(self, row: str, clients: Iterable[Vantage], service: str, promise: str) -> tuple[Check, ...]:
        """Return a check of each client at the ClusterIP of a Service."""
        return tuple(Check(row, one, Asked(service, AddressKind.CLUSTER_IP), promise) for one in clients)

    def at_own_node(self, row: str, clients: Iterable[Vantage], service: str, promise: str) -> tuple[Check, ...]:
        """Return a check of each client inside at the NodePort of its own node."""
        return tuple(
            Check(row, one, Asked(service, AddressKind.NODE_PORT, one.node or self.first), promise) for one in clients
        )

    def at_nodes(
        self, row: str, clients: Iterable[Vantage], service: str, nodes: Iterable[str], promise: str
    ) -> tuple[Check, ...]:
        """Return a check of each client at the NodePort of each of these nodes."""
        names = tuple(nodes)
        return tuple(
            Check(row, one, Asked(service, AddressKind.NODE_PORT, node), promise) for one in clients for node in names
        )

    def at_balancer(self, row: str, clients: Iterable[Vantage], service: str, promise: str) -> tuple[Check, ...]:
        """Return a check of each client at the load balancer IP of a Service."""
        return tuple(Check(row, one, Asked(service, AddressKind.LOAD_BALANCER), promise) for one in clients)

    def at_health_ports(self, row: str, service: str, nodes: Iterable[str], promise: str) -> tuple[Check, ...]:
        """Return a check of each node's healthCheckNodePort by a process of that node."""
        wanted = frozenset(nodes)
        hosts = {one.node: one for one in reversed(self.hosts) if one.node in wanted}
        return tuple(
            Check(row, hosts[node], Asked(service, AddressKind.HEALTH_CHECK, node), promise)
            for node in self.nodes
            if node in hosts
        )

    def why_not(self, scenario: ContractScenario) -> str:
        """Return what the cluster lacks for a scenario, or an empty string."""
        lacks = [str(one) for one in scenario.features if not FEATURES[one](self.topology)]
        if lacks:
            return f"the cluster lacks {', '.join(lacks)}"
        if len(self.nodes) < scenario.nodes:
            return f"it needs {scenario.nodes} nodes, and pods can run on {len(self.nodes)}"
        if scenario.since and self.topology.kubernetes < scenario.since:
            return f"it needs Kubernetes {scenario.since} or newer, and this is {self.topology.kubernetes}"
        return self._unpromised(scenario)

    def _unpromised(self, scenario: ContractScenario) -> str:
        rows = {check.row_id: check.row for step in scenario.steps(self) for check in step.checks}
        version = self.topology.proxy_version
        levels = {one.level_at(version) for one in rows.values()}
        return "" if levels - {Level.UNSPECIFIED} else f"Kubernetes {version} promises none of its rows"


def _nodes(topology: Topology) -> list[Node]:
    """Return the nodes that scenarios use, at most NODES_MAX: those of the declared workload first."""
    workload = topology.workload
    used = {one.node for one in workload.backends} | {one.node for one in workload.vantages}
    able = [one for one in topology.nodes if not topology.why_no_pods_on(one)]
    return sorted(able, key=lambda one: one.name not in used)[:NODES_MAX]


def _vantages(topology: Topology, nodes: tuple[str, ...]) -> Iterator[Vantage]:
    """Yield a pod and a hostNetwork pod on each node, and the declared clients by SSH and outside."""
    short = short_names(list(nodes), "n")
    for node in nodes:
        yield Vantage(name=f"pod-{short[node]}", kind=VantageKind.POD, node=node)
        yield Vantage(name=f"host-{short[node]}", kind=VantageKind.NODE, node=node)
    for one in topology.workload.vantages:
        if one.kind is VantageKind.EXTERNAL or (one.kind is VantageKind.SSH and one.node in nodes):
            yield one
