"""How kube-proxy tells a pod's packet from others: detect-local."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.rule import Rule, decide, rule
from topologies.schema.enums import DetectLocal

if TYPE_CHECKING:
    from probes.oracle.connection import Flow

DETECTOR = "pkg/proxy/util/iptables/traffic.go LocalTrafficDetector"


@rule("D1", DETECTOR)
def not_configured(flow: Flow) -> bool | None:
    """Without a cluster CIDR or another detect-local mode, no packet is known to be a pod's."""
    return False if flow.environment.detect_local is DetectLocal.NONE else None


def _from_a_pod_network_device(flow: Flow) -> bool:
    """The source is the address of a node's bridge or vxlan device, which the cluster's pod CIDR contains."""
    devices = {address for node in flow.world.topology.nodes for address in (node.cni0, node.vtep)}
    source = flow.packet.source
    return source in devices and source in flow.environment.pod_cidr


@rule("D5", DETECTOR)
def from_a_device_in_cluster_cidr(flow: Flow) -> bool | None:
    """ClusterCIDR: a packet from the address of a bridge or vxlan device counts as a pod's.

    The cluster's pod CIDR contains that address.
    """
    by_cidr = flow.environment.detect_local is DetectLocal.CLUSTER_CIDR
    return True if by_cidr and _from_a_pod_network_device(flow) else None


@rule("D2", DETECTOR)
def in_cluster_cidr(flow: Flow) -> bool | None:
    """ClusterCIDR: a packet is a pod's exactly if the cluster's pod CIDR contains its source.

    So is a node's or a host's, where pods have addresses of the same range.
    """
    if flow.environment.detect_local is not DetectLocal.CLUSTER_CIDR:
        return None
    return flow.packet.source in flow.environment.pod_cidr


@rule("D3", DETECTOR)
def in_node_cidr(flow: Flow) -> bool | None:
    """NodeCIDR: a source in the processing node's own pod CIDR is a pod's."""
    if flow.environment.detect_local is not DetectLocal.NODE_CIDR:
        return None
    own = flow.node.pod_cidr
    return own is not None and flow.packet.source in own


@rule("D4", f"{DETECTOR}; BridgeInterface and InterfaceNamePrefix came in 1.24")
def by_interface(flow: Flow) -> bool:
    """BridgeInterface and InterfaceNamePrefix: what comes in by the pods' interface is a pod's of this node."""
    return flow.pod_here


IDENTITY: tuple[Rule[bool], ...] = (
    not_configured,
    from_a_device_in_cluster_cidr,
    in_cluster_cidr,
    in_node_cidr,
    by_interface,
)


def known_as_pod(flow: Flow) -> bool:
    """Whether the processing node's rules take the packet for a pod's."""
    return decide(IDENTITY, flow).value
