"""Delete the backends that a topology declares terminating, and end all such pods when a run is removed.

A deleted pod whose process ignores SIGTERM stays until its grace period is over, and serves meanwhile. A shorter grace
period removes it from the API sooner; the deletion of its namespace does not. The container ends then in kubelets
before 1.22. Later ones wait for the period that they know (kubernetes#113606), unless the process ends by itself
(`probes/lifecycle/terminating.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.cluster import library
from topologies.cluster.api import API_TIMEOUT, CONFLICT, NOT_FOUND, ClusterError, call, reading
from topologies.cluster_state.api_fields import get_metadata, get_name, require

if TYPE_CHECKING:
    from collections.abc import Collection

    from kubernetes import client

    from topologies.cluster.client import Cluster

# Seconds, in this order. A kubelet before 1.22 kills the containers of a removed pod after the grace period that it
# knows (pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer), so it gets a short one before.
SHORTENED_S = (1, 0)


def delete_backends(cluster: Cluster, names: Collection[str]) -> None:
    """Delete these pods with the grace period of their spec.

    Raises:
        ClusterError: A pod cannot be deleted.

    """
    for pod in cluster.listed_pods():
        if get_name(pod) in names:
            _delete(cluster.api, cluster.namespace, pod, cluster.timeout)


def end_terminating(
    api: client.ApiClient,
    namespace: str,
    labels: str,
    timeout: tuple[float, float] = API_TIMEOUT,
    also: Collection[str] = (),
) -> None:
    """End the pods with these labels that are deleted and still run.

    Args:
        api: The API's client.
        namespace: The namespace of the pods.
        labels: A selector.
        timeout: Seconds to connect, and to answer.
        also: Pods with these labels that are ended even if they were not deleted.

    Raises:
        ClusterError: A pod may still be there.

    """
    listed = library.client.CoreV1Api(api).list_namespaced_pod
    what = f"list Pods in {namespace}"
    found = call(api, what, listed, namespace, label_selector=labels, timeout=timeout)
    with reading(what):
        deleted = [pod for pod in found.items if get_metadata(pod).deletion_timestamp or get_name(pod) in also]
    for grace_s in SHORTENED_S:
        for pod in deleted:
            _delete(api, namespace, pod, timeout, grace_s)


def _delete(
    api: client.ApiClient, namespace: str, pod: client.V1Pod, timeout: tuple[float, float], grace_s: int | None = None
) -> None:
    """Delete one pod by its UID. `grace_s`: another grace period than that of its spec."""
    with reading("list Pods"):
        name, uid = get_name(pod), require(get_metadata(pod).uid, "metadata.uid")
    own = library.client.V1Preconditions(uid=uid)
    options = library.client.V1DeleteOptions(grace_period_seconds=grace_s, preconditions=own)
    what, delete = f"delete Pod {name} in {namespace}", library.client.CoreV1Api(api).delete_namespaced_pod
    try:
        call(api, what, delete, name, namespace, body=options, _preload_content=False, timeout=timeout)
    except ClusterError as error:
        if error.status not in {NOT_FOUND, CONFLICT}:  # 409: that UID is gone
            raise
