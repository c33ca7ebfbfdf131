"""The state of the API at one moment: the addresses, ports and endpoints that the topology does not declare.

Pure data. `cluster/client.py` fills it from a live API, `declared()` from the topology alone (for the simulated run
and for predictions). Both have the same shape, so the oracle treats them the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from topologies.cluster_state.endpoint_conditions import Conditions, declared_conditions
from topologies.common.addresses import IPAddress, IPNetwork  # noqa: TC001 - dataclasses are read back by type at run time
from topologies.schema.enums import AddressIs, BalancerStatus, EndpointState, ServiceType, TrafficPolicy
from topologies.schema.pod_addresses import pod_addresses
from topologies.schema.scalars import ASSUMED_POOL, POINT_TO_POINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.schema.topology import Backend, Service, Topology


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An entry of an EndpointSlice (or of Endpoints): the echo pod behind it, where it is and in what condition."""

    backend: str
    address: IPAddress
    port: int
    node: str
    host_network: bool = False
    ready: bool = True
    serving: bool = True
    terminating: bool = False

    @classmethod
    def of(cls, backend: Backend, address: IPAddress, port: int, conditions: Conditions) -> Self:
        """Return the endpoint of a declared backend at this address and port, in these conditions."""
        ready, serving, terminating = conditions
        return cls(backend.name, address, port, backend.node, backend.host_network, ready, serving, terminating)


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A Service as the API has it.

    `load_balancer_ip` is None where status has only a hostname or nothing yet; `load_balancer_address` is the one that
    the hostname stands for, if the balancer writes it to an annotation. `load_balancer_ips`: all addresses of status if
    it has several. `ipv6`: addresses of status that are not probed, because they are not IPv4. `other_endpoints`: the
    addresses of ready endpoints that are no declared backend's.
    """

    name: str
    type: ServiceType
    cluster_ip: IPAddress
    port: int
    node_port: int | None
    external_ips: tuple[IPAddress, ...]
    load_balancer_ip: IPAddress | None
    load_balancer_ip_mode: str  # VIP or Proxy (KEP-1860)
    external_traffic_policy: TrafficPolicy
    internal_traffic_policy: TrafficPolicy
    health_check_node_port: int | None
    sticky: bool
    endpoints: tuple[Endpoint, ...]
    load_balancer_hostname: str | None = None
    load_balancer_address: IPAddress | None = None
    load_balancer_source_ranges: tuple[IPNetwork, ...] = ()
    ipv6: tuple[str, ...] = ()
    other_endpoints: tuple[str, ...] = ()
    load_balancer_ips: tuple[IPAddress, ...] = ()

    @property
    def balanced(self) -> tuple[IPAddress, ...]:
        """All addresses that lead to the load balancer, whether or not status contains them."""
        return self.load_balancer_ips or ((self.balanced_at,) if self.balanced_at else ())

    @property
    def balanced_at(self) -> IPAddress | None:
        """The first address that leads to the load balancer, whether or not status contains it."""
        return self.load_balancer_ip or self.load_balancer_address


@dataclass(frozen=True, slots=True)
class PodStatus:
    """A pod's identity, node and readiness as the API has them. `not_ready`: why it is not Ready; empty if it is.

    `state`: the state in which it runs, by its condition Ready and its deletion; None if it does not run.
    """

    uid: str = ""
    node: str | None = None
    not_ready: str = ""
    restarts: int = 0
    state: EndpointState | None = None


@dataclass(frozen=True, slots=True)
class OtherNode:
    """A node that exists and is not declared, by its name in the API."""

    name: str
    address: IPAddress
    pod_cidr: IPNetwork | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`pods`: every pod a vantage or backend runs in, by its vantage's or backend's name; `services` by name.

    `statuses` by the same names; empty in a snapshot that no API has given. `hostnames`: the host name that each
    backend on the host network reports, as far as it was read. `ports`: the ports of backends whose declared port was
    taken on a node. `restricted`: why what a pod sends or gets may be dropped by a policy, by its name.
    `other_nodes`: those that are not declared, and that a load balancer may use. `namespace`: that of the run, part of
    the Services' DNS names.
    """

    pods: dict[str, IPAddress]
    services: dict[str, ServiceState]
    taken_at: str = ""
    statuses: dict[str, PodStatus] = field(default_factory=dict)
    hostnames: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    restricted: dict[str, str] = field(default_factory=dict)
    other_nodes: tuple[OtherNode, ...] = ()
    namespace: str = "hairpin"

    def find_endpoint(self, topology: Topology, service: str, backend: str) -> Endpoint | None:
        """Return a backend's entry among a Service's endpoints.

        A backend that is declared terminating may have none. Then its pod's address stands for it.
        """
        listed = (one for one in self.services[service].endpoints if one.backend == backend)
        if found := next(listed, None):
            return found
        pod, address = topology.workload.backends_by_name.get(backend), self.pods.get(backend)
        if pod is None or address is None or not pod.state.terminating:
            return None
        unlisted = Conditions(ready=False, serving=pod.state.serving, terminating=True)
        return Endpoint.of(pod, address, self.port_of(pod), unlisted)

    def port_of(self, backend: Backend) -> int:
        """Return the port at which a backend listens."""
        return self.ports.get(backend.name, backend.port)


