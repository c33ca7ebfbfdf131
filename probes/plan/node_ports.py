"""The NodePort addresses of one Service that a client probes, and those it leaves out.

Each client probes the first node of each class (node_classes.py), or every node with `--every-node`. Every node that is
left out becomes an omission; of many nodes of one class, LISTED have one each and the others one together. A plan can
have Services x clients x nodes of them, so this module builds them from strings that it prepares once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from probes.plan.cell import Omission, format_id
from probes.plan.node_classes import NodeClass, NodeClasses
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema import limits
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Backend, Node, Service, Topology, Vantage

NOT_LINUX = "the rules are those of kube-proxy on Linux"
Offer = tuple[Frontend, str]  # a frontend, and why it is left out; an empty string if it is planned
LISTED = limits.LISTED - 1  # nodes of a class that are left out and have an omission each


@dataclass(frozen=True, slots=True)
class Front:
    """A Service with its backends and the nodes with a ready one.

    `first`: whether it is the first Service of its app, whose cells include the backends' own addresses.
    """

    service: Service
    backends: tuple[Backend, ...]
    nodes: frozenset[str]
    first: bool

    @property
    def unready(self) -> frozenset[str]:
        """The nodes whose backends are all not ready."""
        return frozenset(backend.node for backend in self.backends) - self.nodes


@dataclass(frozen=True, slots=True)
class NodeAddresses:
    """A node by name, with its addresses that others may know and their labels in cell ids."""

    name: str
    places: tuple[At, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, node: Node) -> Self:
        """Return the addresses of this node."""
        more = ((At.SECONDARY, node.secondary_address), (At.PUBLIC, node.public_address))
        places = (At.PRIMARY, *(at for at, address in more if address))
        labels = tuple(Frontend("", FrontendKind.NODE_PORT, node=node.name, at=at).label for at in places)
        return cls(node.name, places, labels)


@dataclass(frozen=True, slots=True)
class NodePorts:
    """The NodePort addresses of a topology's nodes, collected once a plan."""

    topology: Topology
    by_name: dict[str, NodeAddresses]
    classes: NodeClasses
    not_linux: tuple[tuple[NodeAddresses, str], ...]
    most: int | None
    """The number of nodes of a class that an omission names each. None: every node is asked."""

    @classmethod
    def of(cls, topology: Topology, *, every_node: bool = False) -> Self:
        """Return the addresses of this topology's nodes."""
        nodes = {node.name: NodeAddresses.of(node) for node in topology.nodes}
        others = tuple((nodes[node.name], str(node.os)) for node in topology.nodes if not node.is_linux)
        return cls(topology, nodes, NodeClasses.of(topology), others, None if every_node else 1 + LISTED)

    def split(self, front: Front, vantage: Vantage) -> tuple[list[Offer], list[Omission]]:
        """Return the addresses of the first node of each class, and the omissions of all other nodes."""
        offers: list[Offer] = []
        left: list[Omission] = []
        for found in self.classes.of_service(vantage.node, front.nodes, self.most, front.unready):
            asked = found.names if self.most is None else found.names[:1]
            for name in asked:
                offers.extend(self._offers(self.by_name[name], front, vantage))
            labels = {name: self.by_name[name].labels for name in found.names[len(asked) :]}
            left += _omit(found, front, vantage, labels)
        left += [
            Omission(format_id(vantage.name, front.service.name, node.labels[0]), f"{node.name} runs {os}: {NOT_LINUX}")
            for node, os in self.not_linux[:LISTED]
        ]
        return offers, left

    def split_balanced(
        self, front: Front, vantage: Vantage, announcing: Iterable[Node]
    ) -> tuple[list[Offer], list[Omission]]:
        """Return the load balancer IPs of the first node of each class, and the omissions of all other nodes.

        `announcing`: the nodes whose own address is a load balancer IP of the Service.
        """
        offers: list[Offer] = []
        left: list[Omission] = []
        names = {node.name for node in announcing}
        for whole in self.classes.of_service(vantage.node, front.nodes, None, front.unready):
            members = tuple(name for name in whole.names if name in names)
            if not members:
                continue
            found = NodeClass(whole.what, members[: self.most], len(members))
            asked = found.names if self.most is None else found.names[:1]
            offers += [(_balanced_at(front, name, declared=one), "") for name in asked for one in (True, False)]
            labels = {
                name: tuple(_balanced_at(front, name, declared=one).label for one in (True, False))
                for name in found.names[len(asked) :]
            }
            left += _omit(found, front, vantage, labels)
        return offers, left

    def _offers(self, node: NodeAddresses, front: Front, vantage: Vantage) -> Iterator[Offer]:
        for at in node.places:
            spared = at is At.SECONDARY and node.name == vantage.node
            frontend = Frontend(front.service.name, FrontendKind.NODE_PORT, node=node.name, at=at)
            yield frontend, spare_refusals(self.topology, front, vantage) if spared else ""


