"""The registry of facts: the settings of a node, of the cluster or of the balancer that decide how packets travel.

A fact is declared at its key, or it is unknown (`Topology.unknown`). This module has each fact's key, the place it
belongs to, and its candidates: the values that an unknown fact may have. A model has the field itself.

To add a fact: give the model a field, add a row to `FACTS`, and give `probes/oracle/environment.py` a field that reads
the fact (docs/architecture.md, "To add a fact").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from topologies.common.addresses import IPNetwork
from topologies.schema.enums import (
    AnnouncedBy,
    ArrivesAt,
    BalancerAffinity,
    DetectLocal,
    EmptyPool,
    KubeletRules,
    Masquerade,
    OtherPorts,
    PodRoutes,
    Policy,
    ProxyMode,
)
from topologies.schema.network import Kernel, Model, NodeCni, Proxy
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from topologies.schema.topology import Topology

UNKNOWN = "unknown"  # the scalar in a file
NODES = "nodes"
Candidates = tuple[object, ...]


class Scope(StrEnum):
    """The place that a fact belongs to."""

    NODE = "node"
    """A node's own. The cluster's value is the default of all nodes."""
    CLUSTER = "cluster"
    BALANCER = "balancer"


@dataclass(frozen=True, slots=True)
class Fact:
    """A setting that may be unknown."""

    path: str
    """Its key in the file, `kernel.rp_filter`. A node's own value is at `nodes.n2.kernel.rp_filter`."""
    scope: Scope
    candidates: Candidates = ()
    """The values that it may have. Empty if they are not listed: the addresses of a node's devices."""
    find_candidates: Callable[[Topology], Candidates] | None = None
    """Returns the candidates if they depend on the topology."""


VERSIONS = (  # one kube-proxy for each interval between the bounds of probes/oracle/upstream.py
    *(Version(1, 20), Version(1, 21), Version(1, 21, 13), Version(1, 22), Version(1, 22, 10), Version(1, 23)),
    *(Version(1, 23, 7), Version(1, 24), Version(1, 25), Version(1, 26), Version(1, 27, 2), Version(1, 28, 7)),
    *(Version(1, 29), Version(1, 29, 2), Version(1, 30), Version(1, 33, 6), Version(1, 36), Version(1, 37)),
)
LOOPBACK = (IPNetwork("127.0.0.0/8"),)
NO_YES = (False, True)


def _versions(topology: Topology) -> Candidates:
    """Return one version per interval. The cluster's own version stands for its interval, and is the first."""
    own = topology.kubernetes
    same = max((one for one in VERSIONS if one <= own), default=VERSIONS[0])
    return (own, *(one for one in VERSIONS if one != same))


def _node_port_addresses(topology: Topology) -> Candidates:
    """Return the usual settings: all addresses, each node's InternalIP, all network cards, the loopback interface."""
    primary = tuple(IPNetwork(node.address) for node in topology.nodes)
    second = tuple(IPNetwork(node.secondary_address) for node in topology.nodes if node.secondary_address)
    return tuple(dict.fromkeys(((), primary, primary + second, LOOPBACK)))


def _leaders(topology: Topology) -> Candidates:
    """Return the nodes: any of them may announce the load balancer's addresses."""
    return tuple(node.name for node in topology.nodes)


