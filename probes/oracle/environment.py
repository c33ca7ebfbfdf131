"""The facts of one node, and of what all nodes share, that decide how the datapath treats a packet.

Each field names the fact that it is read from (`Read`). Rules read these fields, never the topology's sections.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, TypeVar, get_type_hints

from probes.oracle import upstream
from topologies.common.addresses import IPAddress, IPNetwork  # noqa: TC001 - dataclasses are serialised by type at run time
from topologies.schema import facts
from topologies.schema.enums import (
    AnnouncedBy,
    ArrivesAt,
    BalancerAffinity,
    DetectLocal,
    EmptyPool,
    KubeletRules,
    LoadBalancerKind,
    Masquerade,
    OtherPorts,
    Overlay,
    PodRoutes,
    Policy,
    ProxyMode,
)
from topologies.schema.topology import KubernetesVersion  # noqa: TC001 - dataclasses are serialised by type at run time

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.oracle.upstream import KubeProxyChange, VersionRange
    from topologies.schema.topology import Topology

T = TypeVar("T")
STRICT = 1


def _as_declared(value: Any) -> Any:  # noqa: ANN401 - a fact of any type
    return value


def _is(value: object) -> Callable[[Any], bool]:
    return lambda given: bool(given == value)


def _is_not(value: object) -> Callable[[Any], bool]:
    return lambda given: bool(given != value)


class Read(NamedTuple):
    """Where a field comes from: a fact's path, and how its value becomes the field's."""

    path: str
    derive: Callable[[Any], Any] = _as_declared


@dataclass(frozen=True, slots=True)
class Environment:
    """The datapath of one node, or of a node without values of its own."""

    mode: Annotated[ProxyMode, Read("proxy.mode")]
    version: Annotated[KubernetesVersion, Read("proxy.version")]
    """Rules ask `has` and `runs`, which read no more of an unknown version than they need."""
    overlay: Annotated[bool, Read("cni.overlay", _is_not(Overlay.NONE))]
    """Pod packets between nodes travel in a tunnel."""
    bridged: Annotated[bool, Read("cni.bridge")]
    """The pods of a node are ports of a Linux bridge."""
    pod_routes: Annotated[PodRoutes, Read("cni.pod_routes")]
    """Who routes pod addresses between nodes without an overlay."""
    masquerades_leaving: Annotated[bool, Read("cni.masquerade", _is_not(Masquerade.NONE))]
    """The CNI masquerades traffic that leaves the pod network (flannel's rules M2, M4)."""
    masquerades_entering: Annotated[bool, Read("cni.masquerade", _is(Masquerade.FLANNEL))]
    """The CNI masquerades traffic that enters the pod network (flannel's rules M1, M3, M5)."""
    anti_spoof: Annotated[bool, Read("cni.anti_spoof")]
    pod_cidr: Annotated[IPNetwork, Read("cni.pod_cidr")]
    masquerade_except: Annotated[tuple[IPNetwork, ...], Read("cni.masquerade_except")]
    """Ranges besides the pod CIDR to which the CNI does not masquerade."""
    drops_forwarded: Annotated[bool, Read("cni.forward_policy", _is(Policy.DROP))]
    """Chain FORWARD has policy DROP, and the CNI accepts nothing there."""
    drops_received: Annotated[bool, Read("cni.input_policy", _is(Policy.DROP))]
    """Chain INPUT has policy DROP, and accepts no new connections of pods and other hosts to processes."""
    detect_local: Annotated[DetectLocal, Read("proxy.detect_local")]
    masquerade_all: Annotated[bool, Read("proxy.masquerade_all")]
    node_port_addresses: Annotated[tuple[IPNetwork, ...], Read("proxy.node_port_addresses")]
    localhost_nodeports: Annotated[bool, Read("proxy.localhost_nodeports")]
    localhost_nodeport_proxy: Annotated[bool, Read("proxy.localhost_nodeport_proxy")]
    allow_external_ips: Annotated[bool, Read("proxy.allow_external_ips")]
    strict: Annotated[bool, Read("kernel.rp_filter", _is(STRICT))]
    """rp_filter is 1: a packet must arrive at the interface to which its source is routed."""
    bridge_nf_call_iptables: Annotated[bool, Read("kernel.bridge_nf_call_iptables")]
    hairpin: Annotated[bool, Read("kernel.hairpin")]
    kubelet_drops_marked: Annotated[bool, Read("kernel.kubelet_rules", _is(KubeletRules.ALL))]
    """kubelet's KUBE-FIREWALL drops packets that KUBE-MARK-DROP marked."""
    kubelet_drops_martians: Annotated[bool, Read("kernel.kubelet_rules", _is_not(KubeletRules.NONE))]
    """kubelet's KUBE-FIREWALL drops packets to 127.0.0.0/8 from other sources."""
    balancer: Annotated[LoadBalancerKind, Read("load_balancer.kind")]
    empty_pool: Annotated[EmptyPool, Read("load_balancer.empty_pool")]
    withdraws: Annotated[bool, Read("load_balancer.empty_pool", _is(EmptyPool.WITHDRAW))]
    """No node announces the address of a Service without a ready endpoint."""
    falls_back_to_all: Annotated[bool, Read("load_balancer.empty_pool", _is(EmptyPool.ALL))]
    """Without a usable node, the load balancer uses all nodes."""
    balancer_listens: Annotated[bool, Read("load_balancer.listens")]
    refuses_other_ports: Annotated[bool, Read("load_balancer.other_ports", _is(OtherPorts.REFUSE))]
    """The load balancer refuses connections at a port of its address without a listener."""
    passes_other_ports: Annotated[bool, Read("load_balancer.other_ports", _is(OtherPorts.NODES))]
    """A node receives packets to a port of a load balancer IP without a listener."""
    arrives_unchanged: Annotated[bool, Read("load_balancer.arrives_at", _is(ArrivesAt.ADDRESS))]
    """The load balancer's packets arrive at a node with the load balancer IP."""
    arrives_at_pods: Annotated[bool, Read("load_balancer.arrives_at", _is(ArrivesAt.POD))]
    """The load balancer sends packets to the pods' own addresses."""
    has_leader: Annotated[bool, Read("load_balancer.announced_by", _is(AnnouncedBy.LEADER))]
    """One node announces a load balancer IP."""
    announced_by_all: Annotated[bool, Read("load_balancer.announced_by", _is(AnnouncedBy.ALL))]
    announced_by_endpoints: Annotated[bool, Read("load_balancer.announced_by", _is(AnnouncedBy.ENDPOINTS))]
    leader: Annotated[str | None, Read("load_balancer.leader")]
    """The node that announces all load balancer IPs, if one does and if it is known."""
    health_checks: Annotated[bool | None, Read("load_balancer.health_checks")]
    keeps_client: Annotated[bool, Read("load_balancer.keeps_client")]
    """The load balancer preserves the source IP of clients outside the cluster."""
    masquerade_inside: Annotated[bool, Read("load_balancer.masquerade_inside")]
    """The load balancer uses its own address for packets from the nodes that return to the nodes."""
    excludes_source: Annotated[bool, Read("load_balancer.excludes_source")]
    """The load balancer never selects the backend that has the packet's source address."""
    balancer_hairpin: Annotated[bool, Read("load_balancer.hairpin")]
    """The load balancer uses its own address for packets that it returns to the client's own node."""
    balancer_source_ranges: Annotated[bool, Read("load_balancer.source_ranges")]
    """The load balancer enforces loadBalancerSourceRanges."""
    balancer_keeps_affinity: Annotated[bool, Read("load_balancer.session_affinity", _is(BalancerAffinity.CLIENT_IP))]
    """The load balancer sends all connections of a client address to one node or pod with sessionAffinity: ClientIP."""
    advertises_cluster_ips: Annotated[bool, Read("load_balancer.advertises_cluster_ips")]
    """Hosts outside the cluster have routes to ClusterIPs."""
    undeclared_port: Annotated[int, Read("load_balancer.undeclared_port")]
    external_routes_to_pods: Annotated[bool, Read("external_routes_to_pods")]

    @classmethod
    def of(cls, topology: Topology, node: str = "") -> Self:
        """Return the environment that a topology declares for a node, or without a node for the cluster."""
        values = {name: read.derive(facts.value_at(topology, node, read.path)) for name, read in READS.items()}
        return cls(**values)

    def ask(self, name: str, question: Callable[[Any], T]) -> T:
        """Return the answer to a question about a field.

        A rule that needs less than the whole value asks for that: an unknown value then forks by the answer.
        """
        return question(getattr(self, name))

    def has(self, change: KubeProxyChange) -> bool:
        """Return whether the node's kube-proxy has a change."""
        return self.ask("version", change.is_in)

    def runs(self, versions: VersionRange) -> bool:
        """Return whether the version of the node's kube-proxy is in a range."""
        return not versions.bounded or self.ask("version", versions.includes)

    def may_run(self, versions: VersionRange) -> bool:
        """Return whether the version of the node's kube-proxy, as far as it is known, can be in a range."""
        return not versions.bounded or versions.includes(self.version)

    def is_supported(self) -> bool:
        """Return whether the rules describe the version of the node's kube-proxy."""
        return upstream.is_known(self.version)

    @property
    def avoids_empty_nodes(self) -> bool:
        """Whether the load balancer leaves out nodes without a ready endpoint with externalTrafficPolicy: Local."""
        if self.health_checks is None:
            return not self.announced_by_all
        return self.health_checks or self.announced_by_endpoints

    @property
    def nodes_share_lan(self) -> bool:
        """Whether nodes reach each other directly or in a tunnel; else by a router."""
        return self.overlay or self.pod_routes is PodRoutes.NODES

    @property
    def pods_routed_outside(self) -> bool:
        """Whether hosts outside the cluster, such as an inline load balancer, have a route to pod IPs."""
        return self.external_routes_to_pods or not self.overlay

    def serves_node_ports_at(self, address: IPAddress) -> bool:
        """Return whether NodePorts are open at this address.

        `--nodeport-addresses` (empty: all) and `--iptables-localhost-nodeports` (since 1.26) decide.
        """
        if address.is_loopback and self._closes_loopback():
            return False
        return self.ask("node_port_addresses", lambda ranges: not ranges or any(address in one for one in ranges))

    @property
    def limits_node_ports(self) -> bool:
        """Whether `--nodeport-addresses` is set."""
        return self.ask("node_port_addresses", bool)

    @property
    def names_loopback(self) -> bool:
        """Whether `--nodeport-addresses` has a loopback range, not only one that contains such a range."""
        return self.ask("node_port_addresses", lambda ranges: any(one.network_address.is_loopback for one in ranges))

    @property
    def has_localhost_gate(self) -> bool:
        """Whether kube-proxy proxies or rejects NodePorts at 127.0.0.1 in nftables mode (KEP-6032)."""
        return self.localhost_nodeport_proxy and self.has(upstream.LOCALHOST_NODE_PORT_PROXY)

    @property
    def ignores_external_ips(self) -> bool:
        """Whether kube-proxy has no rules for externalIPs (feature gate AllowServiceExternalIPs, KEP-5707)."""
        return not self.allow_external_ips and self.has(upstream.EXTERNAL_IPS_GATE)

    def _closes_loopback(self) -> bool:
        switchable = self.mode is ProxyMode.IPTABLES and self.has(upstream.LOCALHOST_NODE_PORTS_FLAG)
        return switchable and not self.localhost_nodeports

    def __str__(self) -> str:
        """Return `kube-proxy 1.20.2 iptables`."""
        return f"kube-proxy {self.version} {self.mode}"


def find_environments(topology: Topology) -> dict[str, Environment]:
    """Return the environment of each node by its name, and with an empty name the cluster's."""
    shared = Environment.of(topology)
    own = {node.name: node.has_own_facts for node in topology.nodes}
    return {"": shared, **{name: Environment.of(topology, name) if part else shared for name, part in own.items()}}


def _find_reads() -> dict[str, Read]:
    """Return the annotation `Read` of each field."""
    hints = get_type_hints(Environment, include_extras=True)
    return {
        field.name: next(one for one in hints[field.name].__metadata__ if isinstance(one, Read))
        for field in fields(Environment)
    }


READS = _find_reads()
