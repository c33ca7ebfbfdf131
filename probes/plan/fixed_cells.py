"""A small fixed set of cells: one Service of every kind, from every vantage, at every node. Pure.

For probing while something changes, where the whole plan would take too long to ask several times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.plan.cell import Cell
from probes.plan.plan import plan
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.enums import ServiceType, SessionAffinity, VantageKind

if TYPE_CHECKING:
    from topologies.schema.topology import Service, Topology

KINDS = {ServiceType.CLUSTER_IP: FrontendKind.CLUSTER_IP, ServiceType.LOAD_BALANCER: FrontendKind.LOAD_BALANCER}


def choose_fixed_cells(topology: Topology) -> tuple[Cell, ...]:
    """Return ClusterIP, NodePort at each node and load balancer, with externalTrafficPolicy Cluster and Local."""
    chosen = _choose_services(topology)
    virtual = [cell for cell in plan(topology).cells if _is_virtual(cell, chosen)]
    ports = [
        Cell(vantage, Frontend(service.name, FrontendKind.NODE_PORT, node=node.name))
        for vantage in topology.workload.vantages
        for service in chosen.values()
        if service.type is ServiceType.NODE_PORT
        for node in topology.nodes
    ]
    order = {vantage.name: number for number, vantage in enumerate(topology.workload.vantages)}
    return tuple(sorted([*virtual, *ports], key=lambda cell: order[cell.vantage.name]))


def _is_virtual(cell: Cell, chosen: dict[str, Service]) -> bool:
    """Return whether it asks a chosen Service at its ClusterIP or load balancer, where that is promised to work."""
    service, frontend = chosen.get(cell.frontend.service), cell.frontend
    outside = cell.vantage.kind is VantageKind.EXTERNAL and frontend.kind is FrontendKind.CLUSTER_IP
    whole = frontend.declared and frontend.at is At.PRIMARY and not outside
    return service is not None and frontend.kind is KINDS.get(service.type) and whole


def _choose_services(topology: Topology) -> dict[str, Service]:
    """Return the first Service of each type and policy that has ready backends on the pod network, by name."""
    found: dict[tuple[str, str], Service] = {}
    for service in topology.workload.services:
        backends = topology.backends_of(service)
        if topology.not_ready_backends(service):
            continue
        if backends and service.session_affinity is SessionAffinity.NONE and not service.external_ips:
            first = found.get((service.type, service.external_traffic_policy))
            if first is None or (_hosted(topology, first) and not _hosted(topology, service)):
                found[service.type, service.external_traffic_policy] = service
    return {service.name: service for service in found.values()}


def _hosted(topology: Topology, service: Service) -> bool:
    return all(backend.host_network for backend in topology.backends_of(service))