FACTS: tuple[Fact, ...] = (
    Fact("proxy.mode", Scope.NODE, tuple(ProxyMode)),
    Fact("proxy.version", Scope.NODE, find_candidates=_versions),
    Fact("proxy.detect_local", Scope.NODE, tuple(DetectLocal)),
    Fact("proxy.masquerade_all", Scope.NODE, NO_YES),
    Fact("proxy.node_port_addresses", Scope.NODE, find_candidates=_node_port_addresses),
    Fact("proxy.localhost_nodeports", Scope.NODE, NO_YES),
    Fact("proxy.localhost_nodeport_proxy", Scope.NODE, NO_YES),
    Fact("proxy.allow_external_ips", Scope.NODE, NO_YES),
    Fact("kernel.rp_filter", Scope.NODE, (0, 1, 2)),
    Fact("kernel.bridge_nf_call_iptables", Scope.NODE, NO_YES),
    Fact("kernel.hairpin", Scope.NODE, NO_YES),
    Fact("kernel.kubelet_rules", Scope.NODE, tuple(KubeletRules)),
    Fact("cni.masquerade", Scope.NODE, tuple(Masquerade)),
    Fact("cni.forward_policy", Scope.NODE, tuple(Policy)),
    Fact("cni.input_policy", Scope.NODE, tuple(Policy)),
    Fact("cni.bridge", Scope.CLUSTER, NO_YES),
    Fact("cni.pod_routes", Scope.CLUSTER, tuple(PodRoutes)),
    Fact("cni.anti_spoof", Scope.CLUSTER, NO_YES),
    Fact("external_routes_to_pods", Scope.CLUSTER, NO_YES),
    Fact("load_balancer.listens", Scope.BALANCER, NO_YES),
    Fact("load_balancer.empty_pool", Scope.BALANCER, tuple(EmptyPool)),
    Fact("load_balancer.other_ports", Scope.BALANCER, tuple(OtherPorts)),
    Fact("load_balancer.arrives_at", Scope.BALANCER, tuple(ArrivesAt)),
    Fact("load_balancer.announced_by", Scope.BALANCER, tuple(AnnouncedBy)),
    Fact("load_balancer.leader", Scope.BALANCER, find_candidates=_leaders),
    Fact("load_balancer.health_checks", Scope.BALANCER, NO_YES),
    Fact("load_balancer.keeps_client", Scope.BALANCER, NO_YES),
    Fact("load_balancer.masquerade_inside", Scope.BALANCER, NO_YES),
    Fact("load_balancer.excludes_source", Scope.BALANCER, NO_YES),
    Fact("load_balancer.hairpin", Scope.BALANCER, NO_YES),
    Fact("load_balancer.source_ranges", Scope.BALANCER, NO_YES),
    Fact("load_balancer.session_affinity", Scope.BALANCER, tuple(BalancerAffinity)),
    Fact("load_balancer.advertises_cluster_ips", Scope.BALANCER, NO_YES),
    Fact("pod_cidr", Scope.NODE),
    Fact("bridge_address", Scope.NODE),
    Fact("tunnel_address", Scope.NODE),
)
ONLY_AT_NODES = frozenset({"pod_cidr", "bridge_address", "tunnel_address"})  # facts without a default of the cluster
_BY_PATH = {fact.path: fact for fact in FACTS}


def split(path: str) -> tuple[str, str]:
    """Return the node (empty: none) and the fact's own path: `nodes.n2.kernel.rp_filter`, a node's name has dots."""
    if path.startswith(f"{NODES}."):
        for fact in FACTS:
            if fact.scope is Scope.NODE and path.endswith(f".{fact.path}"):
                return path.removeprefix(f"{NODES}.").removesuffix(f".{fact.path}"), fact.path
    return "", path


def join(node: str, path: str) -> str:
    """Return the path of a node's own fact, or the cluster's without a node."""
    return f"{NODES}.{node}.{path}" if node else path


def find(path: str) -> Fact | None:
    """Return the fact at a path, of a node or of the cluster; None if no fact is there."""
    node, own = split(path)
    fact = _BY_PATH.get(own)
    return None if own in ONLY_AT_NODES and not node else fact


def candidates(topology: Topology, path: str) -> Candidates:
    """Return the values that the fact at this path may have.

    Raises:
        KeyError: no fact is there.

    """
    fact = _BY_PATH[split(path)[1]]
    return fact.find_candidates(topology) if fact.find_candidates else fact.candidates


