"""What a snapshot lacks of the declared workload, what changed between two, and which cells that spoils. Pure.

A backend, Service, address or vantage that is declared and not there makes its cells inconclusive, with the reason
found here. No expectation is made of a broken workload, so a cluster with missing parts cannot pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from topologies.cluster_state.backend_names import shared_hostnames
from topologies.cluster_state.endpoint_conditions import Conditions, describe
from topologies.cluster_state.service_shortfalls import SERVICE_KINDS, Shortfall, listed, of_service
from topologies.frontends import FrontendKind
from topologies.schema.enums import EndpointState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.cluster_state.snapshot import Endpoint, PodStatus, Snapshot
    from topologies.frontends import Frontend
    from topologies.schema.topology import Topology, Vantage


@dataclass(frozen=True)
class Shortfalls:
    """All shortfalls of a run's workload."""

    topology: Topology
    found: tuple[Shortfall, ...] = ()

    def reason(self, vantage: Vantage, frontend: Frontend) -> str:
        """Return why this frontend cannot be probed from there; empty if nothing is missing."""
        if not self.found:
            return ""
        services = {frontend.service, *self._services(frontend)}
        places = [place for pod in self._pods(vantage, frontend) for place in self._by_pod.get(pod, ())]
        places += [place for service in services for place in self._by_service.get(service, ())]
        concerning = [one for one in (self.found[place] for place in sorted(places)) if _concerns(one, frontend)]
        return "; ".join(dict.fromkeys(one.reason for one in concerning))

    @cached_property
    def _by_pod(self) -> dict[str, list[int]]:
        """The places in `found` of each pod's shortfalls."""
        return _group_places(one.pod for one in self.found)

    @cached_property
    def _by_service(self) -> dict[str, list[int]]:
        """The places in `found` of each Service's shortfalls."""
        return _group_places(one.service for one in self.found)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason once, in the order of the topology."""
        return tuple(dict.fromkeys(one.reason for one in self.found))

    @property
    def pods(self) -> frozenset[str]:
        """The backends and vantages whose pods are not there."""
        return frozenset(one.pod for one in self.found if one.pod)

    @property
    def backends(self) -> tuple[str, ...]:
        """The reasons why declared backends are not there."""
        names = self.topology.workload.backends_by_name
        return tuple(dict.fromkeys(one.reason for one in self.found if one.pod in names))

    @property
    def unsettled(self) -> str:
        """What waiting may still mend besides the pods, in one line."""
        return "; ".join(one.reason for one in self.found if one.may_settle)

    def _pods(self, vantage: Vantage, frontend: Frontend) -> set[str]:
        """Return the vantage's own pod, and the backends that may be selected."""
        client = {vantage.backend or vantage.name}
        if frontend.kind is FrontendKind.ENDPOINT:
            return client | {frontend.backend or ""}
        services = map(self.topology.service, self._services(frontend))
        return client | {backend.name for service in services for backend in self.topology.backends_of(service)}

    def _services(self, frontend: Frontend) -> set[str]:
        """Return the Services whose backends may answer; at a port that no Service declares, the listener's, if any."""
        if frontend.declared:
            return {frontend.service}
        listener = self.topology.load_balancer.listeners_by_name.get(frontend.listener or "")
        return {listener.leads_to} if listener and listener.leads_to else set()


