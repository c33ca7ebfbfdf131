"""Runs in a namespace that was made beforehand (`--namespace`): find their objects by label, and delete those alone.

Such a run needs a Role in the namespace and no right to create or delete namespaces. Everything that it creates carries
the run's label and is deleted by its UID. The run's Lease has the run's id in its name, so that several runs can use
one namespace in turn. Ages are those of the API server's clock, as in `run_namespaces.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from topologies.cluster import library, manifests
from topologies.cluster.api import API_TIMEOUT, CONFLICT, FORBIDDEN, NOT_FOUND, ClusterError, call, reading
from topologies.cluster.run_namespaces import RunNamespace, is_renewed, server_time
from topologies.cluster.terminating_pods import end_terminating
from topologies.cluster_state.api_fields import get_metadata, get_name, require
from topologies.common.threads import run_all

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kubernetes import client

    from topologies.cluster_state.api_fields import ApiList, ApiObject

Item_co = TypeVar("Item_co", bound="ApiObject", covariant=True)
Item = TypeVar("Item", bound="ApiObject")
AT_ONCE = 8  # deletions: an interrupted run has only a few seconds for all of them


class _Kind(NamedTuple, Generic[Item_co]):
    """A kind of object that a run creates, and the methods that list it with the answer's headers and delete one."""

    name: str
    list_all: Callable[..., tuple[ApiList[Item_co], int, Mapping[str, str]]]
    delete: Callable[..., object]


@dataclass(frozen=True, slots=True)
class _Objects:
    """The objects of runs in one namespace."""

    api: client.ApiClient
    namespace: str
    timeout: tuple[float, float]

    @property
    def workload(self) -> tuple[_Kind[ApiObject], ...]:
        """What a run creates besides its Lease."""
        core = library.client.CoreV1Api(self.api)
        return (
            _Kind("Service", core.list_namespaced_service_with_http_info, core.delete_namespaced_service),
            _Kind("Pod", core.list_namespaced_pod_with_http_info, core.delete_namespaced_pod),
        )

    @property
    def lease(self) -> _Kind[client.V1Lease]:
        """By which others see that a run is at work."""
        coordination = library.client.CoordinationV1Api(self.api)
        listed = coordination.list_namespaced_lease_with_http_info
        return _Kind("Lease", listed, coordination.delete_namespaced_lease)

    def find(self, kind: _Kind[Item], labels: str) -> tuple[list[Item], dt.datetime]:
        """Return the objects with these labels, and the time on the API server's clock."""
        what = f"list {kind.name}s in {self.namespace}"
        found, _, headers = call(
            self.api, what, kind.list_all, self.namespace, label_selector=labels, timeout=self.timeout
        )
        with reading(what):
            return list(found.items), server_time(headers)

    def delete_all(self, kind: _Kind[ApiObject], labels: str) -> list[ClusterError]:
        """Delete the objects with these labels, each by its UID; return the refusals of the API."""
        refused: list[ClusterError] = []

        def delete(item: ApiObject) -> None:
            try:
                self._delete(kind, item)
            except ClusterError as error:
                if error.status is None:  # the API does not answer
                    raise
                refused.append(error)

        run_all(delete, self.find(kind, labels)[0], AT_ONCE)
        return refused

    def _delete(self, kind: _Kind[ApiObject], item: ApiObject) -> None:
        with reading(f"list {kind.name}s in {self.namespace}"):
            name, uid = get_name(item), require(get_metadata(item).uid, "metadata.uid")
        options = library.client.V1DeleteOptions(
            grace_period_seconds=0, preconditions=library.client.V1Preconditions(uid=uid)
        )
        # The answer may be a Status, which the package would read as the object.
        more = {"body": options, "_preload_content": False}
        what = f"delete {kind.name} {name} in {self.namespace}"
        try:
            call(self.api, what, kind.delete, name, self.namespace, timeout=self.timeout, **more)
        except ClusterError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:  # 409: that UID is gone
                raise


def selector(run: str) -> str:
    """Return the label selector of one run's objects."""
    return f"{manifests.RUN_LABEL}={run}"


def runs_in(api: client.ApiClient, namespace: str, timeout: tuple[float, float] = API_TIMEOUT) -> list[RunNamespace]:
    """Return the runs that have objects in a namespace, oldest first; ClusterError if its pods cannot be listed."""
    objects = _Objects(api, namespace, timeout)
    found: dict[str, RunNamespace] = {}
    for kind in objects.workload:
        items, now = objects.find(kind, manifests.SELECTOR)
        with reading(f"list {kind.name}s in {namespace}"):
            for one in _runs_of(namespace, items, now):
                known = found.get(one.run)
                found[one.run] = one if known is None or one.created < known.created else known
    return sorted(_with_leases(objects, found), key=lambda one: one.place)


def _runs_of(namespace: str, items: Iterable[ApiObject], now: dt.datetime) -> Iterator[RunNamespace]:
    """Yield the run of each object."""
    for item in items:
        metadata = get_metadata(item)
        created = require(metadata.creation_timestamp, "metadata.creationTimestamp")
        if run := (metadata.labels or {}).get(manifests.RUN_LABEL, ""):
            age_s = (now - created).total_seconds()
            yield RunNamespace(namespace, metadata.uid or "", run, age_s, created, shared=True)


def _with_leases(objects: _Objects, found: dict[str, RunNamespace]) -> list[RunNamespace]:
    """Return the runs with what their Leases show."""
    try:
        leases, now = objects.find(objects.lease, manifests.SELECTOR)
    except ClusterError as error:
        if error.status != FORBIDDEN:
            raise
        return list(found.values())
    with reading(f"list Leases in {objects.namespace}"):
        by_run = {(get_metadata(one).labels or {}).get(manifests.RUN_LABEL, ""): one for one in leases}
        runs = [run for run in {**found, **by_run} if run]
        return [_describe(objects.namespace, run, found.get(run), by_run.get(run), now) for run in runs]


def _describe(
    namespace: str, run: str, known: RunNamespace | None, lease: client.V1Lease | None, now: dt.datetime
) -> RunNamespace:
    if lease is None:
        return require(known, "a run")
    made = require(get_metadata(lease).creation_timestamp, "metadata.creationTimestamp")
    return RunNamespace(
        name=namespace,
        uid=get_metadata(lease).uid or "",
        run=run,
        age_s=(now - made).total_seconds(),
        created=made,
        owner=(lease.spec.holder_identity if lease.spec else "") or "",
        asking=is_renewed(lease, now),
        shared=True,
    )


def delete_run(api: client.ApiClient, namespace: str, run: str, timeout: tuple[float, float] = API_TIMEOUT) -> None:
    """Delete the objects of one run, each by its UID. The Lease stays if others do: it shows that the run has ended.

    Raises:
        ClusterError: Some may still be there.

    """
    objects = _Objects(api, namespace, timeout)
    end_terminating(api, namespace, selector(run), timeout)
    refused = [error for kind in objects.workload for error in objects.delete_all(kind, selector(run))]
    try:
        refused = refused or objects.delete_all(objects.lease, selector(run))
    except ClusterError as error:
        if error.status != FORBIDDEN:  # without that right, a run has no Lease
            raise
    if refused:
        raise refused[0]
