"""The pod ranges that a topology must declare: where a rule reads one, a default would be a wrong answer.

Without `nodes[].pod_cidr` the addresses of a node's bridge and vxlan device are not known, and `NodeCIDR` has nothing
to compare with; without `cni.pod_cidr` the cluster CIDR is not known. What no rule reads may stay undeclared.
A node's range may be declared `unknown`: then the addresses of its devices are unknown facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from topologies.schema import facts
from topologies.schema.enums import DetectLocal, Masquerade
from topologies.schema.pod_addresses import NoRoomError, pod_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.topology import Topology

HOW = "kubectl get node {name} -o jsonpath={{.spec.podCIDR}}"


class Missing(NamedTuple):
    """A key to declare: its path, what was found, what is expected."""

    path: str
    got: str
    want: str


def find_missing_ranges(topology: Topology) -> Iterator[Missing]:
    """Find every pod range that a rule would read and the file does not declare."""
    yield from _node_ranges(topology)
    yield from _cluster_cidr(topology)


def _node_ranges(topology: Topology) -> Iterator[Missing]:
    if not (reason := _reader(topology)):
        return
    for index, node in enumerate(topology.nodes):
        if node.pod_cidr is None and facts.join(node.name, "pod_cidr") not in topology.unknown:
            want = f"the node's pod range ({HOW.format(name=node.name)}) or unknown, {reason}"
            yield Missing(f"nodes[{index}].pod_cidr", "nothing", want)


def _reader(topology: Topology) -> str:
    """Return what reads the pod range of a node, or an empty string."""
    if topology.cni.bridged:
        devices = "bridge and vxlan device" if topology.cni.overlay else "bridge"
        return f"needed for this cni.kind: it gives the address of the {devices} (cni.kind eni has none)"
    if topology.proxy.detect_local is DetectLocal.NODE_CIDR:
        return "needed for proxy.detect_local NodeCIDR"
    return ""


def _cluster_cidr(topology: Topology) -> Iterator[Missing]:
    """Ask for `cni.pod_cidr` if pods without a declared range would be compared with its default."""
    if topology.cni.is_pod_cidr_known or all(node.pod_cidr for node in topology.nodes):
        return
    if topology.proxy.detect_local is DetectLocal.CLUSTER_CIDR:
        other = "or proxy.detect_local: none where kube-proxy has no clusterCIDR"
        yield Missing("cni.pod_cidr", "nothing", f"the range of the pods, needed for detect_local ClusterCIDR, {other}")
    elif topology.cni.masquerade is not Masquerade.NONE:
        yield Missing(
            "cni.pod_cidr", "nothing", "the range that the CNI does not masquerade to, needed for cni.masquerade"
        )


def find_small_ranges(topology: Topology) -> Iterator[Missing]:
    """Find a pod range that has too few addresses. Every node that the workload names must be declared."""
    try:
        pod_addresses(topology)
    except NoRoomError as error:
        yield Missing("workload", f"too many pods: {error}", "a larger pod_cidr, or fewer pods")
