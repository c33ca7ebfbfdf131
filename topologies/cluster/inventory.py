"""Read what a cluster is before a run deploys anything: its version, its nodes, and the rights of this account."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from topologies.cluster import library
from topologies.cluster.api import FORBIDDEN, ClusterError, call, reading
from topologies.cluster.rights import SCENARIO_RIGHTS
from topologies.cluster_state.api_fields import get_name, get_spec
from topologies.cluster_state.real_cluster import LIST_NODES, RealCluster, read_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from topologies.cluster.client import Cluster
    from topologies.cluster.rights import Right

Result = TypeVar("Result")
API_SERVICE = "kubernetes"  # the API server's own Service in default, at the first address of the Service range


def read_real_cluster(cluster: Cluster) -> RealCluster:
    """Return what the API reports of itself and its nodes; what these rights do not allow is named in `unread`.

    Raises:
        ClusterError: The API does not answer, or not as an API server does.

    """
    unread: list[str] = []

    def read(what: str, function: Callable[..., Result], *arguments: object) -> Result | None:
        try:
            return call(cluster.api, what, function, *arguments, timeout=cluster.timeout)
        except ClusterError as error:
            if error.status != FORBIDDEN:
                raise
            unread.append(str(error))
            return None

    server = read("read the version", library.client.VersionApi(cluster.api).get_code)
    nodes = read(LIST_NODES, cluster.core.list_node)
    services = read("list Services of default", cluster.core.list_namespaced_service, "default")
    if not (server or nodes or services):
        raise ClusterError(unread[0], FORBIDDEN)
    with reading("read the version, list Nodes and Services"):
        found = [one for one in services.items if get_name(one) == API_SERVICE] if services else []
        return RealCluster(
            version=server.git_version if server else "",
            nodes=tuple(map(read_node, nodes.items)) if nodes else (),
            api_service_ip=next((get_spec(one).cluster_ip or "" for one in found), ""),
            unread=tuple(unread),
        )


def may_ask_nodes(cluster: Cluster) -> bool:
    """Return whether these rights allow requests to nodes through the API server (`nodes/proxy`)."""
    return _is_allowed(cluster, {"verb": "get", "resource": "nodes", "subresource": "proxy"})


def refuse_missing_rights(cluster: Cluster) -> None:
    """Raise ClusterError if this account lacks a right that scenarios need; the message names each."""
    lacking = [
        f"{verb} {resource}"
        for right in SCENARIO_RIGHTS
        for resource in right.resources
        for verb in right.verbs
        if not _is_allowed(cluster, _attributes(cluster, right, resource, verb))
    ]
    if lacking:
        message = (
            f"scenarios: namespace {cluster.namespace}: got no right to {', '.join(lacking)}, want it to make the "
            "changes. Apply what `hairpin rbac` prints, or run without --scenarios"
        )
        raise ClusterError(message, FORBIDDEN)


def _attributes(cluster: Cluster, right: Right, resource: str, verb: str) -> dict[str, str]:
    plural, _, part = resource.partition("/")
    attributes = {"verb": verb, "group": right.group, "resource": plural, "namespace": cluster.namespace}
    return attributes | ({"subresource": part} if part else {})


def _is_allowed(cluster: Cluster, attributes: dict[str, str]) -> bool:
    """Return whether the API server allows this account an action; also if it does not answer the question."""
    review = {"spec": {"resourceAttributes": attributes}}
    ask = library.client.AuthorizationV1Api(cluster.api).create_self_subject_access_review
    try:
        status = call(cluster.api, "review own rights", ask, review, timeout=cluster.timeout).status
    except ClusterError:
        return True  # not known: the action itself shows it
    return bool(status.allowed) if status else True
