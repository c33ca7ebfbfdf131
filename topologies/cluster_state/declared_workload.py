"""The live addresses of a snapshot under the workload that is declared: what an expectation is made of. Pure.

A broken cluster must not lower what is expected of it. So policies, ports, ranges, affinity, ipMode, the endpoints and
their conditions come from the topology; only what the API assigns (ClusterIP, NodePorts, pod and balancer addresses)
comes from the snapshot. `shortfalls.py` names every difference between the two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from topologies.cluster_state.snapshot import declared_endpoints
from topologies.schema.enums import BalancerStatus

if TYPE_CHECKING:
    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Service, Topology


def declared_workload(topology: Topology, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with every declared Service as it is declared; Services that are not there stay away."""
    states = {
        service.name: _declared(topology, service, snapshot)
        for service in topology.workload.services
        if service.name in snapshot.services
    }
    return replace(snapshot, services={**snapshot.services, **states})


def _declared(topology: Topology, service: Service, snapshot: Snapshot) -> ServiceState:
    state = snapshot.services[service.name]
    return replace(
        state,
        type=service.type,
        port=service.port,
        external_ips=service.external_ips,
        load_balancer_ip_mode=ip_mode(topology, service),
        external_traffic_policy=service.external_traffic_policy,
        internal_traffic_policy=service.internal_traffic_policy,
        sticky=service.session_affinity == "ClientIP",
        load_balancer_source_ranges=service.load_balancer_source_ranges,
        endpoints=_endpoints(topology, service, snapshot),
        other_endpoints=(),
    )


def ip_mode(topology: Topology, service: Service) -> str:
    """Return the `ipMode` that the Service's balancer address is declared to have."""
    return "Proxy" if topology.balancer_status(service) is BalancerStatus.PROXY else "VIP"


def _endpoints(topology: Topology, service: Service, snapshot: Snapshot) -> tuple[Endpoint, ...]:
    """Return the endpoint of each declared backend whose pod has an address, in the conditions of its state."""
    seen: dict[str, IPAddress] = {one.backend: one.address for one in snapshot.services[service.name].endpoints}
    return declared_endpoints(topology, service, {**seen, **snapshot.pods}, snapshot.ports)
