"""Service -> the addresses it is reached at. Symbolic, so that a plan needs no cluster; a snapshot makes them real."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.schema.topology import Node, Topology

LOOPBACK = IPAddress("127.0.0.1")


class FrontendKind(StrEnum):
    """The kinds of address a Service has, its name, and the pod's own address as the baseline."""

    CLUSTER_IP = "clusterip"
    DNS_NAME = "dnsname"  # its name in the cluster's DNS
    NODE_PORT = "nodeport"
    LOAD_BALANCER = "loadbalancer"
    EXTERNAL_IP = "externalip"
    ENDPOINT = "endpoint"  # the backend's own address and port: the baseline, no Service involved


class At(StrEnum):
    """Which of a node's local addresses a NodePort is asked at."""

    PRIMARY = "primary"
    BRIDGE = "cni0"  # the device towards the node's own pods, under any name
    TUNNEL = "vtep"  # the tunnel device, of any kind
    LOOPBACK = "loopback"
    SECONDARY = "secondary"  # a second network card's
    PUBLIC = "public"  # translated 1:1 by the network, on no device of the node


@dataclass(frozen=True, slots=True)
class Frontend:
    """An address:port a Service is reached at.

    `declared` is False for a port that no Service declares; `listener` names the balancer's listener there, if any;
    `index`: which of the Service's externalIPs. `node`: the node whose NodePort or load balancer IP it is.
    """

    service: str
    kind: FrontendKind
    node: str | None = None
    at: At = At.PRIMARY
    backend: str | None = None
    declared: bool = True
    listener: str | None = None
    index: int = 0

    @property
    def label(self) -> str:
        """In cell ids: `nodeport.n2-cni0`, `nodeport.loopback`, `loadbalancer.undeclared`, `loadbalancer.LISTENER`.

        A load balancer IP that is a node's own is `loadbalancer.n1`, or `loadbalancer.n1.undeclared`.

        The second externalIP of a Service is `externalip.2`.
        """
        place = self.backend or self.node or (str(self.index + 1) if self.index else "")
        if self.at is At.LOOPBACK:
            place = "loopback"
        elif self.at is not At.PRIMARY:
            place = f"{place}-{self.at}"
        parts = [self.kind.value, place, "" if self.declared else self.listener or "undeclared"]
        return ".".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a packet is sent: an IPv4 address and a TCP or UDP port.

    `name`: the DNS name by which the client asks for the address; empty if it has the address itself.
    """

    address: IPAddress
    port: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.address}:{self.port}"


class UnresolvedError(HairpinError, LookupError):
    """The live cluster has (yet) no address for this frontend; the message names what is missing."""


def resolve(frontend: Frontend, topology: Topology, snapshot: Snapshot) -> Target:
    """Return the frontend's address and port in this cluster; UnresolvedError if the API has none."""
    state = snapshot.services.get(frontend.service)
    if state is None:
        message = f"Service {frontend.service} is not in the cluster: got {sorted(snapshot.services)}"
        raise UnresolvedError(message)
    if frontend.kind is FrontendKind.ENDPOINT:
        endpoint = find_endpoint(frontend, topology, snapshot)
        return Target(endpoint.address, endpoint.port)
    if frontend.kind is FrontendKind.NODE_PORT:
        if state.node_port is None:
            message = f"Service {state.name} has no nodePort, want one for {frontend.label}"
            raise UnresolvedError(message)
        return Target(_node_address(frontend, topology), state.node_port)
    if frontend.kind is FrontendKind.DNS_NAME:
        return Target(state.cluster_ip, state.port, _dns_name(frontend, topology, snapshot))
    return Target(_virtual_address(frontend, topology, state), _port(frontend, topology, state))


def _dns_name(frontend: Frontend, topology: Topology, snapshot: Snapshot) -> str:
    """Return the Service's name in the cluster's DNS. Its last dot makes it absolute: no search list is applied."""
    if topology.cluster_dns is None:
        message = f"topology {topology.name} declares no cluster_dns, want it for {frontend.label}"
        raise UnresolvedError(message)
    return f"{frontend.service}.{snapshot.namespace}.svc.{topology.cluster_dns.domain}."


def _port(frontend: Frontend, topology: Topology, state: ServiceState) -> int:
    """Return the Service's port, or the last port of a listener's range."""
    if frontend.declared:
        return state.port
    if not frontend.listener:
        return topology.load_balancer.undeclared_port
    listener = topology.load_balancer.listeners_by_name[frontend.listener]
    return listener.until or listener.port


def find_endpoint(frontend: Frontend, topology: Topology, snapshot: Snapshot) -> Endpoint:
    """Return the endpoint that a frontend of kind `endpoint` asks directly; UnresolvedError if the API has none."""
    if found := snapshot.find_endpoint(topology, frontend.service, frontend.backend or ""):
        return found
    message = f"{frontend.backend} is no endpoint of Service {frontend.service}: is the pod Ready?"
    raise UnresolvedError(message)


def _node_address(frontend: Frontend, topology: Topology) -> IPAddress:
    if frontend.at is At.LOOPBACK:
        return LOOPBACK
    node = topology.node(frontend.node or "")
    address, field = {
        At.PRIMARY: (node.address, "address"),
        At.BRIDGE: (topology.cni.bridge_address_of(node), "pod_cidr or bridge_address"),
        At.TUNNEL: (topology.cni.tunnel_address_of(node), "pod_cidr or tunnel_address"),
        At.SECONDARY: (node.secondary_address, "secondary_address"),
        At.PUBLIC: (node.public_address, "public_address"),
    }[frontend.at]
    if address is None:
        message = f"node {node.name} declares no {field}, so it has no {frontend.at} address"
        raise UnresolvedError(message)
    return address


def _balanced_at_node(node: Node, state: ServiceState) -> IPAddress:
    """Return the node's own address, which must be one of those in the Service's status."""
    if node.address in state.balanced:
        return node.address
    found = ", ".join(map(str, state.balanced)) or "nothing"
    message = f"Service {state.name} has {found} in status.loadBalancer, want {node.address} of {node.name}"
    raise UnresolvedError(message)


def _virtual_address(frontend: Frontend, topology: Topology, state: ServiceState) -> IPAddress:
    if frontend.kind is FrontendKind.CLUSTER_IP:
        return state.cluster_ip
    if frontend.kind is FrontendKind.EXTERNAL_IP and frontend.index < len(state.external_ips):
        return state.external_ips[frontend.index]
    if frontend.kind is FrontendKind.LOAD_BALANCER and frontend.node:
        return _balanced_at_node(topology.node(frontend.node), state)
    if frontend.kind is FrontendKind.LOAD_BALANCER and state.balanced_at:
        return state.balanced_at
    found = f"got only IPv6 {', '.join(state.ipv6)}" if state.ipv6 else "status.loadBalancer or externalIPs is empty"
    message = f"Service {state.name} has no IPv4 address for {frontend.kind}: {found}"
    raise UnresolvedError(message)
