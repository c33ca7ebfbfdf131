"""The settings of a declared cluster that decide how its datapath treats a packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from probes.oracle import upstream
from topologies.common.addresses import IPAddress, IPNetwork  # noqa: TC001 - dataclasses are serialised by type at run time
from topologies.schema.enums import (
    AnnouncedBy,
    ArrivesAt,
    DetectLocal,
    EmptyPool,
    LoadBalancerKind,
    Masquerade,
    OtherPorts,
    ProxyMode,
)
from topologies.schema.topology import KubernetesVersion  # noqa: TC001 - dataclasses are serialised by type at run time

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

STRICT = 1


@dataclass(frozen=True, slots=True)
class Environment:
    """The datapath of one cluster."""

    mode: ProxyMode
    version: KubernetesVersion
    overlay: bool
    """Pod packets between nodes travel in a tunnel."""
    bridged: bool
    """The pods of a node are attached to cni0."""
    masquerades_leaving: bool
    """The CNI masquerades traffic that leaves the pod network (flannel's rules M2, M4)."""
    masquerades_entering: bool
    """The CNI masquerades traffic that enters the pod network (flannel's rules M1, M3, M5)."""
    anti_spoof: bool
    pod_cidr: IPNetwork
    detect_local: DetectLocal
    masquerade_all: bool
    node_port_addresses: tuple[IPNetwork, ...]
    localhost_nodeports: bool
    strict: bool
    """rp_filter is 1: a packet must arrive at the interface to which its source is routed."""
    bridge_nf_call_iptables: bool
    hairpin: bool
    kubelet_rules: bool
    balancer: LoadBalancerKind
    empty_pool: EmptyPool
    balancer_listens: bool
    other_ports: OtherPorts
    """What happens at a port of a load balancer IP without a listener."""
    arrives_at: ArrivesAt
    """Where the load balancer's packets arrive."""
    announced_by: AnnouncedBy
    leader: str | None
    """The node that announces all load balancer IPs, if one does and if it is known."""
    avoids_empty_nodes: bool
    """With externalTrafficPolicy: Local, the load balancer leaves out nodes without a ready endpoint."""
    keeps_client: bool
    """The load balancer preserves the source IP of clients outside the cluster."""
    masquerade_inside: bool
    """The load balancer uses its own address for packets from the nodes that return to the nodes."""
    excludes_source: bool
    """The load balancer never selects the backend that has the packet's source address."""
    balancer_hairpin: bool
    """The load balancer uses its own address for packets that it returns to the client's own node."""
    balancer_source_ranges: bool
    """The load balancer enforces loadBalancerSourceRanges."""
    advertises_cluster_ips: bool
    """Hosts outside the cluster have routes to ClusterIPs."""
    undeclared_port: int
    external_routes_to_pods: bool

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Return the environment that a topology declares."""
        cni, proxy, kernel, balancer = topology.cni, topology.proxy, topology.kernel, topology.load_balancer
        return cls(
            mode=proxy.mode,
            version=topology.proxy_version,
            overlay=cni.overlay,
            bridged=cni.bridged,
            masquerades_leaving=cni.masquerade is not Masquerade.NONE,
            masquerades_entering=cni.masquerade is Masquerade.FLANNEL,
            anti_spoof=cni.anti_spoof,
            pod_cidr=cni.pod_cidr,
            detect_local=proxy.detect_local,
            masquerade_all=proxy.masquerade_all,
            node_port_addresses=topology.node_port_networks,
            localhost_nodeports=proxy.localhost_nodeports,
            strict=kernel.rp_filter == STRICT,
            bridge_nf_call_iptables=kernel.bridge_nf_call_iptables,
            hairpin=kernel.hairpin,
            kubelet_rules=kernel.kubelet_rules,
            balancer=balancer.kind,
            empty_pool=balancer.empty_pool,
            balancer_listens=balancer.listens,
            other_ports=balancer.other_ports,
            arrives_at=balancer.arrives_at,
            announced_by=balancer.announced_by,
            leader=balancer.leader,
            avoids_empty_nodes=balancer.avoids_empty_nodes,
            keeps_client=balancer.keeps_client,
            masquerade_inside=balancer.masquerade_inside,
            excludes_source=balancer.excludes_source,
            balancer_hairpin=balancer.hairpin,
            balancer_source_ranges=balancer.source_ranges,
            advertises_cluster_ips=balancer.advertises_cluster_ips,
            undeclared_port=balancer.undeclared_port,
            external_routes_to_pods=topology.external_routes_to_pods,
        )

    @property
    def pods_routed_outside(self) -> bool:
        """Whether hosts outside the cluster, such as an inline load balancer, have a route to pod IPs."""
        return self.external_routes_to_pods or not self.overlay

    @property
    def pod_addresses_die_between_nodes(self) -> bool:
        """Whether the nodes' network drops packets with a pod IP (overlay with anti-spoofing or strict rp_filter)."""
        return self.overlay and (self.strict or self.anti_spoof)

    def serves_node_ports_at(self, address: IPAddress) -> bool:
        """Return whether NodePorts are open at this address.

        `--nodeport-addresses` (empty: all) and `--iptables-localhost-nodeports` (since 1.26) decide.
        """
        switchable = self.mode is ProxyMode.IPTABLES and upstream.LOCALHOST_NODE_PORTS_FLAG.is_in(self.version)
        if address.is_loopback and switchable and not self.localhost_nodeports:
            return False
        return not self.node_port_addresses or any(address in network for network in self.node_port_addresses)

    def __str__(self) -> str:
        """Return `kube-proxy 1.20.2 iptables`."""
        return f"kube-proxy {self.version} {self.mode}"
