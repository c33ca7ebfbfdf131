"""Topology -> every cell, in order, and what was left out and why. A pure function of the declared YAML.

A NodePort is probed at one node of each class (node_classes.py), so that a matrix stays small on a cluster of any size.
Every node left out is an omission that names its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from probes.plan.cell import Cell, Omission
from probes.plan.node_ports import Front, NodePorts, own_addresses
from topologies.frontends import Frontend, FrontendKind
from topologies.schema.enums import AddressIs, BalancerStatus, ServiceType, VantageKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from probes.plan.node_ports import Offer
    from topologies.schema.topology import Service, Topology, Vantage

SURE = 0.999
FEWEST = 3
NO_BALANCER = "load_balancer.kind is none: nothing gives the Service an address in status.loadBalancer"
NO_NODE = "externalTrafficPolicy: Local without an endpoint: no node announces its address in status.loadBalancer"
PROXY_HEADER = "load_balancer.proxy_protocol: the balancer sends a header before the request, which no echo pod reads"
NO_POD = "kubelets configure the cluster's DNS in pods only: nodes and hosts outside have a resolver of their own"
SHARED = 30  # attempts that distinguish a share of a quarter or a half from none and from all


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells in the order they are declared, with unique ids, and the omissions."""

    cells: tuple[Cell, ...]
    omissions: tuple[Omission, ...]


def plan(topology: Topology, samples: int | None = None, *, every_node: bool = False) -> Plan:
    """Return every client x frontend of this topology.

    Args:
        topology: The declared cluster.
        samples: Overrides the number of attempts of each cell.
        every_node: Whether NodePorts are asked at every node, not at the first node of each class.

    """
    planner = _Planner(topology, samples, NodePorts.of(topology, every_node=every_node))
    for front in _fronts(topology):
        for vantage in topology.workload.vantages:
            planner.add_all(front, vantage)
    return Plan(tuple(planner.cells), tuple(planner.omissions))


def plan_cells(topology: Topology, ids: Collection[str]) -> list[Cell]:
    """Return the planned cells with these ids, also those of a run that asked every node."""
    found = [cell for cell in plan(topology).cells if cell.id in ids]
    if len(found) == len(ids):
        return found
    return [cell for cell in plan(topology, every_node=True).cells if cell.id in ids]


def _fronts(topology: Topology) -> Iterator[Front]:
    apps: set[str] = set()
    for service in topology.workload.services:
        nodes = topology.endpoint_nodes(service)
        yield Front(service, topology.backends_of(service), nodes, service.app not in apps)
        apps.add(service.app)


class _Planner:
    """The cells and omissions found so far."""

    def __init__(self, topology: Topology, samples: int | None, node_ports: NodePorts) -> None:
        self.topology = topology
        self.samples = samples
        self.node_ports = node_ports
        self.cells: list[Cell] = []
        self.omissions: list[Omission] = []

    def add_all(self, front: Front, vantage: Vantage) -> None:
        """Add the cells of one Service from one client, in the order of their frontends."""
        service = front.service
        self._add(front, vantage, [(Frontend(service.name, FrontendKind.CLUSTER_IP), ""), *_baseline(front)])
        self._add(front, vantage, _names(self.topology, service, vantage))
        if service.type is not ServiceType.CLUSTER_IP:
            offers, left = self.node_ports.split(front, vantage)
            self._add(front, vantage, offers)
            self.omissions.extend(left)
            self._add(front, vantage, own_addresses(self.topology, front, vantage))
        if service.type is ServiceType.LOAD_BALANCER:
            self._add_balanced(front, vantage)
        self._add(front, vantage, _external_ips(service))

    def _add_balanced(self, front: Front, vantage: Vantage) -> None:
        """Add the cells of a load balancer's addresses."""
        if self.topology.load_balancer.address_is is not AddressIs.NODE:
            self._add(front, vantage, _balanced(self.topology, front.service, vantage))
        elif len(announcing := self.topology.announcing_nodes(front.service)) > 1:
            offers, left = self.node_ports.split_balanced(front, vantage, announcing)
            self._add(front, vantage, offers)
            self.omissions.extend(left)
        else:
            self._add(front, vantage, _at_one_address(front.service, "" if announcing else NO_NODE))

    def _add(self, front: Front, vantage: Vantage, offers: Iterable[Offer]) -> None:
        for frontend, reason in offers:
            if reason:
                self.omissions.append(Omission(Cell(vantage, frontend).id, reason))
            else:
                sample = self.samples or _sample(self.topology, front, frontend)
                self.cells.append(Cell(vantage, frontend, sample=sample))


