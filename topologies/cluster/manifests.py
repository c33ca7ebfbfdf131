"""Topology -> the objects of a run, as plain dicts. Pure. Everything carries the run's label and is removed by it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from topologies.schema.enums import ServiceType, TrafficPolicy, VantageKind

if TYPE_CHECKING:
    from topologies.schema.topology import Backend, Service, Topology, Vantage

Manifest = dict[str, Any]
MANAGED_BY = {"app.kubernetes.io/name": "hairpin", "app.kubernetes.io/managed-by": "hairpin"}
RUN_LABEL = "hairpin/run"
APP_LABEL = "hairpin/app"
SELECTOR = "app.kubernetes.io/managed-by=hairpin"
STATUS_ANNOTATION = "hairpin.local/load-balancer-status"  # on a Service: ip, hostname or proxy
SHARES_ANNOTATION = "hairpin.local/shares-address-of"  # on a Service: another's name
ADDRESS_ANNOTATION = "hairpin.local/load-balancer-address"  # written by the balancer beside a hostname
OWNER_ANNOTATION = "hairpin.local/owner"  # on a Namespace: user, host and pid of its run
LEASE = "run"  # the name of the Lease that a run renews in its namespace
NOBODY = 65534


def namespace(name: str, run: str, owner: str = "") -> Manifest:
    """Return the run's own namespace. Its Pod Security is privileged, because nodes probe from hostNetwork pods."""
    labels = _labels(run) | {"pod-security.kubernetes.io/enforce": "privileged"}
    metadata: Manifest = {"name": name, "labels": labels, "annotations": {OWNER_ANNOTATION: owner}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def lease(run: str, holder: str, seconds: int) -> Manifest:
    """Return the Lease by which others see that a run is at work; it expires `seconds` after its last renewal."""
    now = micro_time()
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "acquireTime": now, "renewTime": now}
    metadata = {"name": LEASE, "labels": _labels(run)}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def micro_time() -> str:
    """Return the time now as the API's MicroTime."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pods(topology: Topology, run: str) -> list[Manifest]:
    """Echo pods first, then the probers of every pod and node vantage."""
    echoes = [_echo(topology, backend, run) for backend in topology.workload.backends]
    kinds = {VantageKind.POD, VantageKind.NODE}
    return echoes + [_prober(topology, vantage, run) for vantage in topology.workload.vantages if vantage.kind in kinds]


def services(topology: Topology, run: str) -> list[Manifest]:
    """Return the Services, in declared order."""
    return [_service(service, topology, run) for service in topology.workload.services]


def mark(backend: Backend, run: str, number: int) -> Manifest:
    """Return a NodePort Service of that backend's app, created after all others (`proxy_barrier.py`)."""
    spec = {"type": "NodePort", "selector": {APP_LABEL: backend.app}, "ports": [{"port": backend.port}]}
    metadata = {"name": f"settled-{number}", "labels": _labels(run)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _labels(run: str) -> dict[str, str]:
    return {**MANAGED_BY, RUN_LABEL: run}


# agnhost logs every request. Through a shim and a runtime that is dearer than the answer, and where they fall behind,
# the echo hangs. So its output goes to the status of the pod, which the kubelet fills when the container ends.
SAID_APART = ["sh", "-c", 'exec /agnhost "$0" "$@" 2>/dev/termination-log']


def _echo(topology: Topology, backend: Backend, run: str) -> Manifest:
    arguments = ["netexec", f"--http-port={backend.port}", f"--udp-port={backend.port + 1}"]
    probe = {"httpGet": {"path": "/healthz", "port": backend.port}, "periodSeconds": 1, "failureThreshold": 30}
    container = _container(topology, arguments) | {"command": SAID_APART, "readinessProbe": probe}
    if backend.host_network:
        container |= {"ports": _host_ports(backend.port)}
    node, labels = topology.node(backend.node).api_name, _labels(run) | {APP_LABEL: backend.app}
    return _pod(backend.name, node, backend.host_network, container, labels)


def _host_ports(port: int) -> list[Manifest]:
    """Declare the host ports, so that kubelet refuses the pod when another pod of the node has them (NodePorts)."""
    return [{"containerPort": port, "protocol": "TCP"}, {"containerPort": port + 1, "protocol": "UDP"}]


def _prober(topology: Topology, vantage: Vantage, run: str) -> Manifest:
    labels = _labels(run) | {APP_LABEL: "prober"}
    node = topology.node(vantage.node).api_name if vantage.node else None
    return _pod(vantage.name, node, vantage.on_host_network, _container(topology, ["pause"]), labels)


def _container(topology: Topology, arguments: list[str]) -> Manifest:
    """One that Pod Security `restricted` admits."""
    return {
        "name": "agnhost",
        "image": topology.images.agnhost,
        "imagePullPolicy": topology.images.pull_policy,
        "args": arguments,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _pod(name: str, node: str | None, host_network: bool, container: Manifest, labels: dict[str, str]) -> Manifest:
    spec = {
        "nodeName": node,
        "hostNetwork": host_network,
        "dnsPolicy": "Default",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def _service(service: Service, topology: Topology, run: str) -> Manifest:
    ports = {backend.port for backend in topology.backends_of(service)} or {service.port}
    spec: Manifest = {
        "type": service.type.value,
        "selector": {APP_LABEL: service.app},
        "ports": [{"name": "http", "port": service.port, "targetPort": min(ports), "protocol": "TCP"}],
        "sessionAffinity": service.session_affinity.value,
    }
    if service.load_balancer_source_ranges:
        spec["loadBalancerSourceRanges"] = [str(network) for network in service.load_balancer_source_ranges]
    if service.external_ips:
        spec["externalIPs"] = [str(address) for address in service.external_ips]
    if service.type is not ServiceType.CLUSTER_IP:
        spec["externalTrafficPolicy"] = service.external_traffic_policy.value
    if service.internal_traffic_policy is TrafficPolicy.LOCAL:
        spec["internalTrafficPolicy"] = service.internal_traffic_policy.value
    metadata: Manifest = {"name": service.name, "labels": _labels(run)}
    if annotations := _annotations(service):
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _annotations(service: Service) -> dict[str, str]:
    """Return what the API has no field for: the contents of status, and whose address the Service shares."""
    status = {STATUS_ANNOTATION: service.load_balancer_status.value} if service.load_balancer_status else {}
    return status | ({SHARES_ANNOTATION: service.shares_address_of} if service.shares_address_of else {})
