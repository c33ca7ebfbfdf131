"""The live cluster: apply the workload, wait until it is what was declared, take a snapshot, remove it all.

One of the two doors to the `kubernetes` package (the other execs into pods). Waiting is done by the caller, with
`problems()`: this module only says what is still missing.

ClusterError
    The API cannot be reached, refuses, or the kubeconfig cannot be read: what, where, got, and the next step.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from topologies import manifests
from topologies.kinds import Registers, ServiceType, TrafficPolicy
from topologies.pools import Pool, told
from topologies.snapshot import Endpoint, ServiceState, Snapshot

if TYPE_CHECKING:
    from topologies.model import Topology

API_TIMEOUT = (
    3.0,
    10.0,
)  # seconds to connect, and to answer; a sixth of a patient topology's settling, if that is more
HEALTH_TIMEOUT = (3.0, 1.5)
NOT_FOUND = 404


class ClusterError(Exception):
    """The cluster could not be tested; the message says what to do."""


def connect(kubeconfig: str | None, context: str | None = None) -> Any:  # noqa: ANN401 - kubernetes ships no types
    """A new ApiClient for this kubeconfig (None: the usual places). ClusterError where it cannot be read."""
    from kubernetes import client, config  # noqa: PLC0415 - 0.5 s to import: not paid by --collect-only

    settings = client.Configuration()
    try:
        config.load_kube_config(kubeconfig, context=context, client_configuration=settings)  # type: ignore[no-untyped-call] # the package ships half its types
    except (config.ConfigException, OSError) as error:
        message = f"kubeconfig {kubeconfig or '(default)'}: got {error}; give --kubeconfig FILE or set KUBECONFIG"
        raise ClusterError(message) from error
    settings.retries = False
    return client.ApiClient(settings)


def core(kubeconfig: str | None, context: str | None = None) -> Any:  # noqa: ANN401 - kubernetes ships no types
    """A CoreV1Api on an ApiClient of its own, as an exec needs one (kubernetes-client/python#928)."""
    from kubernetes import client  # noqa: PLC0415 - see connect

    return client.CoreV1Api(connect(kubeconfig, context))


@dataclass(frozen=True)
class Cluster:
    """A connection to one API server and the namespace of one run."""

    api: Any
    topology: Topology
    namespace: str
    run: str

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds for the API server to be connected to, and to answer."""
        connect, answer = API_TIMEOUT
        return connect, max(answer, self.topology.patience.settle / 6)

    @property
    def core(self) -> Any:  # noqa: ANN401 - kubernetes ships no types
        from kubernetes import client  # noqa: PLC0415 - see connect

        return client.CoreV1Api(self.api)

    def deploy(self) -> None:
        """Create the namespace and the pods; ClusterError names the object that was refused."""
        self._call("create Namespace", self.core.create_namespace, manifests.namespace(self.namespace, self.run))
        for pod in manifests.pods(self.topology, self.run):
            name = pod["metadata"]["name"]
            self._call(f"create Pod {name}", self.core.create_namespaced_pod, self.namespace, pod)

    def serve(self) -> None:
        """Create the Services; ClusterError as in `deploy`.

        Best when the pods are Ready: each endpoint that comes later costs every kube-proxy another round.
        """
        for service in manifests.services(self.topology, self.run):
            name = service["metadata"]["name"]
            self._call(f"create Service {name}", self.core.create_namespaced_service, self.namespace, service)

    def remove(self) -> None:
        """Delete the run's namespace and all in it; absent is fine."""
        self._call("delete Namespace", self.core.delete_namespace, self.namespace, absent_is_fine=True)

    def alone(self) -> str:
        """An empty string when no earlier run is still being removed, else which are.

        Its hostNetwork pods hold the ports that this run's echo pods want, and answer the probes meant for them.
        """
        return "; ".join(
            f"namespace {one.name} is being deleted" for one in leftovers(self.api, self.timeout) if one.ending
        )

    def running(self) -> str:
        """An empty string when every pod is Ready, else which are not."""
        listed = self._call("list Pods", self.core.list_namespaced_pod, self.namespace).items
        unready = [f"pod {pod.metadata.name} is {_condition(pod)}" for pod in listed if not _is_ready(pod)]
        return "; ".join(unready) if listed else "no pod is listed"

    def ready(self) -> str:
        """An empty string when every pod is Ready and every Service has addresses and endpoints, else what lacks."""
        if unready := self.running():
            return unready
        snapshot = self.snapshot()
        return "; ".join(complaint for state in snapshot.services.values() if (complaint := self._missing(state)))

    def _missing(self, state: ServiceState) -> str:
        service = self.topology.service(state.name)
        wanted = {backend.name for backend in self.topology.backends_of(service)}
        if wanted != (got := {endpoint.backend for endpoint in state.endpoints if endpoint.ready}):
            return f"Service {state.name} has endpoints {sorted(got)}, want {sorted(wanted)}"
        if state.type is ServiceType.LOAD_BALANCER and not (state.load_balancer_ip or state.load_balancer_hostname):
            return f"Service {state.name} has no address in status.loadBalancer yet"
        return ""

    def snapshot(self) -> Snapshot:
        """What the API says now about the run's pods, Services and endpoints."""
        listed = self._call("list Pods", self.core.list_namespaced_pod, self.namespace).items
        pods = {pod.metadata.name: IPv4Address(pod.status.pod_ip) for pod in listed if pod.status.pod_ip}
        endpoints = self._endpoints()
        services = self._call("list Services", self.core.list_namespaced_service, self.namespace).items
        states = {
            service.metadata.name: _state(service, endpoints.get(service.metadata.name, ())) for service in services
        }
        ordered = {
            service.name: states[service.name] for service in self.topology.workload.services if service.name in states
        }
        return Snapshot(pods=pods, services=ordered, taken_at=dt.datetime.now(dt.UTC).isoformat())

    def _endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """From Endpoints, which every version from 1.20 to 1.36 serves, so one code path for all."""
        hosts = {backend.name: backend for backend in self.topology.workload.backends}
        found: dict[str, tuple[Endpoint, ...]] = {}
        for item in self._call("list Endpoints", self.core.list_namespaced_endpoints, self.namespace).items:
            entries: list[Endpoint] = []
            for subset in item.subsets or []:
                port = subset.ports[0].port if subset.ports else 0
                for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
                    entries.extend(
                        Endpoint(
                            backend=address.target_ref.name,
                            address=IPv4Address(address.ip),
                            port=port,
                            node=address.node_name,
                            host_network=hosts[address.target_ref.name].host_network,
                            ready=ready,
                            serving=ready,
                        )
                        for address in addresses or []
                        if address.target_ref and address.target_ref.name in hosts
                    )
            found[item.metadata.name] = tuple(sorted(entries, key=lambda entry: entry.backend))
        return found

    def expose(self, service: dict[str, Any]) -> int:
        """Create a Service of type NodePort; its port."""
        name = service["metadata"]["name"]
        made = self._call(f"create Service {name}", self.core.create_namespaced_service, self.namespace, service)
        return int(made.spec.ports[0].node_port)

    def pools(self) -> tuple[Pool, ...]:
        """Of every Service of type LoadBalancer, by name. ClusterError if they cannot be listed.

        Health is asked through the API server; a node that does not answer so is not healthy.
        """
        listed = self._call("list Services", self.core.list_namespaced_service, self.namespace).items
        balanced = [one for one in listed if one.spec.type == ServiceType.LOAD_BALANCER]
        with ThreadPoolExecutor(max_workers=8) as asking:
            return tuple(asking.map(self._pool, sorted(balanced, key=lambda one: str(one.metadata.name))))

    def _pool(self, service: Any) -> Pool:  # noqa: ANN401 - kubernetes ships no types
        port, names = service.spec.health_check_node_port, sorted(node.name for node in self.topology.nodes)
        everyone = not port or self.topology.load_balancer.registers is Registers.ALL
        healthy = tuple(name for name in names if everyone or self.healthy(name, port))
        return Pool(service.metadata.name, told(service.metadata.annotations), healthy)

    def healthy(self, node: str, port: int) -> bool:
        """Whether /healthz of that port of the node answers the API server with success, within HEALTH_TIMEOUT.

        kube-proxy < 1.24 holds a socket at every NodePort, where a connection that comes before its rules hangs
        (pkg/proxy/iptables/proxier.go: OpenLocalPort).
        """
        ask = self.core.connect_get_node_proxy_with_path
        try:
            self._call(
                f"health check of {node}:{port}",
                ask,
                f"{node}:{port}",
                "healthz",
                _preload_content=False,
                timeout=HEALTH_TIMEOUT,
            )
        except ClusterError:
            return False
        return True

    def versions(self) -> dict[str, str]:
        """What the API server and the kubelets call themselves."""
        from kubernetes import client  # noqa: PLC0415 - see connect

        server = self._call("read the version", client.VersionApi(self.api).get_code)
        nodes = self._call("list Nodes", self.core.list_node).items
        told = {f"kubelet of {node.metadata.name}": node.status.node_info.kubelet_version for node in nodes}
        kernels = {node.status.node_info.kernel_version for node in nodes}
        return {"kubernetes": server.git_version, "kernel": ", ".join(sorted(kernels)), **told}

    def _call(self, what: str, function: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        return _call(
            self.api, f"{what} in {self.namespace}", function, *arguments, **{"timeout": self.timeout, **options}
        )


@dataclass(frozen=True, slots=True)
class Leftover:
    """A namespace that a run made and has not removed (yet)."""

    name: str
    created: dt.datetime
    ending: bool = False


def leftovers(api: Any, timeout: tuple[float, float] = API_TIMEOUT) -> list[Leftover]:  # noqa: ANN401 - kubernetes ships no types
    """The namespaces of runs that are there, found by label; a run still at work has one too. ClusterError."""
    from kubernetes import client  # noqa: PLC0415 - see connect

    listed = client.CoreV1Api(api).list_namespace
    found = _call(api, "list Namespaces", listed, label_selector=manifests.SELECTOR, timeout=timeout).items
    return [
        Leftover(item.metadata.name, item.metadata.creation_timestamp, item.metadata.deletion_timestamp is not None)
        for item in found
    ]


def remove(api: Any, leftover: Leftover) -> None:  # noqa: ANN401 - kubernetes ships no types
    """Delete it and all in it; absent is fine. ClusterError."""
    from kubernetes import client  # noqa: PLC0415 - see connect

    deleting = client.CoreV1Api(api).delete_namespace
    _call(api, f"delete Namespace {leftover.name}", deleting, leftover.name, absent_is_fine=True)


def _call(
    api: Any,  # noqa: ANN401 - likewise
    what: str,
    function: Any,  # noqa: ANN401 - likewise
    *arguments: Any,  # noqa: ANN401 - likewise
    absent_is_fine: bool = False,
    timeout: tuple[float, float] = API_TIMEOUT,
    **options: Any,  # noqa: ANN401 - likewise
) -> Any:  # noqa: ANN401 - likewise
    """One call of the API; ClusterError says what was wanted, where, and what came of it."""
    import urllib3.exceptions  # noqa: PLC0415 - comes with kubernetes
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - see connect

    try:
        return function(*arguments, _request_timeout=timeout, **options)
    except ApiException as error:
        if absent_is_fine and error.status == NOT_FOUND:
            return None
        message = f"{what}: the API answered {error.status} {error.reason}: {error.body}"
        raise ClusterError(message) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        host = api.configuration.host
        message = f"{what}: the API server {host} does not answer ({type(error).__name__}): is the cluster up?"
        raise ClusterError(message) from error


def _is_ready(pod: Any) -> bool:  # noqa: ANN401 - kubernetes ships no types
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or [])


def _condition(pod: Any) -> str:  # noqa: ANN401 - kubernetes ships no types
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting
        if waiting:
            return f"{pod.status.phase} ({waiting.reason}: {waiting.message or 'no message'})"
    return f"{pod.status.phase}, not Ready"


def _state(service: Any, endpoints: tuple[Endpoint, ...]) -> ServiceState:  # noqa: ANN401 - kubernetes ships no types
    spec, status = service.spec, service.status
    ingress = (status.load_balancer.ingress or []) if status.load_balancer else []
    first = ingress[0] if ingress else None
    return ServiceState(
        name=service.metadata.name,
        type=ServiceType(spec.type),
        cluster_ip=IPv4Address(spec.cluster_ip),
        port=spec.ports[0].port,
        node_port=spec.ports[0].node_port,
        external_ips=tuple(IPv4Address(address) for address in spec.external_ips or []),
        load_balancer_ip=IPv4Address(first.ip) if first and first.ip else None,
        load_balancer_hostname=first.hostname if first else None,
        load_balancer_address=_told_beside(service, first),
        load_balancer_source_ranges=_ranges(spec.load_balancer_source_ranges),
        load_balancer_ip_mode=getattr(first, "ip_mode", None) or "VIP",
        external_traffic_policy=TrafficPolicy(spec.external_traffic_policy or "Cluster"),
        internal_traffic_policy=TrafficPolicy(spec.internal_traffic_policy or "Cluster"),
        health_check_node_port=spec.health_check_node_port or None,
        sticky=spec.session_affinity == "ClientIP",
        endpoints=endpoints,
    )


def _ranges(told: list[str] | None) -> tuple[IPv4Network, ...]:
    """Those of IPv4."""
    return tuple(IPv4Network(text, strict=False) for text in told or [] if ":" not in text)


def _told_beside(service: Any, ingress: Any) -> IPv4Address | None:  # noqa: ANN401 - kubernetes ships no types
    """The balancer's address where status has a hostname only: our own balancer writes it in an annotation."""
    told = (service.metadata.annotations or {}).get(manifests.ADDRESS_ANNOTATION)
    return IPv4Address(told) if told and ingress and ingress.hostname else None
