"""What the oracle reads of a declared cluster: the tuple that decides how its datapath treats a packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from probes.oracle import upstream
from topologies.common.addresses import IPAddress, IPNetwork  # noqa: TC001 - dataclasses are serialised by type at run time
from topologies.schema.enums import DetectLocal, EmptyPool, LoadBalancerKind, Masquerade, ProxyMode
from topologies.schema.topology import KubernetesVersion  # noqa: TC001 - dataclasses are serialised by type at run time

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

STRICT = 1


@dataclass(frozen=True, slots=True)
class Environment:
    """One cluster's datapath.

    `overlay`: pod packets between nodes travel in a tunnel; `bridged`: a node's pods hang on cni0;
    `masquerades_leaving`, `masquerades_entering`: the CNI rewrites what leaves the pod network (flannel's M2, M4), and
    what enters it (M1, M3, M5); `strict`: rp_filter 1, a packet must arrive where its source is routed to.
    """

    mode: ProxyMode
    version: KubernetesVersion
    overlay: bool
    bridged: bool
    masquerades_leaving: bool
    masquerades_entering: bool
    anti_spoof: bool
    pod_cidr: IPNetwork
    detect_local: DetectLocal
    masquerade_all: bool
    node_port_addresses: tuple[IPNetwork, ...]
    localhost_nodeports: bool
    strict: bool
    bridge_nf_call_iptables: bool
    hairpin: bool
    kubelet_rules: bool
    balancer: LoadBalancerKind
    empty_pool: EmptyPool
    balancer_listens: bool
    undeclared_port: int
    external_routes_to_pods: bool

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """The environment a topology declares."""
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
            undeclared_port=balancer.undeclared_port,
            external_routes_to_pods=topology.external_routes_to_pods,
        )

    @property
    def pods_routed_outside(self) -> bool:
        """Whether hosts off the nodes (the balancer in line) have a route back to a pod's own address."""
        return self.external_routes_to_pods or not self.overlay

    @property
    def pod_addresses_die_between_nodes(self) -> bool:
        """Whether a pod's own address is dropped on the nodes' network: an overlay's, if guarded or strict."""
        return self.overlay and (self.strict or self.anti_spoof)

    def serves_node_ports_at(self, address: IPAddress) -> bool:
        """Whether `--nodeport-addresses` (empty: all) and `--iptables-localhost-nodeports` (1.26) leave it in."""
        switchable = self.mode is ProxyMode.IPTABLES and upstream.LOCALHOST_NODE_PORTS_FLAG.is_in(self.version)
        if address.is_loopback and switchable and not self.localhost_nodeports:
            return False
        return not self.node_port_addresses or any(address in network for network in self.node_port_addresses)

    def __str__(self) -> str:
        """`kube-proxy 1.20.2 iptables`."""
        return f"kube-proxy {self.version} {self.mode}"
