"""Create the pods of a run, create some anew at another port, and read which policies restrict them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.cluster import library, manifests
from topologies.cluster.api import CONFLICT, FORBIDDEN, NOT_FOUND, ClusterError, reading
from topologies.cluster_state.api_fields import get_metadata, get_name, require
from topologies.cluster_state.network_policies import find_restricted
from topologies.cluster_state.refusals import recognise
from topologies.common.waiting import Deadline, pause

if TYPE_CHECKING:
    from kubernetes import client

    from topologies.cluster.client import Cluster
    from topologies.cluster.manifests import Manifest

NAMED = 8  # policies that a note names; the rest is counted
GONE_S = 30.0  # for a pod to be gone, so that another one may have its name
CUSTOM_POLICIES = (  # group, version, plural, kind; cluster-wide ones first
    ("crd.projectcalico.org", "v1", "globalnetworkpolicies", "Calico GlobalNetworkPolicy"),
    ("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy"),
)


def create_pods(cluster: Cluster) -> None:
    """Create every pod. A hostNetwork pod that admission refuses is noted, and costs only the cells that need it.

    Raises:
        ClusterError: Another pod was refused, or every pod was.

    """
    made = cluster.pod_manifests()
    for pod in made:
        try:
            _create(cluster, pod)
        except ClusterError as error:
            refusal = recognise(str(error))
            if not (refusal and refusal.one_pod and pod["spec"].get("hostNetwork")):
                raise
            cluster.refused[pod["metadata"]["name"]] = f"it was refused: {error}"
    if made and len(cluster.refused) == len(made):
        raise ClusterError(next(iter(cluster.refused.values())))


def _create(cluster: Cluster, pod: Manifest) -> None:
    created = cluster.create(f"Pod {pod['metadata']['name']}", cluster.core.create_namespaced_pod, pod)
    if added := _added_containers(created):
        name = pod["metadata"]["name"]
        cluster.notes.append(
            f"pod {name} has containers that an admission webhook added: {', '.join(added)}. They may answer or send "
            "in its place: exempt the namespace from injection"
        )


def _added_containers(pod: client.V1Pod) -> list[str]:
    """Return the names of containers that the manifest does not have."""
    if pod.spec is None:
        return []
    listed = [*(pod.spec.init_containers or []), *(pod.spec.containers or [])]
    return [one.name for one in listed if one.name != manifests.CONTAINER]


def move_backends(cluster: Cluster, app: str, port: int) -> None:
    """Create all backends of an app anew, at another port.

    Raises:
        ClusterError: A pod cannot be deleted or created.

    """
    names = [one.name for one in cluster.topology.workload.backends if one.app == app]
    cluster.ports |= dict.fromkeys(names, port)
    pods = cluster.pod_manifests()
    there = set(names) - set(cluster.refused)
    moved = [pod for pod in pods if pod["metadata"]["name"] in there]
    uids = {get_name(one): require(get_metadata(one).uid, "metadata.uid") for one in cluster.listed_pods()}
    for pod in moved:
        _delete(cluster, pod["metadata"]["name"], uids.get(pod["metadata"]["name"]))
    for pod in moved:
        _create_when_gone(cluster, pod)


def _delete(cluster: Cluster, name: str, uid: str | None) -> None:
    options = library.client.V1DeleteOptions(
        grace_period_seconds=0, preconditions=library.client.V1Preconditions(uid=uid) if uid else None
    )
    try:
        delete = cluster.core.delete_namespaced_pod
        cluster.call(f"delete Pod {name}", delete, name, cluster.namespace, body=options, _preload_content=False)
    except ClusterError as error:
        if error.status != NOT_FOUND:
            raise


def _create_when_gone(cluster: Cluster, pod: Manifest) -> None:
    deadline = Deadline(GONE_S)
    while True:
        try:
            return _create(cluster, pod)
        except ClusterError as error:
            if error.status != CONFLICT or deadline.passed:
                raise
        pause(0.2)


def read_policies(cluster: Cluster) -> None:
    """Record which pods a NetworkPolicy restricts, and note the policies of other kinds."""
    cluster.restricted = _read_restricted(cluster)
    cluster.notes += filter(None, (_describe_custom(cluster, *one) for one in CUSTOM_POLICIES))


def _read_restricted(cluster: Cluster) -> dict[str, str]:
    """Return why a NetworkPolicy restricts a pod, by its name; nothing if these rights do not allow to list them."""
    listed = library.client.NetworkingV1Api(cluster.api).list_namespaced_network_policy
    try:
        policies = cluster.items("list NetworkPolicies", listed, cluster.namespace)
    except ClusterError as error:
        if error.status != FORBIDDEN:
            raise
        cluster.notes.append(f"not known whether a NetworkPolicy restricts the pods: {error}")
        return {}
    pods = [pod for pod in cluster.listed_pods() if pod.spec and not pod.spec.host_network] if policies else []
    return find_restricted(policies, {get_name(pod): get_metadata(pod).labels or {} for pod in pods})


def _describe_custom(cluster: Cluster, group: str, version: str, plural: str, kind: str) -> str:
    """Return a note on the cluster-wide policies of a kind; an empty string if there are none, or that is forbidden."""
    try:
        names = _list_custom(cluster, group, version, plural)
    except ClusterError as error:
        absent = error.status in {NOT_FOUND, FORBIDDEN}
        return "" if absent else f"not known whether a {kind} restricts the pods: {error}"
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    named = f"{kind} {', '.join(names[:NAMED])}{more}"
    return f"{named}: if it selects the run's pods, their cells fail; no expectation knows it"


def _list_custom(cluster: Cluster, group: str, version: str, plural: str) -> list[str]:
    """Return the names of the custom objects of a kind."""
    listed = library.client.CustomObjectsApi(cluster.api).list_cluster_custom_object
    found: Any = cluster.call(f"list {plural}", listed, group, version, plural)
    with reading(f"list {plural}"):
        return [str(one["metadata"]["name"]) for one in found["items"]]
