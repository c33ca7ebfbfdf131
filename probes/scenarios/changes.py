"""The changes of scenarios: each does one thing to the API, and returns what it makes of the declared cluster.

A change is accepted when `apply` returns. `declare` returns the declared cluster after it, for the oracle, or None if
no topology can express it. Nothing here waits or asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from probes.scenarios.model import SPARE_APP
from topologies.schema.enums import EndpointState
from topologies.schema.workload import Backend, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probes.scenarios.cluster import ScenarioCluster
    from topologies.schema.topology import Topology

    Declare = Callable[[Topology], Topology | None]


class ApiChange(Protocol):
    """One change of the API."""

    @property
    def text(self) -> str:
        """What it does, as one sentence."""

    def apply(self, cluster: ScenarioCluster) -> None:
        """Make the change; ClusterError if the API does not accept it."""

    def declare(self, topology: Topology) -> Topology | None:
        """Return the declared cluster after it; None if the oracle cannot know it."""


def with_service(topology: Topology, name: str, changed: Mapping[str, object]) -> Topology:
    """Return the cluster with other fields of one declared Service."""
    services = tuple(
        Service.model_validate({**dict(one), **changed}) if one.name == name else one
        for one in topology.workload.services
    )
    return _with_workload(topology, {"services": services})


def with_backends(topology: Topology, changed: Mapping[str, str]) -> Topology:
    """Return the cluster with these backends in another app. In SPARE_APP one is no endpoint of any Service."""
    return _with_field(topology, "app", changed)


def with_states(topology: Topology, pods: Iterable[str], state: EndpointState) -> Topology:
    """Return the cluster with these backends in another state."""
    return _with_field(topology, "state", dict.fromkeys(pods, state))


def _with_field(topology: Topology, name: str, changed: Mapping[str, object]) -> Topology:
    backends = (
        Backend.model_validate({**dict(one), name: changed[one.name]}) if one.name in changed else one
        for one in topology.workload.backends
    )
    return _with_workload(topology, {"backends": tuple(backends)})


def _with_workload(topology: Topology, changed: Mapping[str, object]) -> Topology:
    return topology.model_copy(update={"workload": topology.workload.model_copy(update=changed)})


@dataclass(frozen=True)
class PatchService:
    """A merge patch of a Service. `declares`: its declared fields after it; None: no topology can express it."""

    service: str
    text: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    declares: Mapping[str, object] | None = None

    def apply(self, cluster: ScenarioCluster) -> None:
        """Patch it."""
        body: dict[str, Any] = {"metadata": {"labels": dict(self.labels)}} if self.labels else {}
        cluster.patch_service(self.service, body | ({"spec": dict(self.spec)} if self.spec else {}))

    def declare(self, topology: Topology) -> Topology | None:
        """Return the cluster with the fields that it declares."""
        return None if self.declares is None else with_service(topology, self.service, self.declares)


@dataclass(frozen=True)
class PublishUnready:
    """A change of publishNotReadyAddresses of a Service."""

    service: str
    published: bool

    @property
    def text(self) -> str:
        """What it does."""
        return f"publishNotReadyAddresses of Service {self.service} becomes {str(self.published).lower()}"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Patch the Service."""
        cluster.patch_service(self.service, {"spec": {"publishNotReadyAddresses": self.published}})

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster with the field."""
        return with_service(topology, self.service, {"publish_not_ready_addresses": self.published})


@dataclass(frozen=True)
class Relabel:
    """A change of the label by which Services select pods."""

    pods: tuple[str, ...]
    app: str

    @property
    def text(self) -> str:
        """What it does."""
        return f"pod {' and '.join(self.pods)} gets the label of app {self.app}"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Patch each pod."""
        for pod in self.pods:
            cluster.relabel_pod(pod, self.app)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster with the pods in that app."""
        return with_backends(topology, dict.fromkeys(self.pods, self.app))


@dataclass(frozen=True)
class DeletePods:
    """The deletion of pods. `terminating`: they keep serving."""

    pods: tuple[str, ...]
    terminating: bool = False

    @property
    def text(self) -> str:
        """What it does."""
        return f"pod {' and '.join(self.pods)} is deleted{', and keeps serving' if self.terminating else ''}"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Delete each pod."""
        for pod in self.pods:
            cluster.delete_pod(pod, at_once=not self.terminating)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster without the pods, or with terminating ones."""
        if self.terminating:
            return with_states(topology, self.pods, EndpointState.TERMINATING)
        return with_backends(topology, dict.fromkeys(self.pods, SPARE_APP))


@dataclass(frozen=True)
class CreatePods:
    """The creation of backends that were deleted before."""

    pods: tuple[str, ...]
    app: str

    @property
    def text(self) -> str:
        """What it does."""
        return f"pod {' and '.join(self.pods)} is created again"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Create each pod."""
        for pod in self.pods:
            cluster.create_pod(pod)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster with the pods."""
        return with_backends(topology, dict.fromkeys(self.pods, self.app))


@dataclass(frozen=True)
class EvictPods:
    """The eviction of pods, as a drain of their node does it."""

    pods: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it does."""
        return f"pod {' and '.join(self.pods)} is evicted"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Evict each pod."""
        for pod in self.pods:
            cluster.evict_pod(pod)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster without the pods."""
        return with_backends(topology, dict.fromkeys(self.pods, SPARE_APP))


@dataclass(frozen=True)
class SetReady:
    """A change of the readiness gate of pods. `deleted`: they are deleted too, and linger."""

    pods: tuple[str, ...]
    ready: bool
    deleted: bool = False

    @property
    def text(self) -> str:
        """What it does."""
        ending = ", then it is deleted and lingers" if self.deleted else ""
        return f"the readiness gate of pod {' and '.join(self.pods)} becomes {self.ready}{ending}"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Patch the status of each pod, and delete it if declared so."""
        for pod in self.pods:
            cluster.set_ready(pod, ready=self.ready)
        if self.deleted:
            cluster.wait_until_unready(self.pods)
            for pod in self.pods:
                cluster.delete_pod(pod, at_once=False)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster with the pods in their state."""
        unready = EndpointState.TERMINATING_UNREADY if self.deleted else EndpointState.UNREADY
        return with_states(topology, self.pods, EndpointState.READY if self.ready else unready)


@dataclass(frozen=True)
class DeleteService:
    """The deletion of a Service."""

    service: str

    @property
    def text(self) -> str:
        """What it does."""
        return f"Service {self.service} is deleted"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Delete it."""
        cluster.delete_service(self.service)

    def declare(self, topology: Topology) -> None:
        """Return None: the oracle predicts Services that exist."""
        del topology


@dataclass(frozen=True)
class CreateService:
    """The creation of a Service that was deleted before."""

    service: str

    @property
    def text(self) -> str:
        """What it does."""
        return f"Service {self.service} is created again"

    def apply(self, cluster: ScenarioCluster) -> None:
        """Create it as it was declared."""
        cluster.create_service(self.service)

    def declare(self, topology: Topology) -> Topology:
        """Return the cluster as it was declared."""
        return topology