@cache
def sample_size(backends: int, sure: float = SURE) -> int:
    """Return how many random picks reach every one of `backends` with probability >= `sure` (union bound), >= 3."""
    size = FEWEST
    while backends > 1 and backends * (1 - 1 / backends) ** size > 1 - sure:
        size += 1
    return size


def _sample(topology: Topology, front: Front, frontend: Frontend) -> int:
    if _may_return_to_client(topology, front.service, frontend):
        return SHARED
    if frontend.kind is FrontendKind.ENDPOINT or not frontend.declared:
        return FEWEST
    return sample_size(len(front.backends))


def _may_return_to_client(topology: Topology, service: Service, frontend: Frontend) -> bool:
    """Return whether a load balancer that preserves client addresses may select the client's own node."""
    balancer = topology.load_balancer
    preserves = balancer.exists and balancer.keeps_client and not (balancer.masquerade_inside or balancer.hairpin)
    if not preserves or frontend.kind is not FrontendKind.LOAD_BALANCER:
        return False
    listener = balancer.listeners_by_name.get(frontend.listener or "")
    passed = topology.balancer_status(service) is not BalancerStatus.IP
    return bool(listener.leads_to) if listener else passed and frontend.declared


def _baseline(front: Front) -> Iterator[Offer]:
    """Yield the echo pods' own addresses, once per app: what works and what is seen without any Service."""
    for backend in front.backends if front.first else ():
        yield Frontend(front.service.name, FrontendKind.ENDPOINT, backend=backend.name), ""


def _names(topology: Topology, service: Service, vantage: Vantage) -> Iterator[Offer]:
    """Yield the Service's name, if the cluster has DNS; left out for processes that are in no pod."""
    if topology.cluster_dns:
        yield Frontend(service.name, FrontendKind.DNS_NAME), "" if vantage.is_pod else NO_POD


def _external_ips(service: Service) -> Iterator[Offer]:
    for index in range(len(service.external_ips)):
        yield Frontend(service.name, FrontendKind.EXTERNAL_IP, index=index), ""


def _balanced(topology: Topology, service: Service, vantage: Vantage) -> Iterator[Offer]:
    """Yield the load balancer's address at the Service's port and at others; left out without a load balancer."""
    if not topology.load_balancer.exists:
        yield Frontend(service.name, FrontendKind.LOAD_BALANCER), NO_BALANCER
        return
    passes = vantage.kind is VantageKind.EXTERNAL or topology.balancer_status(service) is not BalancerStatus.IP
    yield Frontend(service.name, FrontendKind.LOAD_BALANCER), _why_unread(topology, passes=passes)
    yield Frontend(service.name, FrontendKind.LOAD_BALANCER, declared=False), ""
    yield from _listeners(topology, service)


def _why_unread(topology: Topology, *, passes: bool) -> str:
    """Return why an echo pod cannot read what the balancer sends, or an empty string."""
    return PROXY_HEADER if passes and topology.load_balancer.proxy_protocol else ""


def _at_one_address(service: Service, absent: str) -> Iterator[Offer]:
    """Yield the Service's port and an undeclared port. `absent`: why there is no such address, or an empty string."""
    yield Frontend(service.name, FrontendKind.LOAD_BALANCER), absent
    if not absent:
        yield Frontend(service.name, FrontendKind.LOAD_BALANCER, declared=False), ""


def _listeners(topology: Topology, service: Service) -> Iterator[Offer]:
    """Yield the load balancer's listeners that no Service declares, once an address."""
    for listener in topology.load_balancer.listeners:
        if not service.shares_address_of and listener.service in {None, service.name}:
            reason = _why_unread(topology, passes=bool(listener.leads_to))
            yield Frontend(service.name, FrontendKind.LOAD_BALANCER, declared=False, listener=listener.name), reason
