"""The pod ranges that a topology must declare: where a rule reads one, a default would be a wrong answer.

Without `nodes[].pod_cidr` the addresses of a node's bridge and tunnel device may not be known, and `NodeCIDR` has
nothing to compare with; without `cni.pod_cidr` the cluster CIDR is not known. What no rule reads may stay undeclared.
A node's range may be declared `unknown`: then the addresses of its devices are unknown facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from topologies.schema import facts
from topologies.schema.enums import BridgeAddress, DetectLocal, Masquerade, TunnelAddress
from topologies.schema.pod_addresses import NoRoomError, pod_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.cni import Cni
    from topologies.schema.topology import Node, Topology

HOW = "kubectl get node {name} -o jsonpath={{.spec.podCIDR}}"
BRIDGE_HOW = (
    "the address of the node's device towards its own pods (cilium_host, ovn0, antrea-gw0), "
    "unknown, or cni.bridge_address: none if it has no address"
)
TUNNEL_HOW = (
    "the address of the node's tunnel device (Calico: kubectl describe node {name}, annotation "
    "projectcalico.org/IPv4VXLANTunnelAddr or IPv4IPIPTunnelAddr), unknown, "
    "or cni.tunnel_address: none if it has no address"
)


class Missing(NamedTuple):
    """A key to declare: its path, what was found, what is expected."""

    path: str
    got: str
    want: str


def find_missing_ranges(topology: Topology) -> Iterator[Missing]:
    """Find every pod range that a rule would read and the file does not declare."""
    yield from _node_ranges(topology)
    yield from _device_addresses(topology)
    yield from _cluster_cidr(topology)


def _node_ranges(topology: Topology) -> Iterator[Missing]:
    for index, node in enumerate(topology.nodes):
        if node.pod_cidr or facts.join(node.name, "pod_cidr") in topology.unknown:
            continue
        if reason := _reader(topology, node):
            want = f"the node's pod range ({HOW.format(name=node.name)}) or unknown, {reason}"
            yield Missing(f"nodes[{index}].pod_cidr", "nothing", want)


def _reader(topology: Topology, node: Node) -> str:
    """Return what reads the pod range of this node, or an empty string."""
    if devices := " and ".join(_derived(topology.cni, node)):
        return f"needed for this cni.kind: it gives the address of the {devices} (cni.kind eni has none)"
    if topology.proxy.detect_local is DetectLocal.NODE_CIDR:
        return "needed for proxy.detect_local NodeCIDR"
    return ""


def _derived(cni: Cni, node: Node) -> Iterator[str]:
    """Yield the devices whose addresses derive from the node's pod range."""
    if cni.bridge_address is BridgeAddress.POD_CIDR and node.bridge_address is None:
        yield "bridge"
    if cni.overlaid and cni.tunnel_address is TunnelAddress.POD_CIDR and node.tunnel_address is None:
        yield "tunnel device"


def _device_addresses(topology: Topology) -> Iterator[Missing]:
    """Find every address of a bridge or tunnel device that only the cluster knows."""
    cni = topology.cni
    for index, node in enumerate(topology.nodes):
        unknown = {
            key for key in ("bridge_address", "tunnel_address") if facts.join(node.name, key) in topology.unknown
        }
        if cni.bridge_address is BridgeAddress.PER_NODE and not (node.bridge_address or "bridge_address" in unknown):
            yield Missing(f"nodes[{index}].bridge_address", "nothing", BRIDGE_HOW)
        per_node = cni.overlaid and cni.tunnel_address is TunnelAddress.PER_NODE
        if per_node and not (node.tunnel_address or "tunnel_address" in unknown):
            yield Missing(f"nodes[{index}].tunnel_address", "nothing", TUNNEL_HOW.format(name=node.name))


def _cluster_cidr(topology: Topology) -> Iterator[Missing]:
    """Ask for `cni.pod_cidr` if pods without a declared range would be compared with its default."""
    known = topology.cni.is_pod_cidr_known or all(node.pod_cidr for node in topology.nodes)
    if known or not topology.proxy.is_kube_proxy:
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
