"""How one Service of the API differs from the declared one, and at which kinds of frontend that matters. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.cluster_state.declared_workload import ip_mode
from topologies.cluster_state.endpoint_conditions import Conditions, declared_conditions, describe
from topologies.frontends import FrontendKind
from topologies.schema.enums import AddressIs, BalancerStatus, ServiceType, TrafficPolicy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.schema.topology import Backend, Service, Topology

SERVICE_KINDS = frozenset(FrontendKind) - {FrontendKind.ENDPOINT}
BALANCED = frozenset({FrontendKind.LOAD_BALANCER})


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One thing declared that is not there.

    It spoils the cells that need `pod` (a backend's or vantage's), or those of `service` at frontends of `kinds`.
    `may_settle`: a controller may still bring it, so it is worth waiting for.
    """

    reason: str
    pod: str = ""
    service: str = ""
    kinds: frozenset[FrontendKind] = field(default_factory=frozenset)
    may_settle: bool = False


def of_service(
    topology: Topology, service: Service, snapshot: Snapshot, absent: Collection[str] = ()
) -> Iterator[Shortfall]:
    """Yield what one Service lacks. `absent`: the missing pods, whose endpoints are not reported again."""
    state = snapshot.services.get(service.name)
    if state is None:
        reason = f"declared Service {service.name} is not in the cluster"
        yield Shortfall(reason, service=service.name, kinds=SERVICE_KINDS)
        return
    for what in _differences(topology, service, state):
        yield _found(service, what)
    entries = {one.backend: one for one in reversed(state.endpoints)}  # of several, the first one counts
    for backend in topology.backends_of(service):
        expected = declared_conditions(service, backend, topology.kubernetes)
        what = _endpoint(backend, entries.get(backend.name), expected, snapshot)
        if backend.name not in absent and what:
            yield _found(service, what, may_settle=True)
    if strangers := sorted({*state.other_endpoints, *_unselected(topology, service, state)}):
        yield _found(service, f"has endpoints that are none of the declared backends: {', '.join(strangers)}")
    if service.type is ServiceType.LOAD_BALANCER and _has_address(topology, service):
        yield from _balanced(topology, service, state)


def _found(
    service: Service, what: str, kinds: Iterable[FrontendKind] = SERVICE_KINDS, *, may_settle: bool = False
) -> Shortfall:
    return Shortfall(
        f"Service {service.name} {what}", service=service.name, kinds=frozenset(kinds), may_settle=may_settle
    )


def _differences(topology: Topology, service: Service, state: ServiceState) -> Iterator[str]:
    """Yield the fields that an older API, an admission webhook or a controller has changed."""
    affinity = "ClientIP" if state.sticky else "None"
    fields = (
        ("type", service.type, state.type),
        ("port", service.port, state.port),
        ("externalTrafficPolicy", service.external_traffic_policy, state.external_traffic_policy),
        ("internalTrafficPolicy", service.internal_traffic_policy, state.internal_traffic_policy),
        ("sessionAffinity", service.session_affinity, affinity),
        ("externalIPs", listed(service.external_ips), listed(state.external_ips)),
        (
            "loadBalancerSourceRanges",
            listed(service.load_balancer_source_ranges),
            listed(state.load_balancer_source_ranges),
        ),
    )
    for name, declared, real in fields:
        if declared != real:
            yield f"has {name} {real} in the API, declared {declared}"
    if state.cluster_ip not in topology.service_cidr:
        yield f"has clusterIP {state.cluster_ip}, outside the declared service_cidr {topology.service_cidr}"
    if service.type is not ServiceType.CLUSTER_IP and not state.node_port:
        yield "has no nodePort"


def _endpoint(backend: Backend, entry: Endpoint | None, expected: Conditions | None, snapshot: Snapshot) -> str:
    """Return what is wrong with a running backend's endpoint, or an empty string. `expected`: None if it has none."""
    if differs := _conditions(backend, entry, expected):
        return differs
    if entry is None:
        return ""
    fields = (
        ("port", snapshot.port_of(backend), entry.port),
        ("node", backend.node, entry.node),
        ("address", snapshot.pods.get(backend.name, entry.address), entry.address),
    )
    wrong = (f"{name} {real}, want {want}" for name, want, real in fields if want != real)
    found = "; ".join(wrong)
    return f"has an endpoint for backend {backend.name} with {found}" if found else ""


