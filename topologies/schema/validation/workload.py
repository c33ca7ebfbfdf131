"""Rules of the workload: what the API, the echo pods and the cell ids ask of backends, Services and vantages.

The API would refuse some of this too, but only once half of the workload is deployed.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from topologies.schema import limits
from topologies.schema.complaints import Complaint, duplicates, offer
from topologies.schema.enums import DeviantOutcome, EndpointState, ServiceType, TrafficPolicy, VantageKind
from topologies.schema.pod_addresses import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.topology import Backend, Service, Topology, Vantage

POD_KINDS = {VantageKind.POD, VantageKind.NODE}
RESERVED_APP = "prober"  # the probers' own label, see cluster/manifests.py
RESERVED_SERVICE = re.compile(r"settled-[0-9]+")  # see cluster/proxy_barrier.py
FIRST_CLUSTER_IP = 50  # where the predicted ones begin, see cluster_state/snapshot.py
REFERENCES = {
    VantageKind.POD: ("node",),
    VantageKind.NODE: ("node",),
    VantageKind.SSH: ("node",),
    VantageKind.BACKEND: ("backend", "node"),
    VantageKind.EXTERNAL: ("external",),
}


def names(topology: Topology) -> Iterator[Complaint]:
    """Check that names are unique, also among backends and probers, which are pods of one namespace."""
    work = topology.workload
    yield from duplicates("workload.backends[].name", (one.name for one in work.backends))
    yield from duplicates("workload.services[].name", (one.name for one in work.services))
    yield from duplicates("workload.vantages[].name", (one.name for one in work.vantages))
    pods = {one.name for one in work.backends}
    for index, vantage in enumerate(work.vantages):
        if vantage.kind in POD_KINDS and vantage.name in pods:
            yield Complaint(f"workload.vantages[{index}].name", vantage.name, "a name that is no backend's")
    if len(work.vantages) * len(work.services) <= limits.CELLS:
        pairs = (f"{one.name}-to-{other.name}" for one in work.vantages for other in work.services)
        yield from duplicates("workload: cell ids VANTAGE-to-SERVICE", pairs)


def backends(topology: Topology) -> Iterator[Complaint]:
    """Check that each backend has a node, each app one port, and each answer identifies its backend."""
    nodes = dict.fromkeys(node.name for node in topology.nodes)
    ports: dict[str, int] = {}
    for index, backend in enumerate(topology.workload.backends):
        path = f"workload.backends[{index}]"
        if backend.node not in nodes:
            yield Complaint(f"{path}.node", backend.node, offer(backend.node, nodes))
        if backend.app == RESERVED_APP:
            yield Complaint(f"{path}.app", RESERVED_APP, "another app: the probers have that label")
        if (first := ports.setdefault(backend.app, backend.port)) != backend.port:
            yield Complaint(f"{path}.port", str(backend.port), f"{first}, as other backends of app {backend.app} have")
        yield from _state(topology, path, backend)
    yield from _identities(topology)
    yield from _runnable(topology)


def _state(topology: Topology, path: str, backend: Backend) -> Iterator[Complaint]:
    """Check that a state other than `ready` is one of an endpoint: of a backend that a Service selects."""
    selected = any(service.app == backend.app for service in topology.workload.services)
    if backend.state is not EndpointState.READY and not selected:
        want = f"ready, because a backend has a state as an endpoint only and no Service selects app {backend.app}"
        yield Complaint(f"{path}.state", backend.state, want)


def _runnable(topology: Topology) -> Iterator[Complaint]:
    """Check that the image runs on each node with a pod of the workload."""
    reasons = {node.name: why for node in topology.nodes if (why := topology.why_no_pods_on(node))}
    work = topology.workload
    pods = [(f"workload.backends[{index}].node", one.node) for index, one in enumerate(work.backends)]
    pods += [
        (f"workload.vantages[{index}].node", one.node)
        for index, one in enumerate(work.vantages)
        if one.kind in POD_KINDS and one.node
    ]
    for path, node in pods:
        if node in reasons:
            yield Complaint(path, f"{node}: {reasons[node]}", "a node that can run the image")


def _identities(topology: Topology) -> Iterator[Complaint]:
    """Check that host names identify backends: a hostNetwork pod reports its node's, assumed to be `metadata.name`."""
    names = {node.name: node.api_name for node in topology.nodes}
    declared = topology.workload.backends
    reported = Counter(names.get(one.node, one.node) if one.host_network else one.name for one in declared)
    for index, backend in enumerate(declared):
        host = names.get(backend.node, backend.node)
        if backend.host_network and reported[host] > 1:
            got = f"another backend that reports the host name {host}"
            yield Complaint(f"workload.backends[{index}].host_network", got, "one such backend a node")


def rooms(topology: Topology) -> Iterator[Complaint]:
    """Check that each node's pod range has room for its pods."""
    work = topology.workload
    backend_nodes = [one.node for one in work.backends if not one.host_network]
    backend_nodes += [one.node for one in work.vantages if one.kind is VantageKind.POD and one.node]
    counts = Counter(backend_nodes)
    for index, node in enumerate(topology.nodes):
        need = counts[node.name] + RESERVED
        if node.pod_cidr and counts[node.name] and node.pod_cidr.num_addresses < need:
            want = f"a range of at least {need} addresses: {counts[node.name]} pods of the workload run there"
            yield Complaint(f"nodes[{index}].pod_cidr", str(node.pod_cidr), want)


