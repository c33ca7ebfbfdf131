"""Services and EndpointSlices of the API as ports with frontends and endpoints. Pure; IPv4 only.

Source: staging/src/k8s.io/api/core/v1/types.go (ServiceSpec), discovery/v1/types.go (EndpointConditions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]
OTHERS_SERVE = ("service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name")  # rows 11 and 12
SERVICE_NAME = "kubernetes.io/service-name"
DEFAULT_AFFINITY_S = 10800
SLICES = ("/apis/discovery.k8s.io/v1/endpointslices", "/apis/discovery.k8s.io/v1beta1/endpointslices")  # v1: 1.21
HOSTNAME = "kubernetes.io/hostname"
SERVICES = "/api/v1/services"


class Kind(StrEnum):
    """A kind of frontend."""

    CLUSTER_IP = "clusterIP"
    NODE_PORT = "nodePort"
    LB_IP = "load balancer IP"
    EXTERNAL_IP = "externalIP"


@dataclass(frozen=True, slots=True, order=True)
class ServiceEndpoint:
    """One address and port that serves.

    `terminating`: its pod is being deleted. `distant`: trafficDistribution prefers others.
    """

    address: str
    port: int
    node: str = ""
    terminating: bool = False
    distant: bool = False


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service."""

    service: str
    protocol: str
    port: int
    cluster_ip: str = ""
    node_port: int = 0
    lb_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    external_local: bool = False
    internal_local: bool = False
    affinity_s: int = 0
    """The timeout of sessionAffinity ClientIP in seconds; 0 without affinity."""
    health_port: int = 0
    endpoints: tuple[ServiceEndpoint, ...] = ()

    def frontends(self, node_addresses: Iterable[str]) -> Iterator[tuple[Kind, str, int]]:
        """Yield kind, address and port of each frontend on a node with these addresses."""
        if self.cluster_ip:
            yield Kind.CLUSTER_IP, self.cluster_ip, self.port
        if self.node_port:
            yield from ((Kind.NODE_PORT, address, self.node_port) for address in node_addresses)
        yield from ((Kind.LB_IP, address, self.port) for address in self.lb_ips)
        yield from ((Kind.EXTERNAL_IP, address, self.port) for address in self.external_ips)


def read_ports(services: Iterable[Object], slices: Iterable[Object], node: str, zone: str = "") -> list[ServicePort]:
    """Return every port of every Service that this data plane serves, in the order of their names.

    Args:
        services: The Services.
        slices: The EndpointSlices.
        node: The node that the endpoints are selected for, where trafficDistribution applies.
        zone: Its zone.

    """
    by_service: dict[str, list[Object]] = {}
    for one in slices:
        labels = one["metadata"].get("labels") or {}
        if one["addressType"] == "IPv4" and SERVICE_NAME in labels:
            by_service.setdefault(f"{one['metadata']['namespace']}/{labels[SERVICE_NAME]}", []).append(one)
    ports = []
    for service in services:
        own = by_service.get(_key(service), [])
        ports += [_read_port(service, port, _endpoints(own, port, node, zone)) for port in _served_ports(service)]
    return sorted(ports, key=lambda one: (one.service, one.protocol, one.port))


def _key(service: Object) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def _served_ports(service: Object) -> list[Object]:
    labels, spec = service["metadata"].get("labels") or {}, service["spec"]
    is_others = any(label in labels for label in OTHERS_SERVE)
    if is_others or spec.get("type") == "ExternalName" or spec.get("clusterIP") in {None, "", "None"}:
        return []
    return list(spec.get("ports") or [])


def _read_port(service: Object, port: Object, endpoints: tuple[ServiceEndpoint, ...]) -> ServicePort:
    spec = service["spec"]
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    balanced = spec.get("type") == "LoadBalancer"
    return ServicePort(
        service=_key(service),
        protocol=port.get("protocol", "TCP").lower(),
        port=port["port"],
        cluster_ip=spec["clusterIP"],
        node_port=port.get("nodePort", 0),
        lb_ips=tuple(one["ip"] for one in ingress if balanced and one.get("ip") and one.get("ipMode") != "Proxy"),
        external_ips=tuple(spec.get("externalIPs") or ()),
        external_local=spec.get("externalTrafficPolicy") == "Local",
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        affinity_s=_affinity(spec),
        health_port=spec.get("healthCheckNodePort", 0),
        endpoints=endpoints,
    )


def _affinity(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_S)


def _endpoints(slices: Iterable[Object], port: Object, node: str, zone: str) -> tuple[ServiceEndpoint, ...]:
    """Return the endpoints of one port: each address once, and those that do not serve left out (rows 8 and 56)."""
    found: dict[str, tuple[ServiceEndpoint, Object]] = {}
    for one in slices:
        name = port.get("name", "")
        numbers = [given["port"] for given in one.get("ports") or () if (given.get("name") or "") == name]
        for endpoint in one.get("endpoints") or () if numbers else ():
            conditions = endpoint.get("conditions") or {}
            ready = conditions.get("ready") is not False
            if ready or conditions.get("serving"):
                for address in endpoint["addresses"]:
                    read = ServiceEndpoint(address, numbers[0], _node_of(endpoint), not ready)
                    found[address] = read, endpoint.get("hints") or {}
    return tuple(sorted(_mark_distant(list(found.values()), node, zone)))


def _node_of(endpoint: Object) -> str:
    """Return the node of an endpoint, which discovery/v1beta1 has in another place."""
    return str(endpoint.get("nodeName") or (endpoint.get("topology") or {}).get(HOSTNAME, ""))


def _mark_distant(found: list[tuple[ServiceEndpoint, Object]], node: str, zone: str) -> list[ServiceEndpoint]:
    """Return the endpoints, `distant` if the hints prefer others: those of this node, else of this zone (64 and 65).

    Hints count only if every ready endpoint has them.
    """
    ready = [(one, hints) for one, hints in found if not one.terminating]
    for key, name in (("forNodes", node), ("forZones", zone)):
        near = {one for one, hints in ready if name in {hint["name"] for hint in hints.get(key) or ()}}
        if near and all(hints.get(key) for _, hints in ready):
            return [replace(one, distant=one not in near) for one, _ in found]
    return [one for one, _ in found]
