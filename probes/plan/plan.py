"""Topology -> every cell, in order, and what was left out and why. A pure function of the declared YAML.

NodePorts are asked at one node of each class the rules can tell apart (own node; another with an endpoint; another
without), so that a matrix stays small on a cluster of any size; every node left out is named with its class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from probes.plan.cell import Cell, Omission
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.enums import BalancerStatus, LoadBalancerKind, ServiceType, VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.schema.topology import Backend, Node, Service, Topology, Vantage

SURE = 0.999
FEWEST = 3
NO_BALANCER = "load_balancer.kind is none: nothing gives the Service an address in status.loadBalancer"
SHARED = 30  # attempts that tell a share of a quarter or a half from none and from all


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells in the order they are declared, with unique ids, and the omissions."""

    cells: tuple[Cell, ...]
    omissions: tuple[Omission, ...]


def plan(topology: Topology, samples: int | None = None) -> Plan:
    """Every client x frontend of this topology. `samples` overrides the number of attempts of each cell."""
    cells: list[Cell] = []
    omissions: list[Omission] = []
    for front in _fronts(topology):
        for vantage in topology.workload.vantages:
            for frontend, reason in _frontends(topology, front, vantage):
                cell = Cell(vantage=vantage, frontend=frontend)
                if reason:
                    omissions.append(Omission(cell.id, reason))
                else:
                    cells.append(replace(cell, sample=samples or _sample(topology, front, frontend)))
    return Plan(tuple(cells), tuple(omissions))


@dataclass(frozen=True, slots=True)
class Front:
    """A Service, with what each of its cells needs to know of the workload; found out once.

    `first` of its app: the one whose cells include the backends' own addresses.
    """

    service: Service
    backends: tuple[Backend, ...]
    first: bool

    @property
    def homes(self) -> set[str]:
        """The nodes that have an endpoint."""
        return {backend.node for backend in self.backends}


def _fronts(topology: Topology) -> Iterator[Front]:
    members: dict[str, list[Backend]] = {}
    for backend in topology.workload.backends:
        members.setdefault(backend.app, []).append(backend)
    apps: set[str] = set()
    for service in topology.workload.services:
        yield Front(service, tuple(members.get(service.app, ())), service.app not in apps)
        apps.add(service.app)


@cache
def sample_size(backends: int, sure: float = SURE) -> int:
    """How many random picks show every one of `backends` with probability >= `sure` (union bound), at least 3."""
    size = FEWEST
    while backends > 1 and backends * (1 - 1 / backends) ** size > 1 - sure:
        size += 1
    return size


def _sample(topology: Topology, front: Front, frontend: Frontend) -> int:
    if _may_be_sent_home(topology, front.service, frontend):
        return SHARED
    if frontend.kind is FrontendKind.ENDPOINT or not frontend.declared:
        return FEWEST
    return sample_size(len(front.backends))


def _may_be_sent_home(topology: Topology, service: Service, frontend: Frontend) -> bool:
    """Whether a balancer that keeps its clients takes the packet, and may pick the node it comes from."""
    balancer = topology.load_balancer
    keeps = balancer.kind is LoadBalancerKind.INLINE and not balancer.masquerade_inside
    if not keeps or frontend.kind is not FrontendKind.LOAD_BALANCER:
        return False
    listener = next((one for one in balancer.listeners if one.name == frontend.listener), None)
    passed = topology.balancer_status(service) is not BalancerStatus.IP
    return bool(listener.leads_to) if listener else passed and frontend.declared


Offer = tuple[Frontend, str]


def _frontends(topology: Topology, front: Front, vantage: Vantage) -> Iterator[Offer]:
    """(frontend, reason it is left out or an empty string)."""
    service = front.service
    yield Frontend(service.name, FrontendKind.CLUSTER_IP), ""
    yield from _baseline(front)
    if service.type is not ServiceType.CLUSTER_IP:
        yield from _node_ports(topology, front, vantage)
        yield from _own_addresses(topology, front, vantage)
    if service.type is ServiceType.LOAD_BALANCER:
        yield from _balanced(topology, service)
    for index in range(len(service.external_ips)):
        yield Frontend(service.name, FrontendKind.EXTERNAL_IP, index=index), ""