def services(topology: Topology) -> Iterator[Complaint]:
    """Check that the API would accept each Service."""
    declared = topology.workload.services
    for index, service in enumerate(declared):
        path = f"workload.services[{index}]"
        if service.app == RESERVED_APP:
            yield Complaint(f"{path}.app", RESERVED_APP, "another app: the probers have that label")
        if RESERVED_SERVICE.fullmatch(service.name):
            yield Complaint(f"{path}.name", service.name, "another name: runs make Services of that name")
        yield from _of_type(path, service)
    yield from _sharing(declared)
    exposed = (f"{address}:{service.port}" for service in declared for address in service.external_ips)
    yield from duplicates("workload.services[].external_ips with their ports", exposed)


def _of_type(path: str, service: Service) -> Iterator[Complaint]:
    if service.type is ServiceType.CLUSTER_IP and service.external_traffic_policy is TrafficPolicy.LOCAL:
        want = "Cluster: only a NodePort or LoadBalancer Service has that field"
        yield Complaint(f"{path}.external_traffic_policy", "Local", want)
    if service.type is ServiceType.LOAD_BALANCER:
        return
    for field in ("load_balancer_source_ranges", "load_balancer_status", "shares_address_of"):
        if getattr(service, field):
            yield Complaint(f"{path}.{field}", f"it with type {service.type}", "type LoadBalancer")


def _sharing(declared: tuple[Service, ...]) -> Iterator[Complaint]:
    owners = {one.name: one for one in declared if one.type is ServiceType.LOAD_BALANCER and not one.shares_address_of}
    taken = {(name, one.port) for name, one in owners.items()}
    for index, service in enumerate(declared):
        path, name = f"workload.services[{index}]", service.shares_address_of
        if not name:
            continue
        if name not in owners:
            kind = "a Service of type LoadBalancer with an address of its own: "
            yield Complaint(f"{path}.shares_address_of", name, offer(name, sorted(owners), kind))
        elif (name, service.port) in taken:
            yield Complaint(f"{path}.port", str(service.port), f"another port than {name}'s, on the same address")
        taken.add((name, service.port))


def service_range(topology: Topology) -> Iterator[Complaint]:
    """Check that the Services fit into service_cidr."""
    need = FIRST_CLUSTER_IP + len(topology.workload.services) + 1
    if topology.workload.services and topology.service_cidr.num_addresses < need:
        want = f"a range of at least {need} addresses for {len(topology.workload.services)} Services"
        yield Complaint("service_cidr", str(topology.service_cidr), want)


def vantages(topology: Topology) -> Iterator[Complaint]:
    """Check that each vantage refers to what its kind needs, and to nothing else."""
    known = {
        "node": dict.fromkeys(node.name for node in topology.nodes),
        "backend": dict.fromkeys(backend.name for backend in topology.workload.backends),
        "external": dict.fromkeys(host.name for host in topology.external),
    }
    backend_nodes = {backend.name: backend.node for backend in topology.workload.backends}
    for index, vantage in enumerate(topology.workload.vantages):
        path = f"workload.vantages[{index}]"
        for field, options in known.items():
            yield from _reference(f"{path}.{field}", vantage, field, options)
        backend_node = backend_nodes.get(vantage.backend or "")
        if vantage.kind is VantageKind.BACKEND and backend_node and vantage.node not in {None, backend_node}:
            yield Complaint(f"{path}.node", str(vantage.node), f"{backend_node}, the node of {vantage.backend}")
    if topology.nodes and not topology.workload.vantages:
        yield Complaint("workload.vantages", "none", "at least one place to ask from")


def _reference(path: str, vantage: Vantage, field: str, options: dict[str, None]) -> Iterator[Complaint]:
    value = getattr(vantage, field)
    if field not in REFERENCES[vantage.kind]:
        if value is not None:
            yield Complaint(path, value, f"no {field}: a vantage of kind {vantage.kind} has none")
    elif value is None and field == REFERENCES[vantage.kind][0]:
        yield Complaint(path, "nothing", offer("", options))
    elif value is not None and value not in options:
        yield Complaint(path, value, offer(value, options))


def size(topology: Topology) -> Iterator[Complaint]:
    """Check that the plan stays within what a run and its reports can hold."""
    work = topology.workload
    cards = _count_addresses(topology)
    outside = [one for one in work.services if one.type is not ServiceType.CLUSTER_IP]
    balanced = [one for one in outside if one.type is ServiceType.LOAD_BALANCER]
    frontends = len(work.services) * 2 + len(work.backends) + len(outside) * (cards + 3)
    frontends += len(balanced) * (2 + len(topology.load_balancer.listeners))
    if (cells := frontends * len(work.vantages)) > limits.CELLS:
        parts = f"{len(work.services)} Services x {len(work.vantages)} vantages x {len(topology.nodes)} nodes"
        got = f"{parts}: {cells} cells"
        yield Complaint("workload", got, f"at most {limits.CELLS}; declare fewer Services, vantages or nodes")


def _count_addresses(topology: Topology) -> int:
    """Return how many addresses of nodes a plan lists for one client and Service; the nodes beyond are counted."""
    seen: Counter[tuple[object, ...]] = Counter()
    addresses = 0
    for node in topology.nodes:
        known = (node.zone, node.arch, node.instance_type, node.kernel_version, node.kubelet_version)
        kind = (*known, node.proxy, node.kernel, node.cni)
        seen[kind] += 1
        if seen[kind] <= limits.LISTED:
            addresses += 1 + bool(node.secondary_address) + bool(node.public_address)
    return addresses


def deviations(topology: Topology) -> Iterator[Complaint]:
    """Check that only deviations with outcome `ok` declare `sources`: without an answer no backend sees an address."""
    for index, deviation in enumerate(topology.deviations):
        if deviation.sources and deviation.outcome is not DeviantOutcome.OK:
            got = f"addresses with outcome {deviation.outcome}"
            yield Complaint(f"deviations[{index}].sources", got, "none: only outcome ok has a source")
