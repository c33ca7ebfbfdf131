"""Topology -> the objects of a run, as plain dicts. Pure. Everything carries the run's label and is removed by it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from topologies.schema.enums import EndpointState, ServiceType, TrafficPolicy, VantageKind
from topologies.schema.pods import NO_INJECTION, NO_INJECTION_NOTES

if TYPE_CHECKING:
    from collections.abc import Mapping

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
CONTAINER = "agnhost"  # the name of the one container of each pod


def namespace(name: str, run: str, owner: str = "") -> Manifest:
    """Return the run's own namespace. Its Pod Security is privileged, because nodes probe from hostNetwork pods."""
    labels = _labels(run) | {"pod-security.kubernetes.io/enforce": "privileged"}
    metadata: Manifest = {"name": name, "labels": labels, "annotations": {OWNER_ANNOTATION: owner}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def lease(run: str, holder: str, seconds: int, name: str = LEASE) -> Manifest:
    """Return the Lease by which others see that a run is at work; it expires `seconds` after its last renewal."""
    now = micro_time()
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "acquireTime": now, "renewTime": now}
    metadata = {"name": name, "labels": _labels(run)}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def micro_time() -> str:
    """Return the time now as the API's MicroTime."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pods(topology: Topology, run: str, ports: Mapping[str, int] | None = None) -> list[Manifest]:
    """Return echo pods first, then the probers of every pod and node vantage.

    Args:
        topology: The declared cluster.
        run: The id of the run.
        ports: The ports of backends that have another than declared, by name.

    """
    given = ports or {}
    echoes = [_echo(topology, one, run, given.get(one.name, one.port)) for one in topology.workload.backends]
    kinds = {VantageKind.POD, VantageKind.NODE}
    return echoes + [_prober(topology, vantage, run) for vantage in topology.workload.vantages if vantage.kind in kinds]


def services(topology: Topology, run: str, ports: Mapping[str, int] | None = None) -> list[Manifest]:
    """Return the Services, in declared order. `ports`: as in `pods`."""
    return [_service(service, topology, run, ports or {}) for service in topology.workload.services]


def mark(backend: Backend, run: str, number: int, port: int | None = None) -> Manifest:
    """Return a NodePort Service of that backend's app, created after all others (`proxy_barrier.py`).

    `port`: the port that the backend has, if it is not the declared one. A backend that is declared not ready answers
    all the same if the Service publishes it.
    """
    ports = [{"port": port or backend.port}]
    spec: Manifest = {"type": "NodePort", "selector": _selector(backend.app, run), "ports": ports}
    if backend.state is not EndpointState.READY:
        spec["publishNotReadyAddresses"] = True
    metadata = {"name": f"settled-{number}", "labels": _labels(run)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _selector(app: str, run: str) -> dict[str, str]:
    """Return the labels by which a Service selects this run's echo pods, and no pod that another run has left."""
    return {APP_LABEL: app, RUN_LABEL: run}


def _labels(run: str) -> dict[str, str]:
    return {**MANAGED_BY, RUN_LABEL: run}


# agnhost logs every request. Through a shim and a runtime that is dearer than the answer, and where they fall behind,
# the echo hangs. So its output goes to the status of the pod, which the kubelet fills when the container ends.
SAID_APART = ["sh", "-c", 'exec /agnhost "$0" "$@" 2>/dev/termination-log']
# The runtime signals the first process of a container only. A shell with a trap waits for the echo pod's process.
IGNORING_SIGTERM = ["sh", "-c", 'trap : TERM; /agnhost "$0" "$@" 2>/dev/termination-log; exit $?']
NEVER_READY = {"tcpSocket": {"port": 1}, "periodSeconds": 10}  # tcpmux, where nothing listens
TERMINATING_S = 900  # longer than a run: the grace period of a pod that serves until its run ends


