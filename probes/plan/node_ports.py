"""The NodePort addresses of one Service that a client probes, and those it leaves out.

The rules distinguish three classes of nodes: the client's own, others with an endpoint, others without. Each client
probes the first node of each class. Every node that is left out becomes an omission. A plan can have Services x clients
x nodes of them, so this module builds them from strings that it prepares once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Self

from probes.plan.cell import Omission, format_id
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Backend, Node, Service, Topology, Vantage

Offer = tuple[Frontend, str]  # a frontend, and why it is left out; an empty string if it is planned
OWN, WITH_ENDPOINT, WITHOUT_ENDPOINT = (
    "the client's own node",
    "another node with an endpoint",
    "another node without an endpoint",
)


@dataclass(frozen=True, slots=True)
class Front:
    """A Service with its backends and their nodes.

    `first`: whether it is the first Service of its app, whose cells include the backends' own addresses.
    """

    service: Service
    backends: tuple[Backend, ...]
    nodes: frozenset[str]
    first: bool


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
    nodes: tuple[NodeAddresses, ...]
    by_name: dict[str, NodeAddresses]

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Return the addresses of this topology's nodes."""
        nodes = tuple(map(NodeAddresses.of, topology.nodes))
        return cls(topology, nodes, {node.name: node for node in nodes})

    def split(self, front: Front, vantage: Vantage) -> tuple[list[Offer], list[Omission]]:
        """Return the addresses of the first node of each class, and the omissions of all other nodes."""
        first: dict[str, str] = {}
        offers: list[Offer] = []
        left: list[Omission] = []
        for node in self._own_first(vantage):
            kind = _class_of(node.name, vantage, front.nodes)
            if kind not in first:
                first[kind] = node.name
                offers.extend(self._offers(node, front, vantage))
                continue
            reason = f"{node.name} is {kind}, as is {first[kind]}, which is asked"
            name, service = vantage.name, front.service.name
            left.extend([Omission(format_id(name, service, label), reason) for label in node.labels])
        return offers, left

    def split_balanced(
        self, front: Front, vantage: Vantage, announcing: Iterable[Node]
    ) -> tuple[list[Offer], list[Omission]]:
        """Return the load balancer IPs of the first node of each class, and the omissions of all other nodes.

        `announcing`: the nodes whose own address is a load balancer IP of the Service.
        """
        first: dict[str, str] = {}
        offers: list[Offer] = []
        left: list[Omission] = []
        names = {node.name for node in announcing}
        for node in (one for one in self._own_first(vantage) if one.name in names):
            kind = _class_of(node.name, vantage, front.nodes)
            ports = [_balanced_at(front, node, declared=declared) for declared in (True, False)]
            if kind in first:
                reason = f"{node.name} is {kind}, as is {first[kind]}, which is asked"
                left += [Omission(format_id(vantage.name, front.service.name, one.label), reason) for one in ports]
            else:
                first[kind] = node.name
                offers += [(one, "") for one in ports]
        return offers, left

    def _own_first(self, vantage: Vantage) -> Iterable[NodeAddresses]:
        own = self.by_name.get(vantage.node or "")
        return chain([own], (node for node in self.nodes if node is not own)) if own else self.nodes

    def _offers(self, node: NodeAddresses, front: Front, vantage: Vantage) -> Iterator[Offer]:
        for at in node.places:
            spared = at is At.SECONDARY and node.name == vantage.node
            frontend = Frontend(front.service.name, FrontendKind.NODE_PORT, node=node.name, at=at)
            yield frontend, spare_refusals(self.topology, front, vantage) if spared else ""


def _balanced_at(front: Front, node: NodeAddresses, *, declared: bool) -> Frontend:
    return Frontend(front.service.name, FrontendKind.LOAD_BALANCER, node=node.name, declared=declared)


def _class_of(node: str, vantage: Vantage, with_endpoint: frozenset[str]) -> str:
    if node == vantage.node:
        return OWN
    return WITH_ENDPOINT if node in with_endpoint else WITHOUT_ENDPOINT


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
