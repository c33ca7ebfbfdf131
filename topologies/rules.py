"""Cross-reference rules of a topology: what no single field can know. Each rule yields its complaints."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from topologies.kinds import BalancerStatus, LoadBalancerKind, ProxyMode, ServiceType, VantageKind
from topologies.podranges import find_missing_ranges, find_small_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.model import Topology

IP_MODE = (1, 29)


class Complaint(NamedTuple):
    """One thing wrong in a topology file: where, what was found, what was wanted."""

    path: str
    got: str
    want: str

    def __str__(self) -> str:
        return f"{self.path}: got {self.got}, want {self.want}"


def complaints(topology: Topology) -> list[Complaint]:
    """Everything the rules find, in the order of the file."""
    found: list[Complaint] = []
    for rule in (_unique_names, _addresses, _backends, _services, _balancer, _vantages, _versions):
        found.extend(rule(topology))
    found.extend(Complaint(*one) for one in find_missing_ranges(topology))
    return found or [Complaint(*one) for one in find_small_ranges(topology)]


def _duplicates(path: str, names: Iterable[object]) -> Iterator[Complaint]:
    for name, times in Counter(str(name) for name in names).items():
        if times > 1:
            yield Complaint(path, f"{name} {times} times", "each once")


def _unique_names(topology: Topology) -> Iterator[Complaint]:
    work = topology.workload
    yield from _duplicates("nodes[].name", (node.name for node in topology.nodes))
    yield from _duplicates("external[].name", (host.name for host in topology.external))
    yield from _duplicates("workload.backends[].name", (backend.name for backend in work.backends))
    yield from _duplicates("workload.services[].name", (service.name for service in work.services))
    yield from _duplicates("workload.vantages[].name", (vantage.name for vantage in work.vantages))


def _addresses(topology: Topology) -> Iterator[Complaint]:
    if not topology.nodes:
        yield Complaint("nodes", "none", "at least one worker")
    yield from _duplicates("nodes[].address", (node.address for node in topology.nodes))
    for index, node in enumerate(topology.nodes):
        if node.pod_cidr and not node.pod_cidr.subnet_of(topology.cni.pod_cidr):
            yield Complaint(
                f"nodes[{index}].pod_cidr", str(node.pod_cidr), f"a part of cni.pod_cidr {topology.cni.pod_cidr}"
            )
        if node.address in topology.cni.pod_cidr and topology.cni.bridged:
            yield Complaint(f"nodes[{index}].address", str(node.address), "an address outside cni.pod_cidr")
    for index, host in enumerate(topology.external):
        among_pods = host.address in topology.cni.pod_cidr and topology.cni.bridged
        if among_pods or host.address in topology.service_cidr:
            yield Complaint(f"external[{index}].address", str(host.address), "a host outside the cluster's ranges")
    if topology.service_cidr.overlaps(topology.cni.pod_cidr):
        yield Complaint(
            "service_cidr", str(topology.service_cidr), f"no overlap with cni.pod_cidr {topology.cni.pod_cidr}"
        )


def _backends(topology: Topology) -> Iterator[Complaint]:
    nodes = {node.name for node in topology.nodes}
    for index, backend in enumerate(topology.workload.backends):
        if backend.node not in nodes:
            yield Complaint(f"workload.backends[{index}].node", backend.node, f"one of {sorted(nodes)}")
    hosted = [f"{backend.node}:{backend.port}" for backend in topology.workload.backends if backend.host_network]
    yield from _duplicates("workload.backends[].port on the host network", hosted)


def _services(topology: Topology) -> Iterator[Complaint]:
    for index, service in enumerate(topology.workload.services):
        path = f"workload.services[{index}]"
        if service.type is ServiceType.LOAD_BALANCER and topology.load_balancer.kind is LoadBalancerKind.NONE:
            yield Complaint(f"{path}.type", "LoadBalancer", "a load_balancer.kind other than none, or another type")
        outside = service.type is not ServiceType.CLUSTER_IP or service.external_ips
        if service.external_traffic_policy == "Local" and not outside:
            yield Complaint(
                f"{path}.external_traffic_policy", "Local", "Cluster: a plain ClusterIP Service has no external address"
            )


def _balancer(topology: Topology) -> Iterator[Complaint]:
    services = {service.name: service for service in topology.workload.services}
    balanced = sorted(name for name, one in services.items() if one.type is ServiceType.LOAD_BALANCER)
    for index, listener in enumerate(topology.load_balancer.listeners):
        path = f"load_balancer.listeners[{index}]"
        for field in ("service", "leads_to"):
            if (name := getattr(listener, field)) and name not in balanced:
                yield Complaint(f"{path}.{field}", name, f"a Service of type LoadBalancer: one of {balanced}")
        if listener.until is not None and listener.until < listener.port:
            yield Complaint(f"{path}.until", str(listener.until), f"a port from {listener.port} on")
    yield from _duplicates(
        "load_balancer.listeners[].name", (listener.name for listener in topology.load_balancer.listeners)
    )
    for index, service in enumerate(topology.workload.services):
        path = f"workload.services[{index}]"
        other = services.get(service.shares_address_of or "")
        if service.shares_address_of and service.shares_address_of not in balanced:
            yield Complaint(f"{path}.shares_address_of", service.shares_address_of, f"one of {balanced}")
        if other and other.port == service.port:
            yield Complaint(f"{path}.port", str(service.port), f"another port than {other.name}'s, on the same address")
    statuses = {topology.load_balancer.status, *(one.load_balancer_status for one in services.values())}
    if BalancerStatus.PROXY in statuses and topology.proxy_version < IP_MODE:
        yield Complaint("load_balancer.status", f"proxy with {topology.proxy_version}", "1.29 or newer (KEP-1860)")


def _vantages(topology: Topology) -> Iterator[Complaint]:
    known = {
        "node": {node.name for node in topology.nodes},
        "backend": {backend.name for backend in topology.workload.backends},
        "external": {host.name for host in topology.external},
    }
    needed = {
        VantageKind.POD: "node",
        VantageKind.NODE: "node",
        VantageKind.SSH: "node",
        VantageKind.BACKEND: "backend",
        VantageKind.EXTERNAL: "external",
    }
    for index, vantage in enumerate(topology.workload.vantages):
        field = needed[vantage.kind]
        value = getattr(vantage, field)
        if value not in known[field]:
            yield Complaint(f"workload.vantages[{index}].{field}", str(value), f"one of {sorted(known[field])}")
    if not topology.workload.vantages:
        yield Complaint("workload.vantages", "none", "at least one place to ask from")


def _versions(topology: Topology) -> Iterator[Complaint]:
    oldest, newest, nftables = (1, 20), (1, 36, 99), (1, 29)
    version = topology.proxy_version
    if not oldest <= version <= newest:
        yield Complaint("kubernetes", str(version), "1.20 … 1.36: no rule outside that range has been read")
    if topology.proxy.mode is ProxyMode.NFTABLES and version < nftables:
        yield Complaint("proxy.mode", f"nftables with {version}", "1.29 or newer (KEP-3866)")
