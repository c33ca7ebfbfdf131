"""List what the API has for an inventory, as raw JSON. A refusal (403) leaves keys unknown and is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from topologies.cluster.api import API_TIMEOUT, FORBIDDEN, NOT_FOUND, ClusterError, call, reading
from topologies.discovery.inventory import (
    Inventory,
    ListedNode,
    Raw,
    Unread,
    as_map,
    as_maps,
    as_texts,
    read_node,
    read_pod_owner,
    read_service,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kubernetes import client

Result = TypeVar("Result")

PAGE = 500  # objects of one answer: a node has about 15 KB
LIST_TIMEOUT = (API_TIMEOUT[0], 30.0)
UNAUTHORIZED = 401
# ConfigMaps that describe the data plane, by namespace
CONFIG_MAPS = {
    "kube-system": (
        *("kube-proxy", "kube-proxy-config", "kubeadm-config", "kube-flannel-cfg", "cilium-config", "antrea-config"),
        "ip-masq-agent",
    ),
    "kube-flannel": ("kube-flannel-cfg",),
    "metallb-system": ("config",),
}
# resources that not every cluster has: plural, paths of its versions, what stays unknown without it
RESOURCES = (
    ("ippools", ("/apis/crd.projectcalico.org/v1/ippools",), "Calico's tunnel and masquerade"),
    ("ipaddresspools", ("/apis/metallb.io/v1beta1/ipaddresspools",), "the balancer's addresses"),
    ("l2advertisements", ("/apis/metallb.io/v1beta1/l2advertisements",), "the balancer's kind"),
    (
        "bgpadvertisements",
        ("/apis/metallb.io/v1beta1/bgpadvertisements", "/apis/metallb.io/v1beta2/bgpadvertisements"),
        "the balancer's kind",
    ),
    (
        "servicecidrs",
        tuple(f"/apis/networking.k8s.io/{version}/servicecidrs" for version in ("v1", "v1beta1", "v1alpha1")),
        "service_cidr, unless another source has it",
    ),
    ("networks", ("/apis/config.openshift.io/v1/networks",), "OpenShift's network"),
)


@dataclass
class ApiReader:
    """Reads of one API server. `unread` has what was refused."""

    api: client.ApiClient
    unread: list[Unread] = field(default_factory=list)

    def get(self, path: str, **query: str | int) -> Raw:
        """Return the object at a path; ClusterError if the API refuses or does not answer as Kubernetes does."""
        what = f"read {path}"

        def fetch(_request_timeout: tuple[float, float]) -> object:
            request = self.api.param_serialize(
                "GET",
                path,
                query_params=[(key, str(value)) for key, value in query.items()],
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            response = self.api.call_api(*request, _request_timeout=_request_timeout)
            response.read()  # type: ignore[no-untyped-call] # the package ships half its types
            return self.api.response_deserialize(response, {"2XX": "object"}).data

        found = call(self.api, what, fetch, timeout=LIST_TIMEOUT)
        if not isinstance(found, dict):
            message = f"{what}: got a {type(found).__name__}, want an object of Kubernetes. Is it an API server?"
            raise ClusterError(message)
        return found

    def items(self, path: str, **query: str | int) -> Iterator[Raw]:
        """Yield the objects of a list, page by page."""
        position = ""
        while True:
            more = {"continue": position} if position else {}
            page = self.get(path, limit=PAGE, **query, **more)
            if not isinstance(page.get("items"), list):
                message = f"list {path}: got an answer without items, want a list. Is it an API server?"
                raise ClusterError(message)
            yield from as_maps(page["items"])
            position = text_of(as_map(page.get("metadata")), "continue")
            if not position:
                return

    def allowed(self, what: str, leaves: str, read: Callable[[], Result], default: Result) -> Result:
        """Return what `read` returns; `default`, and a record of what stays unknown, if the API forbids it."""
        try:
            return read()
        except ClusterError as error:
            if error.status == FORBIDDEN:
                self.unread.append(Unread(what, "forbidden (403)", leaves))
            elif error.status != NOT_FOUND:
                raise
            return default

    def exists(self, read: Callable[[], Result]) -> Result | None:
        """Return what `read` returns; None if there is no such object or resource."""
        try:
            return read()
        except ClusterError as error:
            if error.status != NOT_FOUND:
                raise
            return None


def read_inventory(api: client.ApiClient) -> Inventory:
    """Read everything that the API lists.

    Raises:
        ClusterError: The API does not answer, refuses the credentials, is no Kubernetes, or nodes may not be listed.

    """
    reader = ApiReader(api)
    version = _version(reader)
    nodes = _nodes(reader)
    with reading("list DaemonSets, Services and configuration"):
        return Inventory(
            version=version,
            nodes=nodes,
            daemon_sets=tuple(map(read_pod_owner, _daemon_sets(reader))),
            static_pods=tuple(map(read_pod_owner, _static_pods(reader))),
            services=tuple(map(read_service, _services(reader))),
            config_maps=dict(_config_maps(reader)),
            objects=dict(_objects(reader)),
            unread=tuple(reader.unread),
        )


def read_kubelets(api: client.ApiClient, nodes: Iterable[str]) -> tuple[dict[str, Raw], tuple[Unread, ...]]:
    """Return the kubelet configuration of each node through the API server, as far as these rights allow."""
    reader = ApiReader(api)
    found: dict[str, Raw] = {}
    for node in nodes:
        try:
            config = reader.get(f"/api/v1/nodes/{node}/proxy/configz")
        except ClusterError as error:
            if error.status == FORBIDDEN:
                unread = Unread("nodes/proxy (kubelet /configz)", "forbidden (403)", "kernel.kubelet_rules")
                return found, (unread,)
            continue  # this kubelet does not answer; its value stays unknown
        found[node] = as_map(config.get("kubeletconfig"))
    return found, ()


def _version(reader: ApiReader) -> str:
    """Return the API server's version; /version needs no right in a usual cluster."""
    nothing: Raw = {}
    found = reader.allowed("/version", "kubernetes", lambda: reader.get("/version/"), nothing)
    if found and not text_of(found, "gitVersion"):
        message = "read /version: got an answer without gitVersion, want a Kubernetes API server. Check the kubeconfig"
        raise ClusterError(message)
    return text_of(found, "gitVersion")


