"""Read objects of the API into our own values. Pure. IPv4 only: an IPv6 address is left out, never an error.

Errors in an object's shape (AttributeError, TypeError, …) are for the caller to name: `api.reading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.cluster import manifests
from topologies.cluster.api import ClusterError
from topologies.cluster_state.api_fields import get_metadata, get_name, get_spec, require
from topologies.cluster_state.pod_states import classify
from topologies.cluster_state.snapshot import Endpoint, PodStatus, ServiceState
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema.enums import EndpointState, ServiceType, TrafficPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kubernetes import client

    from topologies.schema.topology import Topology


SERVICE_NAME = "kubernetes.io/service-name"  # a label of EndpointSlices
STATES = {(state.serving, state.terminating): state for state in EndpointState}  # by Ready, and by deletion


def ipv4(text: str | None) -> IPAddress | None:
    """Return an IPv4 address; None for an IPv6 one, and where there is none."""
    return IPAddress(text) if text and ":" not in text else None


def pod_address(pod: client.V1Pod) -> IPAddress | None:
    """Return the pod's first IPv4 address: in a dual-stack cluster the IPv6 one may come first."""
    if pod.status is None:
        return None
    listed = [pod.status.pod_ip, *(one.ip for one in pod.status.pod_ips or [])]
    return next((address for text in listed if (address := ipv4(text))), None)


def pod_status(pod: client.V1Pod, node_name_of: Callable[[str], str]) -> PodStatus:
    """Return the status of a V1Pod; one that is being deleted is not Ready any more.

    Args:
        pod: The V1Pod.
        node_name_of: Returns the declared name of a node by its name in the API.

    """
    state, deleted = classify(pod), get_metadata(pod).deletion_timestamp is not None
    containers = (pod.status.container_statuses if pod.status else None) or []
    reason = "" if state.ready else state.reason
    return PodStatus(
        uid=get_metadata(pod).uid or "",
        node=node_name_of(pod.spec.node_name) if pod.spec and pod.spec.node_name else None,
        not_ready="it is being deleted" if deleted else reason,
        restarts=sum(container.restart_count or 0 for container in containers),
        state=STATES[state.ready, deleted] if state.ready or state.started else None,
    )


def service_state(
    service: client.V1Service,
    endpoints: tuple[Endpoint, ...],
    others: tuple[str, ...] = (),
) -> ServiceState:
    """Return the state of a V1Service with these endpoints; of several balancer addresses all IPv4 ones.

    Args:
        service: The V1Service.
        endpoints: Those of declared backends.
        others: The addresses of all other ready endpoints.

    """
    spec, status = get_spec(service), service.status
    port = require(spec.ports, "spec.ports")[0]
    ingress = (status.load_balancer.ingress or []) if status and status.load_balancer else []
    addresses = tuple(address for one in ingress if (address := ipv4(one.ip)))
    first = next((one for one in ingress if ipv4(one.ip)), ingress[0] if ingress else None)
    return ServiceState(
        name=get_name(service),
        type=ServiceType(require(spec.type, "spec.type")),
        cluster_ip=_cluster_ip(service),
        port=port.port,
        node_port=port.node_port or None,
        external_ips=tuple(address for text in spec.external_ips or [] if (address := ipv4(text))),
        load_balancer_ip=ipv4(first.ip) if first else None,
        load_balancer_hostname=first.hostname if first else None,
        ipv6=tuple(one.ip for one in ingress if one.ip and not ipv4(one.ip)),
        load_balancer_address=_annotated_address(service, first),
        load_balancer_source_ranges=_ranges(spec.load_balancer_source_ranges),
        load_balancer_ips=addresses if len(addresses) > 1 else (),
        load_balancer_ip_mode=getattr(first, "ip_mode", None) or "VIP",
        external_traffic_policy=TrafficPolicy(spec.external_traffic_policy or "Cluster"),
        internal_traffic_policy=TrafficPolicy(spec.internal_traffic_policy or "Cluster"),
        health_check_node_port=spec.health_check_node_port or None,
        sticky=spec.session_affinity == "ClientIP",
        endpoints=endpoints,
        other_endpoints=others,
    )


