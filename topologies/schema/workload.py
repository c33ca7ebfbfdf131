"""The declared workload: echo pods, the Services in front of them, and the clients.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from topologies.schema import limits
from topologies.schema.enums import (
    BalancerStatus,
    EndpointState,
    ServiceType,
    SessionAffinity,
    TrafficPolicy,
    VantageKind,
)
from topologies.schema.network import Model
from topologies.schema.scalars import (
    Address,
    BackendPort,
    Name,
    Network,
    NodeName,
    Port,
    ServiceName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Backend(Model):
    """An echo pod (agnhost netexec), pinned to a node. Services select it by `app`."""

    name: Name
    """The pod's name."""
    app: Name
    """The label by which Services select it."""
    node: NodeName
    """The node it runs on."""
    host_network: bool = False
    """`hostNetwork`. At most one such pod a node, because it reports its node's host name."""
    port: BackendPort = 8080
    """HTTP port; the same for all backends of an app."""
    state: EndpointState = EndpointState.READY
    """The state in which the run keeps the pod. `unready`: it runs and answers, but its readiness probe fails.
    `terminating`: it was Ready and is deleted, and serves until the run ends. `terminating-unready`: both."""


class Service(Model):
    """A Service in front of the echo pods of one app. NodePorts are the API's to give."""

    name: ServiceName
    """The Service's name."""
    app: Name
    """Selects the backends. If no backend has this app, the Service is probed for how it refuses."""
    type: ServiceType = ServiceType.CLUSTER_IP
    """`spec.type`."""
    port: Port = 80
    """`spec.ports[0].port`."""
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    """`spec.externalTrafficPolicy`."""
    internal_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    """`spec.internalTrafficPolicy`."""
    session_affinity: SessionAffinity = SessionAffinity.NONE
    """`spec.sessionAffinity`."""
    external_ips: Annotated[tuple[Address, ...], Field(max_length=limits.LISTENERS)] = ()
    """`spec.externalIPs`."""
    load_balancer_status: BalancerStatus | None = None
    """`load_balancer.status` for this Service alone (ACK's hostname annotation, CCE's pass-through)."""
    shares_address_of: ServiceName | None = None
    """The Service whose balancer address this one has too, on another port."""
    load_balancer_source_ranges: Annotated[tuple[Network, ...], Field(max_length=limits.LISTENERS)] = ()
    """`spec.loadBalancerSourceRanges`. Empty means everybody."""
    publish_not_ready_addresses: bool = False
    """`spec.publishNotReadyAddresses`. If true, every backend is a ready endpoint, whatever its state."""

    def is_ready(self, backend: Backend) -> bool:
        """Return whether a backend is a ready endpoint of this Service (pkg/controller/endpointslice podToEndpoint)."""
        return self.publish_not_ready_addresses or backend.state is EndpointState.READY


class Vantage(Model):
    """A client: a pod, a node, an echo pod that asks itself, or a host outside."""

    name: Name
    """Any name; part of cell ids, and a pod's name for kinds `pod` and `node`."""
    kind: VantageKind
    """`pod`, `node` (a hostNetwork pod), `backend` (an echo pod itself), `ssh` (a node by SSH), `external`."""
    node: NodeName | None = None
    """The node, for all kinds but `external`. Default for `backend`: the backend's node."""
    backend: Name | None = None
    """The backend, for kind `backend`."""
    external: Name | None = None
    """The host outside, for kind `external`."""

    @property
    def on_host_network(self) -> bool:
        """A process of the node itself: a hostNetwork pod or an SSH session."""
        return self.kind in {VantageKind.NODE, VantageKind.SSH}

    @property
    def is_pod(self) -> bool:
        """Whether it is a process of a pod, whose DNS server the kubelet configures."""
        return self.kind in {VantageKind.POD, VantageKind.NODE, VantageKind.BACKEND}

    @property
    def host(self) -> str:
        """Whose client ports it uses: those of its node, its external host, or its own pod."""
        return (self.node if self.on_host_network else self.external) or self.name


class Workload(Model):
    """What a run deploys, and where it asks from."""

    backends: Annotated[tuple[Backend, ...], Field(max_length=limits.BACKENDS)]
    """Echo pods."""
    services: Annotated[tuple[Service, ...], Field(max_length=limits.SERVICES)]
    """Services."""
    vantages: Annotated[tuple[Vantage, ...], Field(max_length=limits.VANTAGES)]
    """Clients."""

    @cached_property
    def backends_by_name(self) -> Mapping[str, Backend]:
        """The backends by name."""
        return {backend.name: backend for backend in self.backends}

    @cached_property
    def backends_by_app(self) -> Mapping[str, tuple[Backend, ...]]:
        """The backends of each app, in declared order."""
        members: dict[str, list[Backend]] = {}
        for backend in self.backends:
            members.setdefault(backend.app, []).append(backend)
        return {app: tuple(backends) for app, backends in members.items()}

    @cached_property
    def ready_nodes_by_app(self) -> Mapping[str, frozenset[str]]:
        """The nodes that run a backend in state `ready`, for each app."""
        return {
            app: frozenset(one.node for one in backends if one.state is EndpointState.READY)
            for app, backends in self.backends_by_app.items()
        }

    @cached_property
    def services_by_name(self) -> Mapping[str, Service]:
        """The Services by name."""
        return {service.name: service for service in self.services}

    @cached_property
    def services_with_shared_address(self) -> frozenset[str]:
        """The names of the Services that share a load balancer address with another Service."""
        sharing = [service for service in self.services if service.shares_address_of]
        return frozenset(name for one in sharing for name in (one.name, one.shares_address_of) if name)