def declared(topology: Topology) -> Snapshot:
    """Return the snapshot of a fresh cluster of this topology, its addresses assigned in declared order.

    ClusterIPs count from the service CIDR's 50th address, NodePorts from 30080, pod addresses from the 10th of the
    node's pod CIDR (of `cni.pod_cidr` where the node has none), load balancer addresses from the pool's first host.
    """
    pods, balanced = pod_addresses(topology), _balanced_addresses(topology)
    services = {
        service.name: _state(topology, service, index, pods, balanced.get(service.name, ()))
        for index, service in enumerate(topology.workload.services)
    }
    return Snapshot(pods=pods, services=services)


def _state(
    topology: Topology, service: Service, index: int, pods: dict[str, IPAddress], addresses: tuple[IPAddress, ...]
) -> ServiceState:
    address = addresses[0] if addresses else None
    local = service.external_traffic_policy is TrafficPolicy.LOCAL
    status = topology.balancer_status(service)
    hidden = status is BalancerStatus.HOSTNAME
    return ServiceState(
        name=service.name,
        type=service.type,
        cluster_ip=topology.service_cidr[50 + index],
        port=service.port,
        node_port=None if service.type is ServiceType.CLUSTER_IP else 30080 + index,
        external_ips=service.external_ips,
        load_balancer_ip=None if hidden else address,
        load_balancer_ip_mode="Proxy" if status is BalancerStatus.PROXY else "VIP",
        external_traffic_policy=service.external_traffic_policy,
        internal_traffic_policy=service.internal_traffic_policy,
        health_check_node_port=32000 + index if address and local else None,
        sticky=service.session_affinity == "ClientIP",
        endpoints=declared_endpoints(topology, service, pods),
        load_balancer_hostname=hostname(service.name) if address and hidden else None,
        load_balancer_address=address if hidden else None,
        load_balancer_source_ranges=service.load_balancer_source_ranges,
        load_balancer_ips=addresses if len(addresses) > 1 and not hidden else (),
    )


def declared_endpoints(
    topology: Topology, service: Service, addresses: Mapping[str, IPAddress], ports: Mapping[str, int] | None = None
) -> tuple[Endpoint, ...]:
    """Return a Service's endpoints in the conditions that follow from the declared states of its backends.

    Args:
        topology: The declared cluster.
        service: One of its Services.
        addresses: The pods' addresses by name. A backend without one has no endpoint.
        ports: The ports of backends that have another than declared, by name.

    """
    found = []
    for backend in topology.backends_of(service):
        conditions = declared_conditions(service, backend, topology.kubernetes)
        if conditions and backend.name in addresses:
            port = (ports or {}).get(backend.name, backend.port)
            found.append(Endpoint.of(backend, addresses[backend.name], port, conditions))
    return tuple(found)


def hostname(service: str) -> str:
    """Return the name that the lab's load balancer writes to status instead of an address."""
    return f"{service}.lb.hairpin.local"


def _balanced_addresses(topology: Topology) -> dict[str, tuple[IPAddress, ...]]:
    """Assign load balancer addresses to each Service of type LoadBalancer: by its place among all Services.

    A pool too small for all Services is assigned to the LoadBalancer Services alone. A Service that shares an address
    gets the owner's. If the addresses are the nodes' own, a Service gets those of all nodes that announce it.
    """
    services = topology.workload.services
    if not topology.load_balancer.exists:
        return {}
    balanced = [one for one in services if one.type is ServiceType.LOAD_BALANCER]
    if topology.load_balancer.address_is is AddressIs.NODE:
        return {one.name: tuple(node.address for node in topology.announcing_nodes(one)) for one in balanced}
    pool = topology.load_balancer.addresses or ASSUMED_POOL
    numbers = {one.name: number for number, one in enumerate(services, start=1)}
    if len(services) + 1 >= pool.num_addresses:
        owners = (one.name for one in balanced if not one.shares_address_of)
        numbers = {name: number for number, name in enumerate(owners, start=int(pool.prefixlen < POINT_TO_POINT))}
    return {one.name: (pool[numbers[one.shares_address_of or one.name]],) for one in balanced}