def _cluster_ip(service: client.V1Service) -> IPAddress:
    """Return the Service's IPv4 ClusterIP; ClusterError where it has none: IPv6 is not asked."""
    listed = [get_spec(service).cluster_ip, *(get_spec(service).cluster_ips or [])]
    if address := next((found for text in listed if (found := ipv4(text))), None):
        return address
    name = get_name(service)
    message = f"Service {name} has the ClusterIP {listed[0]}, want an IPv4 address: Hairpin asks IPv4 only"
    raise ClusterError(message)


def _ranges(texts: list[str] | None) -> tuple[IPNetwork, ...]:
    """Return those of IPv4."""
    return tuple(IPNetwork(text, strict=False) for text in texts or [] if ":" not in text)


def _annotated_address(service: client.V1Service, ingress: client.V1LoadBalancerIngress | None) -> IPAddress | None:
    """Return the address that the lab's balancer writes to an annotation if status has only a hostname."""
    text = (get_metadata(service).annotations or {}).get(manifests.ADDRESS_ANNOTATION)
    return IPAddress(text) if text and ingress and ingress.hostname else None


def read_endpoints(item: client.V1Endpoints, topology: Topology) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """Return the echo pods among the addresses of an Endpoints object, by name, and the other ready addresses."""
    hosts = topology.workload.backends_by_name
    ready = [address for subset in item.subsets or [] for address in subset.addresses or []]
    others = tuple(one.ip for one in ready if not one.target_ref or one.target_ref.name not in hosts)
    return tuple(sorted(_entries(item, topology), key=lambda entry: entry.backend)), others


def _entries(item: client.V1Endpoints, topology: Topology) -> Iterator[Endpoint]:
    hosts = topology.workload.backends_by_name
    for subset in item.subsets or []:
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            for address in addresses or []:
                name = (address.target_ref.name if address.target_ref else "") or ""
                if name in hosts and (found := ipv4(address.ip)):
                    yield Endpoint(
                        backend=name,
                        address=found,
                        port=subset.ports[0].port if subset.ports else 0,
                        node=topology.node_name_of(address.node_name or ""),
                        host_network=hosts[name].host_network,
                        ready=ready,
                        serving=ready,
                    )


def read_slices(
    items: Iterable[client.V1EndpointSlice], topology: Topology
) -> dict[str, tuple[tuple[Endpoint, ...], tuple[str, ...]]]:
    """Return what `read_endpoints` does for each Service, from EndpointSlices, which have all conditions."""
    found: dict[str, tuple[list[Endpoint], list[str]]] = {}
    for item in items:
        service = (get_metadata(item).labels or {}).get(SERVICE_NAME)
        if service and item.address_type == "IPv4":
            endpoints, others = found.setdefault(service, ([], []))
            _read_slice(item, topology, endpoints, others)
    return {
        name: (tuple(sorted(endpoints, key=lambda entry: entry.backend)), tuple(others))
        for name, (endpoints, others) in found.items()
    }


def _read_slice(item: client.V1EndpointSlice, topology: Topology, endpoints: list[Endpoint], others: list[str]) -> None:
    hosts = topology.workload.backends_by_name
    port = (item.ports[0].port if item.ports else None) or 0
    for one in item.endpoints or []:
        ready, serving, terminating = _conditions(one.conditions)
        name = (one.target_ref.name if one.target_ref else "") or ""
        if name not in hosts:
            others.extend(one.addresses if ready else ())
        elif address := ipv4(one.addresses[0]):
            node = topology.node_name_of(one.node_name or "")
            host_network = hosts[name].host_network
            endpoints.append(Endpoint(name, address, port, node, host_network, ready, serving, terminating))


def _conditions(conditions: client.V1EndpointConditions | None) -> tuple[bool, bool, bool]:
    """Return ready, serving and terminating as kube-proxy reads them (pkg/proxy/endpointslicecache.go)."""
    if conditions is None:
        return True, True, False
    ready, serving = conditions.ready is not False, conditions.serving is not False
    return ready, serving, bool(conditions.terminating)
