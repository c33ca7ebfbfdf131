"""All single changes that are tried: every fact at every place, every known fault, every rule that decided."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from probes.diagnosis.change import FactChange
from probes.diagnosis.faults import MissingEndpoint, NoRules, OtherPolicy
from probes.diagnosis.masquerade_faults import NoMark, NoMasquerade, NoPodInClusterCidr
from probes.diagnosis.network_faults import CutOff, LeftOutByBalancer, OnlyTarget, PodNetworkDown
from probes.diagnosis.packet_drops import Affected, DroppedConnections, SilentBackend, SilentClient
from probes.diagnosis.rule_change import RuleChanged
from probes.observation import Outcome
from topologies.frontends import FrontendKind
from topologies.schema import facts
from topologies.schema.enums import LoadBalancerKind, ServiceType, VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.reads import CellReads
    from topologies.schema.facts import Fact
    from topologies.schema.topology import Topology

BY_SERVICE = (None, FrontendKind.CLUSTER_IP, FrontendKind.NODE_PORT, FrontendKind.LOAD_BALANCER)


def list_candidates(topology: Topology, reads: Iterable[CellReads]) -> tuple[ClusterChange, ...]:
    """Return every single change that may explain cells with these reads, the likeliest kinds first."""
    nodes = sorted({node for one in reads for node in one.nodes} & topology.nodes_by_name.keys())
    services = sorted({service for one in reads for service in one.services})
    decisions = sorted({decision for one in reads for decision in one.decisions})
    return (
        *_facts(topology, [""]),
        *_faults(topology, nodes),
        *_facts(topology, nodes),
        *_service_faults(topology, nodes, services),
        *_drops(nodes, [name for name in services if topology.service(name).type is not ServiceType.CLUSTER_IP]),
        *_pod_faults(topology, nodes),
        *_rules([(rule, node) for rule, node in decisions if node in {"", *nodes}]),
    )


def _facts(topology: Topology, nodes: list[str]) -> Iterator[ClusterChange]:
    """Yield the facts of these nodes; of an empty name those of the cluster and the balancer."""
    for fact in facts.FACTS:
        for node in nodes:
            if (fact.scope is facts.Scope.NODE or not node) and (node or fact.path not in facts.ONLY_AT_NODES):
                yield from _values(topology, fact, facts.join(node, fact.path))


def _values(topology: Topology, fact: Fact, path: str) -> Iterator[ClusterChange]:
    """Yield each other value of a fact that is known; an unknown one may have any value already."""
    node, own = facts.split(path)
    if facts.unknown_at(topology, node, own):
        return
    now = facts.value(topology, path)
    for value in facts.candidates(topology, fact.path):
        if value != now:
            yield FactChange(path, value, now)


def _faults(topology: Topology, nodes: list[str]) -> Iterator[ClusterChange]:
    balanced = topology.load_balancer.kind is not LoadBalancerKind.NONE
    yield NoPodInClusterCidr()
    for node in nodes:
        yield NoRules(node)
        yield NoMasquerade(node)
        yield NoMark(node)
        yield NoPodInClusterCidr(node)
        yield CutOff(node)
        yield PodNetworkDown(node)
        yield from (MissingEndpoint(node, backend.name) for backend in topology.workload.backends)
        if balanced:
            yield LeftOutByBalancer(node)
    if balanced:
        yield from map(OnlyTarget, sorted({*nodes, *(backend.node for backend in topology.workload.backends)}))


def _service_faults(topology: Topology, nodes: list[str], services: list[str]) -> Iterator[ClusterChange]:
    for service in services:
        exposed = topology.service(service).type is not ServiceType.CLUSTER_IP
        for node in ["", *nodes]:
            yield OtherPolicy(node, service, internal=True)
            if exposed:
                yield OtherPolicy(node, service)
        for node in nodes:
            yield from (NoRules(node, service, kind) for kind in BY_SERVICE)


def _drops(nodes: list[str], exposed: list[str]) -> Iterator[ClusterChange]:
    for node in nodes:
        yield DroppedConnections(node)
        for service in ["", *exposed]:
            yield from (DroppedConnections(node, service, FrontendKind.NODE_PORT, clients) for clients in Affected)
    for service in ["", *exposed]:
        for clients in (Affected.INCOMING, Affected.OUTSIDE):
            yield DroppedConnections("", service, FrontendKind.NODE_PORT, clients)


def _pod_faults(topology: Topology, nodes: list[str]) -> Iterator[ClusterChange]:
    """Yield the faults of echo pods, of client pods, and of the way between two nodes."""
    for backend in topology.workload.backends:
        yield MissingEndpoint("", backend.name)
        if backend.node in nodes:
            yield SilentBackend(backend.node, backend.name)
            yield SilentBackend(backend.node, backend.name, Outcome.REFUSED)
            yield SilentBackend(backend.node, backend.name, within_node=True)
    for vantage in topology.workload.vantages:
        if vantage.kind is VantageKind.POD and vantage.node in nodes:
            yield SilentClient(vantage.node, vantage.name)
    yield from (PodNetworkDown(one, other) for one, other in combinations(nodes, 2))


def _rules(decisions: list[tuple[str, str]]) -> Iterator[ClusterChange]:
    yield from (RuleChanged("", rule) for rule in sorted({rule for rule, _ in decisions}))
    yield from (RuleChanged(node, rule) for rule, node in decisions if node)
