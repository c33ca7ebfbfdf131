"""Run two short-lived, unprivileged pods on each chosen node, read what they can see, and remove them.

`host-N` is on the node's network and prints its facts (`node_facts.py`); `pod-N` is a usual pod and shows which address
the CNI gives it. Their namespace is made, leased and removed as a run's is, so `hairpin clean` removes what a killed
`hairpin discover` left.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from topologies.cluster import client as clusters
from topologies.cluster import library, manifests
from topologies.cluster.api import FORBIDDEN, ClusterError, call, reading
from topologies.cluster.api_objects import pod_address
from topologies.cluster.run_namespaces import PREFIX, Lease
from topologies.cluster_state.api_fields import get_name
from topologies.cluster_state.pod_states import classify
from topologies.common.errors import HairpinError
from topologies.common.threads import run_all
from topologies.common.waiting import Deadline, WaitTimeoutError, until
from topologies.discovery import node_facts, reachability
from topologies.discovery.findings import Finding
from topologies.discovery.inventory import Unread, as_networks
from topologies.discovery.reachability import Refusals
from topologies.loading.load import validated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kubernetes import client

    from topologies.discovery.node_facts import NodeFacts
    from topologies.discovery.nodes import ChosenNode
    from topologies.schema.topology import Topology

READY_S = 90.0  # for all pods to be Ready: an image of 60 MB is pulled meanwhile
ABREAST = 4  # nodes that are asked at a time
ELSEWHERE = "240.0.0.0/24"  # reserved (RFC 1112): no node has an address there
OUTSIDE_ANY_RANGE = "203.0.113.254"  # TEST-NET-3 (RFC 5737)
LEAVES = "proxy.*, kernel.*, the addresses of bridges and tunnels, whether pods are on a bridge"
_RANGE = re.compile(r"range of valid IPs is ([0-9a-fA-F.:/,]+)")


class ExecInPod(Protocol):
    """Runs a command in a pod of a namespace and returns its standard output; HairpinError if it cannot."""

    def __call__(self, namespace: str, pod: str, command: Sequence[str], timeout_s: float, /) -> bytes:
        """Run the command."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How the probe pods run. `namespace`: an existing one; empty: one of their own, named after `run`.

    `run`: a random id; empty: no pods. `image`: empty if none was given.
    """

    run: str = ""
    image: str = ""
    namespace: str = ""
    ready_s: float = READY_S


@dataclass
class Probed:
    """What the pods found. `failed`: why a node's pod did not run, by node."""

    facts: dict[str, NodeFacts] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    service_cidr: Finding | None = None
    refusals: Refusals = field(default_factory=Refusals)
    unread: list[Unread] = field(default_factory=list)


def probe(
    api: client.ApiClient,
    chosen: Sequence[ChosenNode],
    settings: ProbeSettings,
    execute: ExecInPod,
    progress: Callable[[str], None],
) -> Probed:
    """Return what the pods on these nodes found; a refusal of the API is recorded in `unread`.

    Raises:
        ClusterError: The API does not answer any more.

    """
    given = bool(settings.namespace)
    place = settings.namespace or f"{PREFIX}{settings.run}"
    cluster = clusters.Cluster(api, _scratch(chosen, settings), place, settings.run, given=given)
    lease, found = Lease(api, place, settings.run, progress, shared=given), Probed()
    try:
        progress(f"running {2 * len(chosen)} pods in {cluster.namespace} (image {settings.image})")
        cluster.claim()
        if why := lease.hold():
            progress(f"note: {why}")
        cluster.deploy()
        _wait(cluster, settings)
        _read(cluster, chosen, execute, found)
        _connect(cluster, chosen, execute, found)
        found.service_cidr = find_service_range(cluster)
    except ClusterError as error:
        if error.status is None:
            raise
        found.unread.append(Unread("probe pods", str(error), LEAVES))
    finally:
        lease.release()
        _remove(cluster, progress)
    return found


def _scratch(chosen: Sequence[ChosenNode], settings: ProbeSettings) -> Topology:
    """Return a topology whose only purpose is the two pods of each node."""
    vantages = [
        {"name": f"{prefix}-{index}", "kind": kind, "node": one.node.name}
        for index, one in enumerate(chosen, start=1)
        for prefix, kind in (("host", "node"), ("pod", "pod"))
    ]
    nodes = [{"name": one.node.name, "address": str(one.node.internal_ips[0])} for one in chosen]
    contents = {
        "name": "discovery",
        "kubernetes": "1.30.0",
        "nodes": nodes,
        "cni": {"kind": "eni"},
        "service_cidr": ELSEWHERE,
        "workload": {"backends": [], "services": [], "vantages": vantages},
        "images": {"agnhost": settings.image},
    }
    return validated(contents, "the probe pods")


