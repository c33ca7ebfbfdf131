"""Topology -> every cell, in order, and what was left out and why. A pure function of the declared YAML.

NodePorts are asked at one node of each class the rules can tell apart (own node; another with an endpoint; another
without), so that a matrix stays small on a cluster of any size; every node left out is named with its class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from probes.cell import Cell, Omission
from topologies.frontends import At, Frontend, FrontendKind
from topologies.kinds import BalancerStatus, LoadBalancerKind, ServiceType, VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.model import Service, Topology, Vantage

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
    for service in topology.workload.services:
        for vantage in topology.workload.vantages:
            for frontend, reason in _frontends(topology, service, vantage):
                size = samples or _sample(topology, service, frontend)
                cell = Cell(vantage=vantage, frontend=frontend, sample=size)
                if reason:
                    omissions.append(Omission(cell.id, reason))
                else:
                    cells.append(cell)
    return Plan(tuple(cells), tuple(omissions))


def sample_size(backends: int, sure: float = SURE) -> int:
    """How many random picks show every one of `backends` with probability >= `sure` (union bound), at least 3."""
    size = FEWEST
    while backends > 1 and backends * (1 - 1 / backends) ** size > 1 - sure:
        size += 1
    return size


def _sample(topology: Topology, service: Service, frontend: Frontend) -> int:
    if _may_be_sent_home(topology, service, frontend):
        return SHARED
    if frontend.kind is FrontendKind.ENDPOINT or not frontend.declared:
        return FEWEST
    return sample_size(len(topology.backends_of(service)))


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


def _frontends(topology: Topology, service: Service, vantage: Vantage) -> Iterator[Offer]:
    """(frontend, reason it is left out or an empty string)."""
    yield Frontend(service.name, FrontendKind.CLUSTER_IP), ""
    yield from _baseline(topology, service)
    if service.type is not ServiceType.CLUSTER_IP:
        yield from _node_ports(topology, service, vantage)
        yield from _own_addresses(topology, service, vantage)
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


def _baseline(topology: Topology, service: Service) -> Iterator[Offer]:
    """The echo pods' own addresses, once per app: what works and what is seen without any Service."""
    first = next(other for other in topology.workload.services if other.app == service.app)
    if service is first:
        for backend in topology.backends_of(service):
            yield Frontend(service.name, FrontendKind.ENDPOINT, backend=backend.name), ""


def _node_ports(topology: Topology, service: Service, vantage: Vantage) -> Iterator[Offer]:
    homes = {backend.node for backend in topology.backends_of(service)}
    taken: dict[str, str] = {}
    for node in _own_first(topology, vantage):
        kind = _class_of(node, vantage, homes)
        frontend = Frontend(service.name, FrontendKind.NODE_PORT, node=node)
        reason = f"{node} is {kind}, as is {taken[kind]}, which is asked" if kind in taken else ""
        taken.setdefault(kind, node)
        yield frontend, reason
        for at in _more_cards(topology, node):
            spared = at is At.SECONDARY and node == vantage.node
            yield replace(frontend, at=at), reason or (_sparing(topology, service, vantage) if spared else "")


def _more_cards(topology: Topology, node: str) -> Iterator[At]:
    """A node's addresses besides the primary one, by which others may know it."""
    known = topology.node(node)
    if known.secondary_address:
        yield At.SECONDARY
    if known.public_address:
        yield At.PUBLIC


def _own_first(topology: Topology, vantage: Vantage) -> Iterable[str]:
    return sorted((node.name for node in topology.nodes), key=lambda name: name != vantage.node)


def _class_of(node: str, vantage: Vantage, homes: set[str]) -> str:
    if node == vantage.node:
        return "the client's own node"
    return "another node with an endpoint" if node in homes else "another node without an endpoint"


def _own_addresses(topology: Topology, service: Service, vantage: Vantage) -> Iterator[Offer]:
    """127.0.0.1 and the bridge's and tunnel's addresses of the client's own node."""
    loopback = Frontend(service.name, FrontendKind.NODE_PORT, at=At.LOOPBACK)
    yield loopback, "" if vantage.on_host_network else "127.0.0.1 is the client's own here, not the node's"
    if vantage.kind is VantageKind.EXTERNAL or not vantage.node:
        return
    places = (*([At.CNI0] if topology.cni.bridged else []), *([At.VTEP] if topology.cni.overlay else []))
    for at in places:
        frontend = Frontend(service.name, FrontendKind.NODE_PORT, node=vantage.node, at=at)
        yield frontend, _why_not(topology, service, vantage, frontend)


def _why_not(topology: Topology, service: Service, vantage: Vantage, frontend: Frontend) -> str:
    """Why this address of the client's own node is left out, or an empty string."""
    if topology.node(vantage.node or "").pod_cidr is None:
        return f"{vantage.node} declares no pod_cidr, so its {frontend.at} address is not known"
    return _sparing(topology, service, vantage)


def _sparing(topology: Topology, service: Service, vantage: Vantage) -> str:
    """Why a pod is not asked at one more address of its own node, if it is refused there as at the first."""
    refused = not topology.backends_of(service) and not topology.proxy.node_port_addresses
    if refused and not vantage.on_host_network:
        return (
            f"no backend: refused as nodeport.{vantage.node} is, and a kernel sends a pod 6 refusals, then 1 a second"
        )
    return ""
