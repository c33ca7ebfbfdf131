"""Rules for detect-local: how kube-proxy recognizes pod traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.node_addresses import is_in_own_range
from probes.oracle.rule import Rule, decide, rule
from probes.oracle.unlisted_addresses import UnlistedAddress
from topologies.frontends import At
from topologies.schema.enums import DetectLocal

if TYPE_CHECKING:
    from probes.oracle.connection import Connection

DETECTOR = "pkg/proxy/util/iptables/traffic.go LocalTrafficDetector"


@rule("D1", DETECTOR)
def not_configured(conn: Connection) -> bool | None:
    """Without a cluster CIDR or another detect-local mode, kube-proxy treats no packet as pod traffic."""
    return False if conn.environment.detect_local is DetectLocal.NONE else None


def _from_a_pod_network_device(conn: Connection) -> bool:
    """Return whether the source is the address of a bridge or tunnel device in the cluster's pod CIDR."""
    source = conn.packet.source
    place = conn.cluster.holders.nodes.get(source)
    of_device = isinstance(source, UnlistedAddress) or (place is not None and place.at in {At.BRIDGE, At.TUNNEL})
    return of_device and source in conn.environment.pod_cidr


@rule("D5", DETECTOR)
def from_a_device_in_cluster_cidr(conn: Connection) -> bool | None:
    """With detect-local mode ClusterCIDR, packets from the address of a bridge or tunnel device are pod traffic.

    The address is in the cluster CIDR."""
    by_cidr = conn.environment.detect_local is DetectLocal.CLUSTER_CIDR
    return True if by_cidr and _from_a_pod_network_device(conn) else None


@rule("D2", DETECTOR)
def in_cluster_cidr(conn: Connection) -> bool | None:
    """With detect-local mode ClusterCIDR, a packet is pod traffic if and only if its source is in the cluster CIDR.

    Packets of nodes and hosts are pod traffic too if their addresses are in that range.
    """
    if conn.environment.detect_local is not DetectLocal.CLUSTER_CIDR:
        return None
    return conn.packet.source in conn.environment.pod_cidr


@rule("D3", DETECTOR)
def in_node_cidr(conn: Connection) -> bool | None:
    """With detect-local mode NodeCIDR, a packet is pod traffic if its source is in the processing node's pod CIDR."""
    if conn.environment.detect_local is not DetectLocal.NODE_CIDR:
        return None
    return is_in_own_range(conn, conn.packet.source)


@rule("D4", f"{DETECTOR}; BridgeInterface and InterfaceNamePrefix came in 1.24")
def by_interface(conn: Connection) -> bool:
    """With detect-local mode BridgeInterface or InterfaceNamePrefix, packets from the node's own pods are pod traffic.

    kube-proxy recognizes them by the interface on which they arrive.
    """
    return conn.pod_here


DETECT_LOCAL: tuple[Rule[bool], ...] = (
    not_configured,
    from_a_device_in_cluster_cidr,
    in_cluster_cidr,
    in_node_cidr,
    by_interface,
)


def is_pod_traffic(conn: Connection) -> bool:
    """Return whether the processing node treats the packet as pod traffic."""
    return decide(conn.chains.detect_local, conn).value