def _echo(topology: Topology, backend: Backend, run: str, port: int) -> Manifest:
    arguments = ["netexec", f"--http-port={port}", f"--udp-port={port + 1}"]
    ready = {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1, "failureThreshold": 30}
    container = _container(topology, arguments) | {
        "command": IGNORING_SIGTERM if backend.state.terminating else SAID_APART,
        "readinessProbe": ready if backend.state.serving else NEVER_READY,
    }
    if backend.host_network:
        container |= {"ports": _host_ports(port)}
    node, labels = topology.node(backend.node).api_name, _labels(run) | {APP_LABEL: backend.app}
    pod = _pod(topology, backend.name, node, container, labels, host_network=backend.host_network)
    if backend.state.terminating:
        pod["spec"]["terminationGracePeriodSeconds"] = TERMINATING_S
    return pod


def _host_ports(port: int) -> list[Manifest]:
    """Declare the host ports, so that kubelet refuses the pod when another pod of the node has them (NodePorts)."""
    return [{"containerPort": port, "protocol": "TCP"}, {"containerPort": port + 1, "protocol": "UDP"}]


def _prober(topology: Topology, vantage: Vantage, run: str) -> Manifest:
    labels = _labels(run) | {APP_LABEL: "prober"}
    node = topology.node(vantage.node).api_name if vantage.node else None
    container = _container(topology, ["pause"])
    return _pod(topology, vantage.name, node, container, labels, host_network=vantage.on_host_network)


def _container(topology: Topology, arguments: list[str]) -> Manifest:
    """Return a container that Pod Security `restricted` admits, within the declared resources."""
    user, resources = topology.pods.run_as_user, topology.pods.resources
    security: Manifest = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "name": CONTAINER,
        "image": topology.images.agnhost,
        "imagePullPolicy": topology.images.pull_policy,
        "args": arguments,
        "resources": {"requests": resources.requests, "limits": resources.limits},
        "securityContext": security if user is None else {**security, "runAsUser": user},
    }


def _pod(  # noqa: PLR0913 - what distinguishes one pod of a run from another
    topology: Topology, name: str, node: str | None, container: Manifest, labels: dict[str, str], *, host_network: bool
) -> Manifest:
    settings = topology.pods
    spec = {
        "nodeName": node,
        "hostNetwork": host_network,
        "dnsPolicy": _dns_policy(topology, host_network=host_network),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [
            one.model_dump(exclude_defaults=True) | {"operator": one.operator} for one in settings.tolerations
        ],
        "containers": [container],
        "serviceAccountName": settings.service_account,
        "priorityClassName": settings.priority_class,
        "runtimeClassName": settings.runtime_class,
        "nodeSelector": settings.node_selector,
        "imagePullSecrets": [{"name": secret} for secret in settings.image_pull_secrets],
    }
    given = {key: value for key, value in spec.items() if value not in (None, {}, [])}
    metadata = {
        "name": name,
        "labels": {**NO_INJECTION, **settings.labels, **labels},
        "annotations": {**NO_INJECTION_NOTES, **settings.annotations},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": given}


def _dns_policy(topology: Topology, *, host_network: bool) -> str:
    """Return the policy by which a pod uses the cluster's DNS; without one, the node's, which no run asks."""
    if topology.cluster_dns is None:
        return "Default"
    return "ClusterFirstWithHostNet" if host_network else "ClusterFirst"


def _service(service: Service, topology: Topology, run: str, given: Mapping[str, int]) -> Manifest:
    ports = {given.get(one.name, one.port) for one in topology.backends_of(service)} or {service.port}
    spec: Manifest = {
        "type": service.type.value,
        "selector": _selector(service.app, run),
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
    if service.publish_not_ready_addresses:
        spec["publishNotReadyAddresses"] = True
    metadata: Manifest = {"name": service.name, "labels": _labels(run)}
    if annotations := _annotations(service):
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _annotations(service: Service) -> dict[str, str]:
    """Return what the API has no field for: the contents of status, and whose address the Service shares."""
    status = {STATUS_ANNOTATION: service.load_balancer_status.value} if service.load_balancer_status else {}
    return status | ({SHARES_ANNOTATION: service.shares_address_of} if service.shares_address_of else {})
