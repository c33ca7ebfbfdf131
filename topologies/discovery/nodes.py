"""Choose the nodes of a topology: which can run the pods, which differ, and why the others are left out. Pure.

A few nodes stand for all: nodes of one class differ in nothing that a rule reads. The classes with most nodes come
first, and nodes that repel workloads (taints) only if there are not two others.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from topologies.discovery.findings import list_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from topologies.discovery.inventory import ListedNode

USUAL = 4  # nodes of a topology: two with an echo pod, one without, and one that only receives
FEW = 2  # nodes below which tainted ones are used too
REPEL = (":NoSchedule", ":NoExecute")
VIRTUAL_TAINTS = ("virtual-kubelet.io/", "eks.amazonaws.com/compute-type", "k8s.io/burst")
VIRTUAL_LABELS = {
    "type": "virtual-kubelet",
    "eks.amazonaws.com/compute-type": "fargate",
    "kubernetes.azure.com/role": "virtual-node",
    "node.kubernetes.io/instance-type": "eklet",
}


class NodeTraits(NamedTuple):
    """What nodes have in common. Nodes of one class are taken to behave the same."""

    zone: str
    arch: str
    kernel: str
    instance_type: str
    kubelet: str

    def __str__(self) -> str:
        """Return the parts that are known, such as `zone eu-1a, amd64, kernel 6.1.0, m5.large, kubelet v1.29.4`."""
        words = ((" zone ", self.zone), (" ", self.arch), (" kernel ", self.kernel))
        more = ((" ", self.instance_type), (" kubelet ", self.kubelet))
        return ",".join(f"{word}{text}" for word, text in (*words, *more) if text).strip()


@dataclass(frozen=True, slots=True)
class ChosenNode:
    """A node of the topology, its class, and how many nodes the class has."""

    node: ListedNode
    belongs_to: NodeTraits
    of: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen nodes, and what is left out: groups of nodes with one reason each."""

    chosen: tuple[ChosenNode, ...]
    left_out: tuple[str, ...]

    @property
    def by_name(self) -> dict[str, ListedNode]:
        """The chosen nodes by name."""
        return {one.node.name: one.node for one in self.chosen}


def choose(nodes: Iterable[ListedNode], count: int = USUAL, failed: Mapping[str, str] | None = None) -> Choice:
    """Return the nodes to declare.

    Args:
        nodes: All nodes of the cluster.
        count: How many to declare at most.
        failed: Nodes on which a pod did not run, with the reason.

    """
    usable: list[ListedNode] = []
    reasons: dict[str, list[str]] = defaultdict(list)
    for node in sorted(nodes, key=lambda one: one.name):
        if reason := why_unusable(node) or (failed or {}).get(node.name, ""):
            reasons[reason].append(node.name)
        else:
            usable.append(node)
    free = [node for node in usable if not _repels(node)]
    ranked = _by_class(free)
    if len(free) < min(FEW, count):
        ranked += _by_class([node for node in usable if _repels(node)])
    else:
        for node in (node for node in usable if _repels(node)):
            reasons[f"tainted {', '.join(taint for taint in node.taints if taint.endswith(REPEL))}"].append(node.name)
    limit = count if len(free) >= min(FEW, count) else min(FEW, count)
    chosen, spare = ranked[:limit], ranked[limit:]
    if spare:
        reasons[f"a class that is declared already, or beyond {count} nodes (--nodes N)"] = [
            one.node.name for one in spare
        ]
    left_out = tuple(f"{len(names)}: {list_names(names)}: {reason}" for reason, names in reasons.items())
    return Choice(tuple(sorted(chosen, key=lambda one: one.node.name)), left_out)


def why_unusable(node: ListedNode) -> str:
    """Return why no pod of a topology can run on a node, or nothing can be declared of it; empty if it can."""
    if node.system and node.system != "linux":
        return f"its operating system is {node.system}, and the image runs on Linux"
    if _is_virtual(node):
        return "a virtual node (virtual-kubelet, Fargate): it runs no hostNetwork pods and no kube-proxy"
    if node.not_ready:
        return f"not Ready ({node.not_ready})"
    if node.cordoned:
        return "cordoned (spec.unschedulable)"
    if not node.internal_ips:
        return "its InternalIPs are IPv6 only, which is not supported yet" if node.ipv6 else "it has no InternalIP"
    return ""


def class_of(node: ListedNode) -> NodeTraits:
    """Return the class of a node."""
    return NodeTraits(node.zone, node.arch, node.kernel, node.instance_type, node.kubelet)


def _is_virtual(node: ListedNode) -> bool:
    labelled = any(node.labels.get(key) == value for key, value in VIRTUAL_LABELS.items())
    return labelled or any(taint.startswith(VIRTUAL_TAINTS) for taint in node.taints)


def _repels(node: ListedNode) -> bool:
    return any(taint.endswith(REPEL) for taint in node.taints)


def _by_class(nodes: Sequence[ListedNode]) -> list[ChosenNode]:
    """Return the nodes in turn of their classes, the class with most nodes first."""
    classes: dict[NodeTraits, list[ListedNode]] = defaultdict(list)
    for node in nodes:
        classes[class_of(node)].append(node)
    ordered = sorted(classes.items(), key=lambda item: (-len(item[1]), item[0]))
    turns = [
        (turn, position, ChosenNode(node, name, len(members)))
        for position, (name, members) in enumerate(ordered)
        for turn, node in enumerate(members)
    ]
    return [one for *_, one in sorted(turns, key=lambda item: item[:2])]
