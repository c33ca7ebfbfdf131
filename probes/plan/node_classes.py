"""The classes of a topology's nodes that are worth a probe each, as one Service and one client see them.

The rules distinguish the client's own node, others with an endpoint, and others without. A cluster may differ in more:
nodes with facts of their own, in another zone, with another architecture, kernel, instance type or kube-proxy. The
nodes are sorted once a plan, so that the classes of a Service and a client cost as much as its endpoints, not as all
nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator

    from topologies.schema.topology import Node, Topology

OWN, WITH_ENDPOINT, WITH_UNREADY, WITHOUT_ENDPOINT = (
    "the client's own node",
    "another node with an endpoint",
    "another node whose endpoints are not ready",
    "another node without an endpoint",
)


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Nodes of one class: the first ones by name in declared order, and how many there are."""

    what: str
    """The class in words."""
    names: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class NodeClasses:
    """A topology's nodes by what a cluster may have several of."""

    groups: dict[str, tuple[str, ...]]
    """The names of the nodes with the same facts, by these facts in words."""
    facts: dict[str, str]
    """The facts in words of each node."""
    places: dict[str, int]
    """The place of each node in the topology."""

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Sort the nodes of a topology."""
        kinds: dict[Hashable, list[str]] = {}
        words: dict[Hashable, str] = {}
        for node in (one for one in topology.nodes if one.is_linux):
            kind = (describe(node), node.proxy, node.kernel, node.cni)
            kinds.setdefault(kind, []).append(node.name)
            words.setdefault(kind, describe(node))
        named = dict(zip(kinds, _distinct([words[kind] for kind in kinds]), strict=True))
        groups = {named[kind]: tuple(names) for kind, names in kinds.items()}
        facts = {name: words for words, names in groups.items() for name in names}
        return cls(groups, facts, {node.name: place for place, node in enumerate(topology.nodes)})

    def of_service(
        self, own: str | None, with_endpoint: Collection[str], most: int | None, unready: Collection[str] = ()
    ) -> Iterator[NodeClass]:
        """Yield the classes in the order of their first nodes, the client's own node first.

        Args:
            own: The client's own node, if it is one of the topology.
            with_endpoint: The nodes with a ready endpoint of the Service.
            most: The number of names of a class to return. None: all.
            unready: The nodes with other endpoints of the Service only.

        """
        if own in self.places:
            yield NodeClass(OWN, (str(own),), 1)
        served = ((WITH_ENDPOINT, with_endpoint), (WITH_UNREADY, unready))
        found = [one for facts in self.groups for one in self._of_group(facts, own, served, most)]
        yield from sorted(found, key=lambda one: self.places[one.names[0]])

    def _of_group(
        self, facts: str, own: str | None, served: Iterable[tuple[str, Collection[str]]], most: int | None
    ) -> Iterator[NodeClass]:
        group, taken = self.groups[facts], {own}
        for what, names in served:
            if members := [name for name in names if name != own and self.facts.get(name) == facts]:
                members.sort(key=self.places.__getitem__)
                yield NodeClass(_in_words(what, facts), tuple(members[:most]), len(members))
                taken.update(members)
        count = len(group) - len(taken - {own}) - (self.facts.get(own or "") == facts)
        if count:
            others = (name for name in group if name not in taken)
            yield NodeClass(_in_words(WITHOUT_ENDPOINT, facts), tuple(islice(others, most)), count)


def describe(node: Node) -> str:
    """Return what distinguishes a node from others in words; an empty string for a node without such facts."""
    proxy = f"kube-proxy {node.proxy.version}" if node.proxy and node.proxy.version else ""
    kubelet = f"kubelet {node.kubelet_version}" if node.kubelet_version else ""
    kernel = f"kernel {node.kernel_version}" if node.kernel_version else ""
    zone = f"zone {node.zone}" if node.zone else ""
    return ", ".join(filter(None, (zone, node.arch, node.instance_type, kernel, kubelet, proxy)))


def _distinct(words: list[str]) -> Iterator[str]:
    """Yield the words of each group, with a number if another group has the same."""
    seen: dict[str, int] = {}
    for one in words:
        seen[one] = seen.get(one, 0) + 1
        yield one if seen[one] == 1 else f"{one or 'facts of its own'} #{seen[one]}"


def _in_words(kind: str, facts: str) -> str:
    return f"{kind} ({facts})" if facts else kind
