"""List and delete the namespaces of runs in a cluster, and see whether their runs are still at work.

A run holds a Lease in its namespace and renews it every RENEW_S, so that `hairpin clean` and other runs see that it is
at work. The age of a renewal is measured on the API server's clock alone (the `Date` header against the time in
`managedFields`): the clocks of the runs' hosts may be wrong. A namespace is deleted by its UID only.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from topologies.cluster import library, manifests
from topologies.cluster.api import API_TIMEOUT, CONFLICT, NOT_FOUND, ClusterError, call, reading
from topologies.cluster_state.api_fields import get_metadata, get_name, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kubernetes import client

RENEW_S = 4.0
EXPIRES_S = 20.0  # five renewals missed
PREFIX = "hairpin-"


@dataclass(frozen=True, slots=True)
class RunNamespace:
    """A namespace that carries the labels of a run.

    `run`: its label's value. `age_s`: seconds since it was made, by the API server's clock. `owner`: user, host and pid
    of the run, as far as known. `asking`: whether the run has renewed its Lease; None where there is no Lease to read.
    `shared`: the namespace was made beforehand, and only the run's objects in it are meant.
    """

    name: str
    uid: str
    run: str
    age_s: float
    created: dt.datetime
    ending: bool = False
    owner: str = ""
    asking: bool | None = None
    shared: bool = False

    @property
    def is_a_runs(self) -> bool:
        """Whether name and label agree, as they do in every namespace that a run has made."""
        return bool(self.run) and (self.shared or self.name == f"{PREFIX}{self.run}")

    @property
    def place(self) -> tuple[dt.datetime, str, str]:
        """The order in which runs ask one cluster."""
        return self.created, self.name, self.run

    def __str__(self) -> str:
        if self.shared:
            return f"run {self.run}{f' of {self.owner}' if self.owner else ''} in namespace {self.name}"
        return f"namespace {self.name}{f' of {self.owner}' if self.owner else ''}"


def owner() -> str:
    """Return who runs this: user, host and pid."""
    user = str(os.getuid())
    with suppress(OSError, KeyError):  # no entry in the password file
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"


def run_namespaces(api: client.ApiClient, timeout: tuple[float, float] = API_TIMEOUT) -> list[RunNamespace]:
    """Return the namespaces of runs, found by label, oldest first; ClusterError if they cannot be listed."""
    listed = library.client.CoreV1Api(api).list_namespace_with_http_info
    what = "list Namespaces"
    found, _, headers = call(api, what, listed, label_selector=manifests.SELECTOR, timeout=timeout)
    with reading(what):
        now = server_time(headers)
        return sorted((_read(api, item, now, timeout) for item in found.items), key=lambda one: one.place)


def server_time(headers: Mapping[str, str]) -> dt.datetime:
    """Return the API server's time, or ours where it does not give its own."""
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(headers["Date"]).astimezone(dt.UTC)
    return dt.datetime.now(dt.UTC)


def _read(
    api: client.ApiClient, item: client.V1Namespace, now: dt.datetime, timeout: tuple[float, float]
) -> RunNamespace:
    metadata = get_metadata(item)
    created = require(metadata.creation_timestamp, "metadata.creationTimestamp")
    lease = None if metadata.deletion_timestamp else _lease(api, get_name(item), timeout)
    annotations = metadata.annotations or {}
    return RunNamespace(
        name=get_name(item),
        uid=require(metadata.uid, "metadata.uid"),
        run=(metadata.labels or {}).get(manifests.RUN_LABEL, ""),
        age_s=(now - created).total_seconds(),
        created=created,
        ending=metadata.deletion_timestamp is not None,
        owner=annotations.get(manifests.OWNER_ANNOTATION, ""),
        asking=None if lease is None else is_renewed(lease, now),
    )


def _lease(api: client.ApiClient, namespace: str, timeout: tuple[float, float]) -> client.V1Lease | None:
    """Return the run's Lease; None if there is none, or it may not be read."""
    listed = library.client.CoordinationV1Api(api).list_namespaced_lease
    try:
        found = call(api, f"list Leases in {namespace}", listed, namespace, timeout=timeout).items
    except ClusterError:
        return None
    return next((one for one in found if get_metadata(one).name == manifests.LEASE), None)


def is_renewed(lease: client.V1Lease, now: dt.datetime) -> bool:
    """Whether it was renewed less than EXPIRES_S ago: by the server's note of the change, or the run's own time."""
    times = [one.time for one in get_metadata(lease).managed_fields or [] if one.time]
    times += [lease.spec.renew_time] if lease.spec and lease.spec.renew_time else []
    return bool(times) and (now - max(times)).total_seconds() < EXPIRES_S


def delete(api: client.ApiClient, name: str, uid: str, timeout: tuple[float, float] = API_TIMEOUT) -> None:
    """Delete the namespace with this UID and all in it; another of the same name is left alone.

    Raises:
        ClusterError: It may still be there.

    """
    options = library.client.V1DeleteOptions(preconditions=library.client.V1Preconditions(uid=uid))
    try:
        call(
            api,
            f"delete Namespace {name}",
            library.client.CoreV1Api(api).delete_namespace,
            name,
            body=options,
            timeout=timeout,
        )
    except ClusterError as error:
        if error.status not in {NOT_FOUND, CONFLICT}:  # 409: that UID is gone, or is being deleted
            raise


class Lease:
    """The Lease of one run: made by `hold`, renewed by a thread until `release`."""

    def __init__(
        self, api: client.ApiClient, namespace: str, run: str, report: Callable[[str], None], *, shared: bool = False
    ) -> None:
        self.created: dt.datetime | None = None
        self._name = f"{manifests.LEASE}-{run}" if shared else manifests.LEASE
        self._api = api
        self._namespace = namespace
        self._run = run
        self._report = report
        self._where = f"the Lease {self._name} in namespace {namespace}" if shared else f"namespace {namespace}"
        self._ended = threading.Event()
        self.lost = ""

    def hold(self) -> str:
        """Create it and renew it from now on; return why not, if the API refuses: the run can do without."""
        made = library.client.CoordinationV1Api(self._api).create_namespaced_lease
        lease = manifests.lease(self._run, owner(), int(EXPIRES_S), self._name)
        try:
            found = call(self._api, f"create Lease in {self._namespace}", made, self._namespace, lease)
        except ClusterError as error:
            return f"`hairpin clean` and other runs cannot see that this run asks: {error}"
        self.created = get_metadata(found).creation_timestamp
        threading.Thread(target=self._renew_on, daemon=True, name="hairpin-lease").start()
        return ""

    def release(self) -> None:
        """Renew it no more."""
        self._ended.set()

    def _renew_on(self) -> None:
        while not self._ended.wait(RENEW_S):
            try:
                self._renew()
            except ClusterError as error:
                if error.status == NOT_FOUND and not self._ended.is_set():
                    self.lost = f"{self._where} was deleted by somebody else while this run asked"
                    self._report(self.lost)
                    return

    def _renew(self) -> None:
        patched = library.client.CoordinationV1Api(self._api).patch_namespaced_lease
        change = {"spec": {"renewTime": manifests.micro_time()}}
        call(self._api, f"renew the Lease in {self._namespace}", patched, self._name, self._namespace, change)
