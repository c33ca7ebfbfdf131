"""Runs in a namespace that was made beforehand (`--namespace`): find their objects by label, and delete those alone.

Such a run needs a Role in the namespace and no right to create or delete namespaces. Everything that it creates carries
the run's label and is deleted by its UID. The run's Lease has the run's id in its name, so that several runs can use
one namespace in turn.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from topologies.cluster import library, manifests
from topologies.cluster.api import API_TIMEOUT, CONFLICT, FORBIDDEN, NOT_FOUND, ClusterError, call, reading
from topologies.cluster.run_namespaces import RunNamespace, is_renewed, server_time
from topologies.cluster_state.api_fields import get_metadata, get_name, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubernetes import client

    from topologies.cluster_state.api_fields import ApiList, ApiObject

    Listing = tuple[str, Callable[..., ApiList[ApiObject]], Callable[..., object]]


def selector(run: str) -> str:
    """Return the label selector of one run's objects."""
    return f"{manifests.RUN_LABEL}={run}"


def runs_in(api: client.ApiClient, namespace: str, timeout: tuple[float, float] = API_TIMEOUT) -> list[RunNamespace]:
    """Return the runs that have objects in a namespace, oldest first; ClusterError if its pods cannot be listed."""
    found: dict[str, RunNamespace] = {}
    for item, now in _objects(api, namespace, manifests.SELECTOR, timeout):
        metadata = get_metadata(item)
        run = (metadata.labels or {}).get(manifests.RUN_LABEL, "")
        created = require(metadata.creation_timestamp, "metadata.creationTimestamp")
        known = found.get(run)
        if run and (known is None or created < known.created):
            age_s = (now - created).total_seconds()
            found[run] = RunNamespace(namespace, metadata.uid or "", run, age_s, created, shared=True)
    return sorted(_with_leases(api, namespace, found, timeout), key=lambda one: one.place)


def _with_leases(
    api: client.ApiClient, namespace: str, found: dict[str, RunNamespace], timeout: tuple[float, float]
) -> Iterator[RunNamespace]:
    """Yield the runs with what their Leases show."""
    listed = library.client.CoordinationV1Api(api).list_namespaced_lease_with_http_info
    try:
        leases, _, headers = call(
            api, f"list Leases in {namespace}", listed, namespace, label_selector=manifests.SELECTOR, timeout=timeout
        )
    except ClusterError as error:
        if error.status != FORBIDDEN:
            raise
        yield from found.values()
        return
    with reading(f"list Leases in {namespace}"):
        now = server_time(headers)
        by_run = {(get_metadata(one).labels or {}).get(manifests.RUN_LABEL, ""): one for one in leases.items}
        for run in {**found, **by_run}:
            if run:
                yield _describe(namespace, run, found.get(run), by_run.get(run), now)


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


def _listings(api: client.ApiClient) -> tuple[Listing, ...]:
    """Return what a run creates: the kind, and the methods that list and delete it. Pods are last to be missed."""
    core, coordination = library.client.CoreV1Api(api), library.client.CoordinationV1Api(api)
    return (
        ("Service", core.list_namespaced_service, core.delete_namespaced_service),
        ("Pod", core.list_namespaced_pod, core.delete_namespaced_pod),
        ("Lease", coordination.list_namespaced_lease, coordination.delete_namespaced_lease),
    )


def _objects(
    api: client.ApiClient, namespace: str, labels: str, timeout: tuple[float, float]
) -> Iterator[tuple[ApiObject, dt.datetime]]:
    """Yield the Services and pods with these labels, and the time by this host's clock."""
    for kind, listed, _ in _listings(api)[:2]:
        what = f"list {kind}s in {namespace}"
        found = call(api, what, listed, namespace, label_selector=labels, timeout=timeout)
        with reading(what):
            yield from ((item, dt.datetime.now(dt.UTC)) for item in found.items)


def delete_run(api: client.ApiClient, namespace: str, run: str, timeout: tuple[float, float] = API_TIMEOUT) -> None:
    """Delete the objects of one run, each by its UID.

    Raises:
        ClusterError: Some may still be there.

    """
    for kind, listed, deleted in _listings(api):
        what = f"list {kind}s in {namespace}"
        try:
            found = call(api, what, listed, namespace, label_selector=selector(run), timeout=timeout)
        except ClusterError as error:
            if kind == "Lease" and error.status == FORBIDDEN:  # a run can do without
                continue
            raise
        with reading(what):
            for item in found.items:
                _delete(api, f"{kind} {get_name(item)}", deleted, namespace, item, timeout)


def _delete(  # noqa: PLR0913, PLR0917 - one call of the API and what it is about
    api: client.ApiClient,
    what: str,
    function: Callable[..., object],
    namespace: str,
    item: ApiObject,
    timeout: tuple[float, float],
) -> None:
    options = library.client.V1DeleteOptions(
        grace_period_seconds=0, preconditions=library.client.V1Preconditions(uid=get_metadata(item).uid)
    )
    try:
        call(
            api,
            f"delete {what}",
            function,
            get_name(item),
            namespace,
            body=options,
            _preload_content=False,  # the answer is a Status, which the package reads as the object
            timeout=timeout,
        )
    except ClusterError as error:
        if error.status not in {NOT_FOUND, CONFLICT}:  # 409: that UID is gone
            raise