def _nodes(reader: ApiReader) -> tuple[ListedNode, ...]:
    try:
        with reading("list Nodes"):
            return tuple(map(read_node, reader.items("/api/v1/nodes")))
    except ClusterError as error:
        if error.status in {FORBIDDEN, UNAUTHORIZED}:
            step = "renew the credentials" if error.status == UNAUTHORIZED else "grant `list nodes` (hairpin rbac)"
            message = f"{error}. A topology needs the cluster's nodes: {step}"
            raise ClusterError(message, error.status) from error
        raise


def _list(reader: ApiReader, path: str) -> list[Raw]:
    return list(reader.items(path))


def _daemon_sets(reader: ApiReader) -> list[Raw]:
    """List all DaemonSets, or those of kube-system if the others may not be listed."""
    try:
        return _list(reader, "/apis/apps/v1/daemonsets")
    except ClusterError as error:
        if error.status != FORBIDDEN:
            raise
    own = "/apis/apps/v1/namespaces/kube-system/daemonsets"
    leaves = "the CNI's product and its settings, kube-proxy's image, servicelb and kube-vip"
    return reader.allowed("DaemonSets", leaves, partial(_list, reader, own), [])


def _static_pods(reader: ApiReader) -> list[Raw]:
    """List one page of the control plane's pods and of kube-proxy's, where they are static pods."""
    query: dict[str, str | int] = {
        "labelSelector": "component in (kube-apiserver,kube-controller-manager,kube-proxy)",
        "limit": 50,
    }
    leaves = "service_cidr, unless another source has it"

    def read() -> list[Raw]:
        return list(as_maps(reader.get("/api/v1/namespaces/kube-system/pods", **query).get("items")))

    return reader.allowed("Pods of kube-system", leaves, read, [])


def _services(reader: ApiReader) -> list[Raw]:
    leaves = "the load balancer"
    try:
        return _list(reader, "/api/v1/services")
    except ClusterError as error:
        if error.status != FORBIDDEN:
            raise
    own = "/api/v1/namespaces/default/services"
    reader.unread.append(Unread("Services of all namespaces", "forbidden (403)", leaves))
    return reader.allowed("Services of default", "service_cidr", partial(_list, reader, own), [])


def _config_maps(reader: ApiReader) -> Iterator[tuple[str, dict[str, str]]]:
    for namespace, names in CONFIG_MAPS.items():
        for name in names:
            path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
            try:
                found = reader.exists(partial(reader.get, path))
            except ClusterError as error:
                if error.status != FORBIDDEN:
                    raise
                leaves = "what only configuration has (kube-proxy, CNI, balancer)"
                reader.unread.append(Unread(f"ConfigMaps of {namespace}", "forbidden (403)", leaves))
                break
            if found:
                yield f"{namespace}/{name}", as_texts(found.get("data"))


def _objects(reader: ApiReader) -> Iterator[tuple[str, tuple[Raw, ...]]]:
    for plural, paths, leaves in RESOURCES:
        found = reader.allowed(plural, leaves, partial(_first_version, reader, paths), None)
        if found is not None:
            yield plural, tuple(found)


def _first_version(reader: ApiReader, paths: Iterable[str]) -> list[Raw] | None:
    """Return the objects at the first path that the API server has; None if it has none of them."""
    return next((found for path in paths if (found := reader.exists(partial(_list, reader, path))) is not None), None)