def _omit(found: NodeClass, front: Front, vantage: Vantage, labels: dict[str, tuple[str, ...]]) -> Iterator[Omission]:
    """Yield an omission for each label of a node that is not asked, and one for all nodes beyond LISTED."""
    client, service, first = vantage.name, front.service.name, found.names[0]
    for name, each in labels.items():
        reason = f"{name} is {found.what}, as is {first}, which is asked"
        yield from (Omission(format_id(client, service, label), reason) for label in each)
    if labels and (more := found.count - len(found.names)):
        last = format_id(client, service, list(labels.values())[-1][0])
        reason = f"{more} more nodes are {found.what}, as is {first}, which is asked"
        yield Omission(f"{last} and {more} like it", reason)


def _balanced_at(front: Front, node: str, *, declared: bool) -> Frontend:
    return Frontend(front.service.name, FrontendKind.LOAD_BALANCER, node=node, declared=declared)


def own_addresses(topology: Topology, front: Front, vantage: Vantage) -> Iterator[Offer]:
    """Yield 127.0.0.1 and the addresses of the bridge and the tunnel of the client's own node."""
    loopback = Frontend(front.service.name, FrontendKind.NODE_PORT, at=At.LOOPBACK)
    yield loopback, "" if vantage.on_host_network else "127.0.0.1 is the client's own here, not the node's"
    if vantage.kind is VantageKind.EXTERNAL or not vantage.node:
        return
    for at in _devices(topology, topology.node(vantage.node)):
        frontend = Frontend(front.service.name, FrontendKind.NODE_PORT, node=vantage.node, at=at)
        yield frontend, _why_not(topology, front, vantage, frontend)


def _devices(topology: Topology, node: Node) -> Iterator[At]:
    """Yield the devices of a node that have an address of their own, declared or not."""
    cni = topology.cni
    if cni.has_bridge_device or _address(topology, node, At.BRIDGE):
        yield At.BRIDGE
    if cni.has_tunnel_device or _address(topology, node, At.TUNNEL):
        yield At.TUNNEL


def _address(topology: Topology, node: Node, at: At) -> IPAddress | None:
    cni = topology.cni
    return cni.bridge_address_of(node) if at is At.BRIDGE else cni.tunnel_address_of(node)


def _why_not(topology: Topology, front: Front, vantage: Vantage, frontend: Frontend) -> str:
    """Return why this address of the client's own node is left out, or an empty string."""
    if _address(topology, topology.node(vantage.node or ""), frontend.at) is None:
        return f"{vantage.node} declares no pod_cidr, so its {frontend.at} address is not known"
    return spare_refusals(topology, front, vantage)


def spare_refusals(topology: Topology, front: Front, vantage: Vantage) -> str:
    """Return why a pod does not probe one more address of its own node, if that one refuses as the first does."""
    refused = not front.backends and not topology.proxy.node_port_addresses
    if refused and not vantage.on_host_network:
        return (
            f"no backend: refused as nodeport.{vantage.node} is, and a kernel sends a pod 6 refusals, then 1 a second"
        )
    return ""
