"""The cluster of a run of scenarios: it deploys their pods, changes them and their Services, and resolves addresses.

Every call is to an object in the run's own namespace or with the run's label, by its name. Pods are changed only if
their UID is one that this run has created.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probes.scenarios.model import AddressKind, Asked
from topologies.cluster import client as clusters
from topologies.cluster import library, manifests
from topologies.cluster.api import reading
from topologies.cluster.api_objects import ipv4, pod_address
from topologies.cluster.pods import create_pods
from topologies.cluster_state.api_fields import get_metadata, get_name, get_spec, require
from topologies.common.waiting import Deadline, pause, until
from topologies.frontends import Target, UnresolvedError
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from kubernetes import client

    from probes.scenarios.model import Backing
    from topologies.cluster.manifests import Manifest
    from topologies.common.addresses import IPAddress

GATE = "hairpin.local/ready"  # the condition by which a gated pod is ready or not
LINGER_S = 90  # seconds; the grace period of a pod that keeps serving: more than its steps take
GONE_S = 30.0  # for a deleted pod to be gone, so that another may have its name
UNREADY_S = 20.0  # for kubelet to report that a gate has closed
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
EVICTION_V1 = Version(1, 22)


@dataclass
class ServiceAddresses:
    """The addresses of a Service. One that it lost stays, to be asked whether it is still served."""

    uid: str = ""
    cluster_ip: str = ""
    node_ports: dict[int, int] = field(default_factory=dict)
    """By port; the first is that of `port`."""
    port: int = 0
    health_port: int = 0
    balanced: str = ""

    def update(self, service: client.V1Service) -> None:
        """Take what the API has now."""
        spec, self.uid = get_spec(service), get_metadata(service).uid or self.uid
        listed = [one for one in [spec.cluster_ip, *(spec.cluster_ips or [])] if one and ipv4(one)]
        self.cluster_ip = listed[0] if listed else self.cluster_ip
        for port in spec.ports or []:
            self.port = self.port or port.port
            if port.node_port:
                self.node_ports[port.port] = port.node_port
        self.health_port = spec.health_check_node_port or self.health_port
        status = service.status.load_balancer if service.status else None
        found = [one.ip for one in (status.ingress if status else None) or [] if one.ip and ipv4(one.ip)]
        self.balanced = found[0] if found else self.balanced


@dataclass(eq=False)
class ScenarioCluster(clusters.Cluster):
    """A cluster whose run changes what it has deployed. `backings`: the backends of the scenarios, by name."""

    backings: dict[str, Backing] = field(default_factory=dict)
    addresses: dict[str, ServiceAddresses] = field(default_factory=dict, init=False)
    uids: dict[str, str] = field(default_factory=dict, init=False)
    """The UID of each pod that this run has created, by name."""

    @property
    def lingering(self) -> frozenset[str]:
        """The pods that ignore SIGTERM."""
        return super().lingering | {one.name for one in self.backings.values() if one.lingers}

    def pod_manifests(self) -> list[Manifest]:
        """Return the pods, with the readiness gates, grace periods and port names that the scenarios need."""
        return [self._adapt(one) for one in super().pod_manifests()]

    def _adapt(self, pod: Manifest) -> Manifest:
        backing = self.backings.get(pod["metadata"]["name"])
        if backing and backing.gated:
            pod["spec"]["readinessGates"] = [{"conditionType": GATE}]
        if backing and backing.lingers:
            pod["spec"]["terminationGracePeriodSeconds"] = LINGER_S
            pod["spec"]["containers"][0]["command"] = manifests.IGNORING_SIGTERM
        if backing and backing.port_name:
            port = {"name": backing.port_name, "containerPort": backing.port, "protocol": "TCP"}
            pod["spec"]["containers"][0]["ports"] = [port]
        return pod

    def service_manifests(self) -> list[Manifest]:
        """Return the Services; one whose endpoints have named ports leads to that name."""
        made, services = super().service_manifests(), self.topology.workload.services_by_name
        named = {one.app: one.port_name for one in self.backings.values() if one.port_name and not one.spare}
        for one in made:
            if name := named.get(services[one["metadata"]["name"]].app):
                one["spec"]["ports"][0]["targetPort"] = name
        return made

    def deploy(self) -> None:
        """Create the namespace and the pods, and open the gates; ClusterError names the object that was refused."""
        self.claim()
        create_pods(self)
        for name, backing in self.backings.items():
            if backing.gated:
                self.set_ready(name, ready=True)

    def learn(self) -> None:
        """Read the addresses of all Services, and the UIDs of all pods; ClusterError if they cannot be listed."""
        for service in self.listed_services():
            self._note(service)
        with reading(f"list Pods in {self.namespace}"):
            for pod in self.listed_pods():
                self.uids.setdefault(get_name(pod), require(get_metadata(pod).uid, "metadata.uid"))

    def _note(self, service: client.V1Service) -> None:
        with reading(f"Service in {self.namespace}"):
            self.addresses.setdefault(get_name(service), ServiceAddresses()).update(service)

    def pod_addresses(self) -> dict[str, IPAddress]:
        """Return the address of each pod that runs now, by name; ClusterError if they cannot be listed."""
        listed = self.listed_pods()
        with reading(f"list Pods in {self.namespace}"):
            return {get_name(pod): address for pod in listed if (address := pod_address(pod))}

    def patch_service(self, name: str, body: dict[str, Any]) -> None:
        """Merge a patch into a Service."""
        patch = self.core.patch_namespaced_service
        self._note(self.call(f"patch Service {name}", patch, name, self.namespace, body, _content_type=MERGE))

    def delete_service(self, name: str) -> None:
        """Delete a Service that this run has created."""
        options = library.client.V1DeleteOptions(
            preconditions=library.client.V1Preconditions(uid=self.addresses[name].uid)
        )
        delete = self.core.delete_namespaced_service
        self.call(f"delete Service {name}", delete, name, self.namespace, body=options, _preload_content=False)

    def create_service(self, name: str) -> None:
        """Create a declared Service again."""
        made = next(one for one in self.service_manifests() if one["metadata"]["name"] == name)
        self._note(self.create(f"Service {name}", self.core.create_namespaced_service, made))

    def relabel_pod(self, name: str, app: str) -> None:
        """Give a pod the label of another app."""
        known = {"uid": self.uids[name]} if name in self.uids else {}  # another pod of this name is left alone
        body = {"metadata": {"labels": {manifests.APP_LABEL: app}, **known}}
        patch = self.core.patch_namespaced_pod
        self.call(f"patch Pod {name}", patch, name, self.namespace, body, _content_type=STRATEGIC)

    def set_ready(self, name: str, *, ready: bool) -> None:
        """Open or close the readiness gate of a pod."""
        body = {"status": {"conditions": [{"type": GATE, "status": str(ready)}]}}
        patch = self.core.patch_namespaced_pod_status
        self.call(f"patch the status of Pod {name}", patch, name, self.namespace, body, _content_type=STRATEGIC)

    def wait_until_unready(self, names: tuple[str, ...]) -> None:
        """Wait until kubelet has reported that these pods are not ready; WaitTimeoutError if it does not."""

        def check() -> str:
            late = sorted(one.name for one in self.pods() if one.name in names and one.ready)
            return f"{', '.join(late)} is still Ready" if late else ""

        until(check, Deadline(UNREADY_S), "pods not Ready")

    def delete_pod(self, name: str, *, at_once: bool) -> None:
        """Delete a pod that this run has created: at once, or with its own grace period."""
        grace_s = 0 if at_once else LINGER_S
        preconditions = library.client.V1Preconditions(uid=self.uids[name]) if name in self.uids else None
        options = library.client.V1DeleteOptions(grace_period_seconds=grace_s, preconditions=preconditions)
        delete = self.core.delete_namespaced_pod
        self.call(f"delete Pod {name}", delete, name, self.namespace, body=options, _preload_content=False)

    def evict_pod(self, name: str) -> None:
        """Evict a pod, as `kubectl drain` does."""
        version = "policy/v1" if self.topology.kubernetes >= EVICTION_V1 else "policy/v1beta1"
        body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}}
        evict = self.core.create_namespaced_pod_eviction
        self.call(f"evict Pod {name}", evict, name, self.namespace, body, _preload_content=False)

    def create_pod(self, name: str) -> None:
        """Create a declared pod again, when the one of its name is gone."""
        made = next(one for one in self.pod_manifests() if one["metadata"]["name"] == name)
        deadline = Deadline(GONE_S)
        while name in {get_name(one) for one in self.listed_pods()} and not deadline.passed:
            pause(0.2)
        created = self.create(f"Pod {name}", self.core.create_namespaced_pod, made)
        self.uids[name] = get_metadata(created).uid or ""

    def resolve(self, asked: Asked) -> Target:
        """Return the address and port of what a check asks; UnresolvedError if the Service never had it."""
        known = self.addresses.get(asked.service, ServiceAddresses())
        port = asked.port or known.port
        found: dict[AddressKind, tuple[str, int]] = {
            AddressKind.CLUSTER_IP: (known.cluster_ip, port),
            AddressKind.NODE_PORT: (self._node_address(asked), known.node_ports.get(port, 0)),
            AddressKind.LOAD_BALANCER: (known.balanced, port),
            AddressKind.HEALTH_CHECK: (self._node_address(asked), known.health_port),
        }
        address, number = found[asked.place]
        if not (number and (read := ipv4(address))):
            message = f"{asked.label}: got no address from the API, want an IPv4 address and a port"
            raise UnresolvedError(message)
        return Target(read, number)

    def _node_address(self, asked: Asked) -> str:
        return str(self.topology.node(asked.node).address) if asked.node else ""
