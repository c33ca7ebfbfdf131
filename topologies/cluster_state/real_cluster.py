"""What the API reports of a cluster and its nodes: the real side of the comparison with a topology. Pure.

`cluster/client.py` reads it before anything is deployed. `probes/lifecycle/contradictions.py` compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.cluster_state.api_fields import get_metadata, get_name
from topologies.cluster_state.node_versions import NodeVersions

if TYPE_CHECKING:
    from kubernetes import client


LIST_NODES = "list Nodes"  # what is done, in messages
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True, slots=True)
class RealNode:
    """A Node object: its InternalIPs and pod CIDRs of both families as text, and the versions its kubelet reports.

    `not_ready`: why its Ready condition is not True; empty if it is. `excluded`: a label keeps load balancers from it.
    """

    name: str
    internal_ips: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    kubelet: str = ""
    kernel: str = ""
    not_ready: str = ""
    excluded: bool = False
    runtime: str = ""

    @property
    def versions(self) -> NodeVersions:
        """What it runs, without kube-proxy."""
        return NodeVersions(kubelet=self.kubelet, container_runtime=self.runtime, kernel=self.kernel)


@dataclass(frozen=True, slots=True)
class RealCluster:
    """The API server's version, its nodes, and the ClusterIP of the Service `kubernetes`, the first of the range.

    Empty if these rights do not allow to read it; then `unread` names what and why.
    """

    version: str = ""
    nodes: tuple[RealNode, ...] = ()
    api_service_ip: str = ""
    unread: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """The versions that a run is stamped with."""
        kernels = ", ".join(sorted({node.kernel for node in self.nodes if node.kernel}))
        found = {"kubernetes": self.version, "kernel": kernels}
        found |= {f"kubelet of {node.name}": node.kubelet for node in self.nodes}
        return {name: version for name, version in found.items() if version}


def read_node(item: client.V1Node) -> RealNode:
    """Return what a V1Node reports; every field but the name may be missing."""
    status, info = item.status, item.status.node_info if item.status else None
    addresses = (status.addresses if status else None) or []
    conditions = (status.conditions if status else None) or []
    spec = item.spec
    first = [spec.pod_cidr] if spec and spec.pod_cidr else []
    return RealNode(
        name=get_name(item),
        internal_ips=tuple(address.address for address in addresses if address.type == "InternalIP"),
        pod_cidrs=tuple(dict.fromkeys([*first, *((spec.pod_cidrs if spec else None) or [])])),
        kubelet=(info.kubelet_version if info else "") or "",
        kernel=(info.kernel_version if info else "") or "",
        not_ready=_not_ready(conditions),
        excluded=EXCLUDED in (get_metadata(item).labels or {}),
        runtime=(info.container_runtime_version if info else "") or "",
    )


def _not_ready(conditions: list[client.V1NodeCondition]) -> str:
    """Return the reason of a Ready condition that is not True; empty for a node without conditions."""
    ready = next((condition for condition in conditions if condition.type == "Ready"), None)
    if ready is None or ready.status == "True":
        return ""
    return ": ".join(filter(None, (ready.reason or f"Ready is {ready.status}", ready.message)))
