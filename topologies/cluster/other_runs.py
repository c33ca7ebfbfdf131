"""Find the other runs of a cluster: those that ask it, those that are being removed, and those that left objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.cluster.api import FORBIDDEN, ClusterError, reading
from topologies.cluster.run_namespaces import RunNamespace, run_namespaces
from topologies.cluster.shared_namespace import runs_in, selector
from topologies.cluster_state.api_fields import get_spec

if TYPE_CHECKING:
    from kubernetes import client

    from topologies.cluster.client import Cluster


@dataclass(frozen=True)
class OtherRuns:
    """The other runs, as one run's cluster lists them."""

    cluster: Cluster

    def earlier(self) -> str:
        """Return an empty string when no earlier run asks this cluster, else which does.

        Two runs at once would share host ports, externalIPs and the kernels' limits on ICMP errors. The earlier one is
        the one whose namespace, or Lease in a namespace made beforehand, is older.
        """
        first = [one for one in self._others() if one.asking and not one.ending and self._is_earlier(one)]
        return "; ".join(f"the run of {one} is asking this cluster" for one in first)

    def alone(self) -> str:
        """Return an empty string when no earlier run is still being removed, else which are.

        The hostNetwork pods of one hold the ports that this run's echo pods need, and answer the probes meant for them;
        its Services hold the externalIPs. Without either it does not count: a finalizer may keep it for ever.
        """
        ending = [one for one in self._others() if one.ending and (self._pods_of(one) or self._services_of(one))]
        return "; ".join(f"namespace {one.name} is being deleted" for one in ending)

    def taken(self) -> str:
        """Return an empty string when no namespace that an ended run left holds this run's externalIPs, else which."""
        services = self.cluster.topology.workload.services
        ours = {str(address) for service in services for address in service.external_ips}
        for one in self._others() if ours else []:
            if one.ending or one.asking:
                continue
            with reading(f"list Services of {one.name}"):
                theirs = {text for service in self._services_of(one) for text in get_spec(service).external_ips or []}
            if both := sorted(ours & theirs):
                return f"{one}, left by an earlier run, has Services at this run's externalIPs {', '.join(both)}"
        return ""

    def _others(self) -> list[RunNamespace]:
        """Return the other runs; of a namespace made beforehand also those in it.

        A run with a Role in its namespace may not list namespaces. Then it sees only the runs in its own.
        """
        one = self.cluster
        if not one.given:
            return [other for other in run_namespaces(one.api, one.timeout) if other.name != one.namespace]
        here = [other for other in runs_in(one.api, one.namespace, one.timeout) if other.run != one.run]
        try:
            return [*here, *run_namespaces(one.api, one.timeout)]
        except ClusterError as error:
            if error.status != FORBIDDEN:
                raise
            return here

    def _is_earlier(self, other: RunNamespace) -> bool:
        one = self.cluster
        return one.created is None or other.place < (one.created, one.namespace, one.run)

    def _pods_of(self, other: RunNamespace) -> list[client.V1Pod]:
        return self.cluster.items(
            f"list Pods of {other.name}", self.cluster.core.list_namespaced_pod, other.name, labels=_select(other)
        )

    def _services_of(self, other: RunNamespace) -> list[client.V1Service]:
        what = f"list Services of {other.name}"
        return self.cluster.items(what, self.cluster.core.list_namespaced_service, other.name, labels=_select(other))


def _select(other: RunNamespace) -> str:
    """Return the selector of another run's objects, if the namespace has others too."""
    return selector(other.run) if other.shared else ""