def is_own(topology: Topology, node: str, path: str) -> bool:
    """Return whether a node has its own value of a fact, declared or unknown."""
    if join(node, path) in topology.unknown:
        return True
    section, _, key = path.rpartition(".")
    part = getattr(topology.node(node), section, None) if section else None
    return part is not None and key in part.model_fields_set


def unknown_at(topology: Topology, node: str, path: str) -> str | None:
    """Return the path in `Topology.unknown` that makes a fact of this node unknown; None if it is known.

    Args:
        topology: The declared cluster.
        node: A node's name, or an empty string for a fact of the cluster.
        path: The fact's own path, without the node.

    """
    own = join(node, path)
    if own in topology.unknown:
        return own
    inherited = path in topology.unknown and not (node and is_own(topology, node, path))
    return path if inherited else None


def value(topology: Topology, path: str) -> Any:  # noqa: ANN401 - the type of whatever fact it is
    """Return the declared value of a fact, or the default in the model if it is unknown."""
    return value_at(topology, *split(path))


def value_at(topology: Topology, node: str, own: str) -> Any:  # noqa: ANN401 - the type of whatever setting it is
    """Return the value of a setting for a node, or without a node for the cluster. It need not be a fact."""
    section, _, key = own.rpartition(".")
    if own == "proxy.version":
        return topology.proxy_version_of(node)
    if own == "proxy.node_port_addresses":
        return topology.node_port_networks_of(node)
    if own == "kernel.kubelet_rules":
        return topology.kubelet_rules_of(node)
    if section in _OF_NODE:
        return getattr(_OF_NODE[section](topology, node), key)
    if own in ONLY_AT_NODES:
        return getattr(topology.node(node), own)
    return getattr(getattr(topology, section) if section else topology, key)


_OF_NODE: dict[str, Callable[[Topology, str], Any]] = {
    "proxy": lambda topology, node: topology.proxy_of(node),
    "kernel": lambda topology, node: topology.kernel_of(node),
    "cni": lambda topology, node: topology.cni_of(node),
}


def any_node_may_have(topology: Topology, path: str, value: object) -> bool:
    """Return whether a fact of some node has this value or is unknown."""
    if topology.has_alike_nodes:
        return bool(value_at(topology, "", path) == value)
    return any(
        unknown_at(topology, node.name, path) or value_at(topology, node.name, path) == value for node in topology.nodes
    )


def assign(topology: Topology, path: str, given: object) -> Topology:
    """Return the topology with another value of one fact, which is then known. The value is not validated again."""
    node, own = split(path)
    section, _, key = own.rpartition(".")
    known: dict[str, object] = {"unknown": topology.unknown - {path}}
    if not node:
        return topology.model_copy(update={**known, **_change(topology, section, key, given)})
    changed = topology.node(node).model_copy(update=_change(topology.node(node), section, key, given))
    nodes = tuple(changed if one.name == node else one for one in topology.nodes)
    return topology.model_copy(update={**known, "nodes": nodes})


def _change(place: Model, section: str, key: str, given: object) -> dict[str, object]:
    """Return the update of a topology or a node that gives one key another value."""
    if not section:
        return {key: given}
    part: Model = getattr(place, section) or _SECTIONS[section]()
    return {section: part.model_copy(update={key: given})}


_SECTIONS: dict[str, type[Model]] = {"proxy": Proxy, "kernel": Kernel, "cni": NodeCni}  # of a node


def written_paths() -> tuple[str, ...]:
    """Return the key of every fact as a file has it: `kernel.rp_filter`, `nodes[].pod_cidr`."""
    return tuple(f"{NODES}[].{fact.path}" if fact.path in ONLY_AT_NODES else fact.path for fact in FACTS)


def list_unknown(topology: Topology) -> Iterator[tuple[str, Fact]]:
    """Yield the path and the fact of everything that is unknown, in the order of the registry."""
    order = {fact.path: index for index, fact in enumerate(FACTS)}
    for path in sorted(topology.unknown, key=lambda one: (order.get(split(one)[1], 0), one)):
        if fact := find(path):
            yield path, fact