def _wait(cluster: clusters.Cluster, settings: ProbeSettings) -> None:
    """Return when each pod is Ready or will never be, or the time is up."""

    def waited() -> str:
        states = cluster.pods()
        waiting = [one for one in states if not (one.ready or one.terminal or one.fatal)]
        return "; ".join(map(str, waiting)) if states else "no pod is listed"

    with suppress(WaitTimeoutError):  # the state of each pod has the reason
        until(waited, Deadline(settings.ready_s), "probe pods", every=0.3)


def _read(cluster: clusters.Cluster, chosen: Sequence[ChosenNode], execute: ExecInPod, found: Probed) -> None:
    """Ask each hostNetwork pod that is Ready."""
    listed = cluster.listed_pods()
    with reading("list Pods"):
        states = {state.name: state for state in map(classify, listed)}
        addresses = {get_name(pod): pod_address(pod) for pod in listed}

    def read(numbered: tuple[int, ChosenNode]) -> None:
        index, one = numbered
        pod = f"host-{index}"
        state = states.get(pod)
        if state is None or not state.ready:
            reason = state.reason if state else cluster.refused.get(pod, "not listed")
            found.failed[one.node.name] = f"its probe pod is not Ready: {reason}"
            return
        try:
            output = execute(cluster.namespace, pod, ["sh", "-c", node_facts.SCRIPT], node_facts.TIMEOUT_S)
        except HairpinError as error:
            found.failed[one.node.name] = f"its probe pod could not be asked: {error}"
            return
        found.facts[one.node.name] = node_facts.parse(one.node.name, output, addresses.get(f"pod-{index}"))

    run_all(read, enumerate(chosen, start=1), ABREAST)


def _connect(cluster: clusters.Cluster, chosen: Sequence[ChosenNode], execute: ExecInPod, found: Probed) -> None:
    """Connect from each node's pod to a closed port of the next node's pod and of the next node."""

    def connect(index: int) -> None:
        own, other = chosen[index].node, chosen[(index + 1) % len(chosen)].node
        pod = found.facts[other.name].pod_address if other.name in found.facts else None
        targets = [other.internal_ips[0], *([pod] if pod and other is not own else [])]
        try:
            command = ["sh", "-c", reachability.script(targets)]
            output = execute(cluster.namespace, f"pod-{index + 1}", command, reachability.TIMEOUT_S)
        except HairpinError:
            return  # what is not measured stays unknown
        refused = reachability.parse(output)
        if str(targets[0]) in refused:
            found.refusals.nodes.add((own.name, other.name))
        if pod and str(pod) in refused:
            found.refusals.pods.add((own.name, other.name))

    run_all(connect, range(len(chosen)), ABREAST)


def find_service_range(cluster: clusters.Cluster) -> Finding | None:
    """Return kube-apiserver's range of ClusterIPs, from the error for an address outside it; None if it is not named.

    An API server before 1.22 does not allocate in a dry run, so that the second try is a real one: it is refused, too.
    """
    labels = {**manifests.MANAGED_BY, manifests.RUN_LABEL: cluster.run}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "range", "labels": labels},
        "spec": {"clusterIP": OUTSIDE_ANY_RANGE, "ports": [{"port": 80}]},
    }
    tries: tuple[dict[str, Any], ...] = ({"dry_run": "All"}, {})
    for options in tries:
        try:
            create = library.client.CoreV1Api(cluster.api).create_namespaced_service
            call(cluster.api, "create a Service outside the range", create, cluster.namespace, service, **options)
        except ClusterError as error:
            if error.status == FORBIDDEN or not (named := _RANGE.search(str(error))):
                return None
            ranges = as_networks(named[1].split(","))
            source = f"kube-apiserver's error for clusterIP {OUTSIDE_ANY_RANGE}, which names the range"
            return Finding(str(ranges[0]), source) if ranges else None
    return None


def _remove(cluster: clusters.Cluster, progress: Callable[[str], None]) -> None:
    try:
        cluster.remove()
    except ClusterError as error:
        progress(f"{cluster.leftover}: {error}")