def _conditions(backend: Backend, entry: Endpoint | None, expected: Conditions | None) -> str:
    """Return how an endpoint's conditions differ from the expected ones, or an empty string.

    Endpoints objects have `ready` only. EndpointSlices are read if a terminating endpoint is expected.
    """
    found = Conditions(entry.ready, entry.serving, entry.terminating) if entry else None
    if expected is None:
        return f"has an endpoint for backend {backend.name} that is {describe(found)}, want none" if found else ""
    if expected.ready:
        return "" if found and found.ready else f"has no ready endpoint for backend {backend.name}"
    if found is None:
        return f"has no endpoint for backend {backend.name}, want one that is {describe(expected)}"
    if describe(found) == describe(expected):
        return ""
    return f"has an endpoint for backend {backend.name} that is {describe(found)}, want {describe(expected)}"


def _unselected(topology: Topology, service: Service, state: ServiceState) -> set[str]:
    declared = {backend.name for backend in topology.backends_of(service)}
    return {_describe(endpoint) for endpoint in state.endpoints if endpoint.backend not in declared}


def _describe(endpoint: Endpoint) -> str:
    return f"{endpoint.backend} {endpoint.address}"


def _balanced(topology: Topology, service: Service, state: ServiceState) -> Iterator[Shortfall]:
    """Yield the shortfalls of a Service whose load balancer is probed."""
    if not (state.load_balancer_ip or state.load_balancer_hostname):
        only = f" (IPv6 is not asked: {', '.join(state.ipv6)})" if state.ipv6 else ""
        yield _found(service, f"has no IPv4 address in status.loadBalancer{only}", BALANCED, may_settle=True)
    elif wrong := _status(topology, service, state):
        yield _found(service, wrong)
    yield from _other_addresses(topology, service, state)
    checked = topology.load_balancer.avoids_empty_nodes
    if checked and service.external_traffic_policy is TrafficPolicy.LOCAL and not state.health_check_node_port:
        yield _found(service, "has no healthCheckNodePort", BALANCED)


def _has_address(topology: Topology, service: Service) -> bool:
    """Return whether the balancer is declared to give the Service an address."""
    balancer = topology.load_balancer
    return balancer.exists and (balancer.address_is is AddressIs.OWN or bool(topology.announcing_nodes(service)))


def _other_addresses(topology: Topology, service: Service, state: ServiceState) -> Iterator[Shortfall]:
    """Yield how the addresses in the status differ from those that the balancer is declared to hand out."""
    pool = topology.load_balancer.addresses
    if topology.load_balancer.address_is is AddressIs.NODE:
        declared = {node.address for node in topology.announcing_nodes(service)}
        if declared != set(state.balanced):
            what = f"has {listed(state.balanced)} in status.loadBalancer, declared {listed(declared)}"
            yield _found(service, what, BALANCED, may_settle=True)
    elif pool and state.balanced_at and state.balanced_at not in pool:
        yield _found(service, f"has {state.balanced_at}, outside the declared load_balancer.addresses {pool}", BALANCED)


def _status(topology: Topology, service: Service, state: ServiceState) -> str:
    """Return how status.loadBalancer differs from its declared contents, or an empty string."""
    declared = topology.balancer_status(service)
    if declared is BalancerStatus.HOSTNAME:
        return (
            f"has {state.load_balancer_ip} in status.loadBalancer, declared a hostname"
            if state.load_balancer_ip
            else ""
        )
    if state.load_balancer_ip is None:
        return f"has the hostname {state.load_balancer_hostname} in status.loadBalancer, declared an address"
    mode = ip_mode(topology, service)
    real = state.load_balancer_ip_mode
    return "" if mode == real else f"has ipMode {real} in status.loadBalancer, declared {mode}"


def listed(values: Iterable[object]) -> str:
    """Return the values in order, or `none`."""
    return ", ".join(sorted(map(str, values))) or "none"
