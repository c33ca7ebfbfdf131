"""The live cluster: apply the workload, report what is still missing, take a snapshot, remove what the run created.

Waiting is done by the caller. Calls go through `api.call`, so that ClusterError is the only error raised here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from topologies.cluster import library, manifests
from topologies.cluster.api import API_TIMEOUT, CONFLICT, ClusterError, call, connect, core, reading
from topologies.cluster.api_objects import pod_address, pod_status, read_endpoints, read_slices, service_state
from topologies.cluster.lb_targets import TargetPool, read_annotation
from topologies.cluster.other_runs import OtherRuns
from topologies.cluster.pods import create_pods
from topologies.cluster.run_namespaces import delete, owner, run_namespaces
from topologies.cluster.shared_namespace import delete_run, selector
from topologies.cluster.terminating_pods import end_terminating
from topologies.cluster_state.api_fields import ApiList, ApiObject, get_metadata, get_name, get_spec, require
from topologies.cluster_state.endpoint_conditions import TERMINATING_LISTED
from topologies.cluster_state.pod_states import PodState, classify
from topologies.cluster_state.refusals import recognise, secret_hint
from topologies.cluster_state.shortfalls import shortfalls
from topologies.cluster_state.snapshot import Endpoint, OtherNode, PodStatus, Snapshot
from topologies.common.threads import map_all
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import pause
from topologies.schema.enums import ServiceType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kubernetes import client

    from topologies.schema.topology import Topology

Result = TypeVar("Result")
Item = TypeVar("Item", bound=ApiObject)
__all__ = ["Cluster", "ClusterError", "connect", "core"]

HEALTH_TIMEOUT = (3.0, 1.5)
REMOVE_TIMEOUT = (TIMEOUTS.remove_connect_s, TIMEOUTS.remove_answer_s)


@dataclass(eq=False)
class Cluster:
    """A connection to one API server and the namespace of one run.

    `given`: the namespace was made beforehand. Then it is left there, and only the run's own objects are removed.

    `uid`: of the namespace that this run created, once it is known; `asked_for`: it has been asked for. By pod: `ports`
    of backends whose declared port is taken; why admission `refused` it; why a policy `restricted` it.
    """

    api: client.ApiClient
    topology: Topology
    namespace: str
    run: str
    given: bool = False
    uid: str = field(default="", init=False)
    asked_for: bool = field(default=False, init=False)
    created: dt.datetime | None = field(default=None, init=False)
    ports: dict[str, int] = field(default_factory=dict, init=False)
    refused: dict[str, str] = field(default_factory=dict, init=False)
    restricted: dict[str, str] = field(default_factory=dict, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    other_nodes: tuple[OtherNode, ...] = field(default=(), init=False)
    ask_health: Callable[[str, int], bool] | None = field(default=None, init=False)

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds for the API server to be connected to, and to answer."""
        connect, answer = API_TIMEOUT
        return connect, max(answer, self.topology.patience.settle / 6)

    @property
    def core(self) -> client.CoreV1Api:
        return library.client.CoreV1Api(self.api)

    def claim(self) -> None:
        """Create the run's namespace and remember its UID; ClusterError if there is one of this name already."""
        if self.uid:
            return
        self.asked_for = True
        if self.given:
            return
        made = manifests.namespace(self.namespace, self.run, owner())
        try:
            found = self.call("create Namespace", self.core.create_namespace, made)
        except ClusterError as error:
            self.asked_for = error.status is None  # refused: nothing was created
            if error.status == CONFLICT:
                message = (
                    f"namespace {self.namespace} exists already and is not this run's: run again, under a new name"
                )
                raise ClusterError(message, CONFLICT) from error
            raise
        with reading("create Namespace"):
            metadata = get_metadata(found)
            self.uid, self.created = require(metadata.uid, "metadata.uid"), metadata.creation_timestamp

    @property
    def lingering(self) -> frozenset[str]:
        """The pods that ignore SIGTERM, and run until their grace period is over."""
        return frozenset(backend.name for backend in self.topology.terminating_backends)

    def pod_manifests(self) -> list[manifests.Manifest]:
        """Return the pods of the run."""
        return manifests.pods(self.topology, self.run, self.ports)

    def service_manifests(self) -> list[manifests.Manifest]:
        """Return the Services of the run."""
        return manifests.services(self.topology, self.run, self.ports)

    def deploy(self) -> None:
        """Create the namespace, unless it is claimed, and the pods; ClusterError names the object that was refused."""
        self.claim()
        create_pods(self)

    def serve(self) -> None:
        """Create the Services; ClusterError as in `deploy`.

        Best when the pods are Ready: each endpoint that comes later costs every kube-proxy another round.
        """
        for service in self.service_manifests():
            self.create(f"Service {service['metadata']['name']}", self.core.create_namespaced_service, service)

    def remove(self) -> None:
        """Delete the namespace that this run created and all in it, or its objects in a namespace made beforehand.

        Raises:
            ClusterError: It may still be there.

        """
        if not (self.given or self.asked_for):
            return
        uid = self.uid or ("" if self.given else self._own_uid())
        try:
            if self.lingering:
                end_terminating(self.api, self.namespace, selector(self.run), REMOVE_TIMEOUT, also=self.lingering)
        finally:
            if self.given:  # also a second time: what was being created at the first may have come later
                delete_run(self.api, self.namespace, self.run, REMOVE_TIMEOUT)
            else:
                delete(self.api, self.namespace, uid, REMOVE_TIMEOUT)
        self.asked_for = False

    def _own_uid(self) -> str:
        """Return the UID of a namespace whose creation was asked for and not answered (interrupted, or timed out)."""
        for wait_s in (0.5, 0.0):
            for one in run_namespaces(self.api, REMOVE_TIMEOUT):
                if one.name == self.namespace and one.run == self.run and one.owner == owner():
                    return one.uid
            pause(wait_s)
        message = f"the API did not answer its creation, and lists no namespace {self.namespace} of this run"
        raise ClusterError(message)

    @property
    def others(self) -> OtherRuns:
        """The other runs of this cluster."""
        return OtherRuns(self)

    def pods(self) -> list[PodState]:
        """Return the state of every pod of the run that the API lists."""
        listed = self.listed_pods()
        with reading("list Pods"):
            return [classify(pod) for pod in listed]

    def listed_pods(self) -> list[client.V1Pod]:
        """Return the pods of the run."""
        return self.items("list Pods", self.core.list_namespaced_pod, self.namespace, labels=self._own)

    def listed_services(self) -> list[client.V1Service]:
        """Return the Services of the run."""
        return self.items("list Services", self.core.list_namespaced_service, self.namespace, labels=self._own)

    @property
    def _own(self) -> str:
        """The selector of the run's objects, in a namespace that has others."""
        return selector(self.run) if self.given else ""

    @property
    def leftover(self) -> str:
        """What the run leaves behind if it is not removed, and how to remove it."""
        if self.given:
            command = f"hairpin clean --namespace {self.namespace}"
            return f"objects of run {self.run} are left behind in {self.namespace}, remove them with `{command}`"
        return f"namespace {self.namespace} is left behind, remove it with `hairpin clean`"

    def running(self) -> str:
        """Return an empty string when every pod is Ready or will never be, else which are on their way.

        Raises:
            ClusterError: A pod is in a state in which nothing can be asked: its image cannot be pulled, …

        """
        states = self.pods()
        if fatal := [state for state in states if state.fatal]:
            more = f" (and {len(fatal) - 1} more pods)" if len(fatal) > 1 else ""
            hint = secret_hint(fatal[0].hint, self.topology.pods.image_pull_secrets, self.namespace)
            message = f"{fatal[0]}{more}{hint and f'. {hint}'}"
            raise ClusterError(message)
        unready = {one.name for one in self.topology.workload.backends if not one.state.serving}
        waited = [
            state
            for state in states
            if not (state.ready or state.terminal or (state.started and state.name in unready))
        ]
        return "; ".join(map(str, waited)) if states else "no pod is listed"

    def ready(self) -> str:
        """Return an empty string when every Service has addresses, and endpoints of Ready pods, else what is missing.

        Pods have been waited for before; of one that is not Ready nothing more is waited for.
        """
        return shortfalls(self.topology, self.snapshot()).unsettled

    def unlisted(self, names: Collection[str]) -> str:
        """Return which of these backends are no endpoint of a Service that selects them, or an empty string.

        One whose readiness probe succeeds is waited for until it is a ready endpoint.
        """
        found, missing = self._endpoints(), []
        for service in self.topology.workload.services:
            listed = {one.backend: one for one in found.get(service.name, ((), ()))[0]}
            for backend in self.topology.backends_of(service):
                entry = listed.get(backend.name)
                there = entry and (entry.ready or not backend.state.serving)
                if backend.name in names and not there:
                    missing.append(f"{backend.name} is no endpoint of Service {service.name} yet")
        return "; ".join(missing)

    def snapshot(self) -> Snapshot:
        """Return what the API reports now about the run's pods, Services and endpoints; IPv4 addresses only."""
        endpoints = self._endpoints()
        listed = self.listed_pods()
        services = self.listed_services()
        with reading(f"list Pods and Services in {self.namespace}"):
            pods = {get_name(pod): address for pod in listed if (address := pod_address(pod))}
            statuses = {get_name(pod): pod_status(pod, self.topology.node_name_of) for pod in listed}
            states = {get_name(one): service_state(one, *endpoints.get(get_name(one), ((), ()))) for one in services}
        declared = [service.name for service in self.topology.workload.services]
        ordered = {name: states[name] for name in declared if name in states}
        refused = {name: PodStatus(not_ready=reason) for name, reason in self.refused.items()}
        return Snapshot(
            pods=pods,
            services=ordered,
            taken_at=dt.datetime.now(dt.UTC).isoformat(),
            statuses={**statuses, **refused},
            ports=dict(self.ports),
            restricted=dict(self.restricted),
            other_nodes=self.other_nodes,
            namespace=self.namespace,
        )

    def _endpoints(self) -> dict[str, tuple[tuple[Endpoint, ...], tuple[str, ...]]]:
        """Return each Service's endpoints, and the ready addresses among them that are no echo pod's.

        From Endpoints, which every version from 1.20 to 1.37 serves. They lack the conditions of terminating endpoints,
        so EndpointSlices are read if the topology declares such endpoints and the control plane lists them.
        """
        if self.topology.kubernetes >= TERMINATING_LISTED and self.topology.terminating_backends:
            return self._endpoint_slices()
        listed = self.items("list Endpoints", self.core.list_namespaced_endpoints, self.namespace)
        with reading(f"list Endpoints in {self.namespace}"):
            return {get_name(item): read_endpoints(item, self.topology) for item in listed}

    def _endpoint_slices(self) -> dict[str, tuple[tuple[Endpoint, ...], tuple[str, ...]]]:
        slices = library.client.DiscoveryV1Api(self.api).list_namespaced_endpoint_slice
        listed = self.items("list EndpointSlices", slices, self.namespace)
        with reading(f"list EndpointSlices in {self.namespace}"):
            return read_slices(listed, self.topology)

    def expose(self, service: dict[str, Any]) -> int:
        """Create a Service of type NodePort; its port."""
        name = service["metadata"]["name"]
        made = self.create(f"Service {name}", self.core.create_namespaced_service, service)
        with reading(f"create Service {name}"):
            return require(require(get_spec(made).ports, "spec.ports")[0].node_port, "spec.ports[0].nodePort")

    def pools(self) -> tuple[TargetPool, ...]:
        """Of every Service of type LoadBalancer, by name. ClusterError if they cannot be listed.

        Health is asked through the API server; a node that does not answer so is not healthy.
        """
        listed = self.listed_services()
        balanced = [one for one in listed if get_spec(one).type == ServiceType.LOAD_BALANCER]
        with reading("list Services"):
            return tuple(map_all(self._pool, sorted(balanced, key=lambda one: str(get_metadata(one).name)), at_once=8))

    def _pool(self, service: client.V1Service) -> TargetPool:
        port, names = get_spec(service).health_check_node_port, sorted(node.name for node in self.topology.nodes)
        everyone = not port or not self.topology.load_balancer.avoids_empty_nodes
        healthy = tuple(name for name in names if everyone or self.healthy(name, port or 0))
        reported = read_annotation(get_metadata(service).annotations)
        listed = None if reported is None else tuple(sorted({*map(self.topology.node_name_of, reported)} & {*names}))
        return TargetPool(get_name(service), listed, healthy)

    def healthy(self, node: str, port: int) -> bool:
        """Whether /healthz of that port of the declared node answers the API server with success, in HEALTH_TIMEOUT.

        kube-proxy < 1.24 holds a socket at every NodePort, where a connection that comes before its rules hangs
        (pkg/proxy/iptables/proxier.go: OpenLocalPort).
        """
        if self.ask_health:
            return self.ask_health(node, port)
        ask = self.core.connect_get_node_proxy_with_path
        try:
            self.call(
                f"health check of {node}:{port}",
                ask,
                f"{self.topology.node(node).api_name}:{port}",
                "healthz",
                _preload_content=False,
                timeout=HEALTH_TIMEOUT,
            )
        except ClusterError:
            return False
        return True

    def create(self, what: str, function: Callable[..., Item], manifest: dict[str, Any]) -> Item:
        """Create an object in the run's namespace and return it; it has a name.

        Raises:
            ClusterError: It was refused; the message names what refused it, if that is known.

        """
        try:
            made = self.call(f"create {what}", function, self.namespace, manifest)
        except ClusterError as error:
            if refusal := recognise(str(error)):
                message = f"{error}. {refusal}"
                raise ClusterError(message, error.status) from error
            raise
        with reading(f"create {what}"):
            if not get_metadata(made).name:
                message = "it has no name"
                raise ValueError(message)
        return made

    def items(
        self, what: str, function: Callable[..., ApiList[Item]], *arguments: object, labels: str = ""
    ) -> list[Item]:
        """Return the objects of a list that the API answered; each has a name. `labels`: a selector."""
        if labels:
            listed = self.call(what, function, *arguments, label_selector=labels)
        else:
            listed = self.call(what, function, *arguments)
        with reading(what):
            return [item for item in listed.items if get_metadata(item).name]

    def call(
        self,
        what: str,
        function: Callable[..., Result],
        *arguments: object,
        timeout: tuple[float, float] | None = None,
        **options: object,
    ) -> Result:
        """Call one method of the API as `api.call` does; `what` gets the namespace."""
        what = f"{what} in {self.namespace}"
        return call(self.api, what, function, *arguments, timeout=timeout or self.timeout, **options)