def _balanced(topology: Topology, service: Service) -> Iterator[Offer]:
    """The balancer's address, at the Service's port and at others; left out where nobody gives one."""
    absent = topology.load_balancer.kind is LoadBalancerKind.NONE
    yield Frontend(service.name, FrontendKind.LOAD_BALANCER), NO_BALANCER if absent else ""
    if not absent:
        yield Frontend(service.name, FrontendKind.LOAD_BALANCER, declared=False), ""
        yield from _listeners(topology, service)


def _listeners(topology: Topology, service: Service) -> Iterator[Offer]:
    """The balancer's listeners that no Service declares, once an address."""
    for listener in topology.load_balancer.listeners:
        if not service.shares_address_of and listener.service in {None, service.name}:
            yield Frontend(service.name, FrontendKind.LOAD_BALANCER, declared=False, listener=listener.name), ""


def _baseline(front: Front) -> Iterator[Offer]:
    """The echo pods' own addresses, once per app: what works and what is seen without any Service."""
    for backend in front.backends if front.first else ():
        yield Frontend(front.service.name, FrontendKind.ENDPOINT, backend=backend.name), ""


def _node_ports(topology: Topology, front: Front, vantage: Vantage) -> Iterator[Offer]:
    homes = front.homes
    taken: dict[str, str] = {}
    for node in _own_first(topology, vantage):
        kind = _class_of(node.name, vantage, homes)
        frontend = Frontend(front.service.name, FrontendKind.NODE_PORT, node=node.name)
        reason = f"{node.name} is {kind}, as is {taken[kind]}, which is asked" if kind in taken else ""
        taken.setdefault(kind, node.name)
        yield frontend, reason
        for at in _more_cards(node):
            spared = at is At.SECONDARY and node.name == vantage.node
            yield replace(frontend, at=at), reason or (_sparing(topology, front, vantage) if spared else "")


def _more_cards(node: Node) -> Iterator[At]:
    """A node's addresses besides the primary one, by which others may know it."""
    if node.secondary_address:
        yield At.SECONDARY
    if node.public_address:
        yield At.PUBLIC


def _own_first(topology: Topology, vantage: Vantage) -> Iterable[Node]:
    return sorted(topology.nodes, key=lambda node: node.name != vantage.node)


def _class_of(node: str, vantage: Vantage, homes: set[str]) -> str:
    if node == vantage.node:
        return "the client's own node"
    return "another node with an endpoint" if node in homes else "another node without an endpoint"


def _own_addresses(topology: Topology, front: Front, vantage: Vantage) -> Iterator[Offer]:
    """127.0.0.1 and the bridge's and tunnel's addresses of the client's own node."""
    loopback = Frontend(front.service.name, FrontendKind.NODE_PORT, at=At.LOOPBACK)
    yield loopback, "" if vantage.on_host_network else "127.0.0.1 is the client's own here, not the node's"
    if vantage.kind is VantageKind.EXTERNAL or not vantage.node:
        return
    places = (*([At.CNI0] if topology.cni.bridged else []), *([At.VTEP] if topology.cni.overlay else []))
    for at in places:
        frontend = Frontend(front.service.name, FrontendKind.NODE_PORT, node=vantage.node, at=at)
        yield frontend, _why_not(topology, front, vantage, frontend)


def _why_not(topology: Topology, front: Front, vantage: Vantage, frontend: Frontend) -> str:
    """Why this address of the client's own node is left out, or an empty string."""
    if topology.node(vantage.node or "").pod_cidr is None:
        return f"{vantage.node} declares no pod_cidr, so its {frontend.at} address is not known"
    return _sparing(topology, front, vantage)


def _sparing(topology: Topology, front: Front, vantage: Vantage) -> str:
    """Why a pod is not asked at one more address of its own node, if it is refused there as at the first."""
    refused = not front.backends and not topology.proxy.node_port_addresses
    if refused and not vantage.on_host_network:
        return (
            f"no backend: refused as nodeport.{vantage.node} is, and a kernel sends a pod 6 refusals, then 1 a second"
        )
    return ""