def _group_places(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the places of each name that is not empty."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name:
            places.setdefault(name, []).append(place)
    return places


def _concerns(one: Shortfall, frontend: Frontend) -> bool:
    """Return whether a shortfall of a pod or Service that this frontend needs spoils its cells."""
    return bool(one.pod) or frontend.kind in one.kinds


def shortfalls(topology: Topology, snapshot: Snapshot) -> Shortfalls:
    """Return all that the snapshot lacks of the declared workload."""
    pods = tuple(_pods(topology, snapshot))
    absent = {one.pod for one in pods}
    pods += tuple(Shortfall(why, pod=name) for name, why in shared_hostnames(topology, snapshot))
    pods += tuple(Shortfall(why, pod=name) for name, why in snapshot.restricted.items())
    services = (
        one for service in topology.workload.services for one in of_service(topology, service, snapshot, absent)
    )
    return Shortfalls(topology, (*pods, *services))


def changes(topology: Topology, before: Snapshot, after: Snapshot) -> Shortfalls:
    """Return what changed of pods, endpoints and addresses between two snapshots."""
    pods = _changed_pods(topology, before, after)
    return Shortfalls(topology, (*pods, *_changed_services(topology, before, after)))


def _pods(topology: Topology, snapshot: Snapshot) -> Iterator[Shortfall]:
    for what, name, node in residents(topology):
        status = snapshot.statuses.get(name)
        if status is None:
            if name not in snapshot.pods:
                yield Shortfall(f"declared {what} {name} has no pod in the cluster", pod=name)
        elif wrong := _wrong_state(topology, name, status):
            yield Shortfall(f"declared {what} {name} {wrong}", pod=name)
        elif status.node and status.node != node:
            places = f"runs on {topology.full_node_name(status.node)}, want {topology.full_node_name(node)}"
            yield Shortfall(f"declared {what} {name} {places}", pod=name)
        elif name not in snapshot.pods:
            yield Shortfall(f"declared {what} {name} has no IPv4 address", pod=name)


def _wrong_state(topology: Topology, name: str, status: PodStatus) -> str:
    """Return how a pod's state differs from the declared one, or an empty string. All but backends are Ready ones."""
    declared = _declared_state(topology, name)
    if declared is EndpointState.READY:
        return f"is not Ready: {status.not_ready}" if status.not_ready else ""
    if status.state is declared:
        return ""
    return f"is {status.state or status.not_ready or EndpointState.READY}, want {declared}"


def _declared_state(topology: Topology, name: str) -> EndpointState:
    backend = topology.workload.backends_by_name.get(name)
    return backend.state if backend else EndpointState.READY


def residents(topology: Topology) -> Iterator[tuple[str, str, str]]:
    """Yield (`backend` or `vantage`, name, node) of every pod that is declared."""
    for backend in topology.workload.backends:
        yield "backend", backend.name, backend.node
    for vantage in topology.workload.vantages:
        if vantage.node and vantage.kind in {"pod", "node"}:
            yield "vantage", vantage.name, vantage.node


def _changed_pods(topology: Topology, before: Snapshot, after: Snapshot) -> Iterator[Shortfall]:
    for what, name, _ in residents(topology):
        old, new = before.statuses.get(name), after.statuses.get(name)
        if old is None or _wrong_state(topology, name, old):  # then its cells lack it anyway
            continue
        if how := _changed(topology, name, old, new) or _moved(name, before, after):
            yield Shortfall(f"the cluster changed while cells were asked: {what} {name} {how}", pod=name)


def _changed(topology: Topology, name: str, old: PodStatus, new: PodStatus | None) -> str:
    if new is None:
        return "is gone"
    if new.uid != old.uid:
        return "was replaced by another pod"
    if new.restarts != old.restarts:
        return f"restarted ({old.restarts} restarts before, {new.restarts} after)"
    if not _wrong_state(topology, name, new):
        return ""
    return f"is not {old.state} any more" if old.not_ready else f"is not Ready any more: {new.not_ready}"


def _moved(name: str, before: Snapshot, after: Snapshot) -> str:
    old, new = before.pods.get(name), after.pods.get(name)
    return "" if old == new else f"had address {old} before, {new} after"


def _changed_services(topology: Topology, before: Snapshot, after: Snapshot) -> Iterator[Shortfall]:
    for service in topology.workload.services:
        old, new = before.services.get(service.name), after.services.get(service.name)
        prefix = f"the cluster changed while cells were asked: Service {service.name}"
        if old is None:
            continue
        if new is None:
            yield Shortfall(f"{prefix} is gone", service=service.name, kinds=SERVICE_KINDS)
            continue
        if (had := _usable(topology, old.endpoints)) != (has := _usable(topology, new.endpoints)):
            reason = f"{prefix} had endpoints {listed(had)} before, {listed(has)} after"
            yield Shortfall(reason, service=service.name, kinds=SERVICE_KINDS)
        for field in ("cluster_ip", "node_port", "balanced_at"):
            if (was := getattr(old, field)) != (now := getattr(new, field)):
                yield Shortfall(f"{prefix}: {field} was {was}, is {now}", service=service.name, kinds=SERVICE_KINDS)


def _usable(topology: Topology, endpoints: Iterable[Endpoint]) -> set[str]:
    """Describe the ready endpoints, and those of backends that are declared not ready with their conditions."""
    names = {one.name for one in topology.workload.backends if one.state is not EndpointState.READY}
    found = {f"{one.backend} {one.address}" for one in endpoints if one.ready and one.backend not in names}
    return found | {
        f"{one.backend} {one.address} ({describe(Conditions(one.ready, one.serving, one.terminating))})"
        for one in endpoints
        if one.backend in names
    }
