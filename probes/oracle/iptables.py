"""iptables mode, 1.20 to 1.36: which endpoints a packet may get (or how it ends), chain by chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.endpoints import anywhere, here
from probes.oracle.flow import Fate, Pool
from probes.oracle.identity import known_as_pod
from probes.oracle.rule import IPTABLES_ONLY, Rule, rule
from topologies.frontends import FrontendKind
from topologies.model import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.flow import Flow

Course = Pool | Fate
PROXIER = "pkg/proxy/iptables/proxier.go"
SEEN_BOTH = "1.20.2, 1.30.3 iptables"


def internal(flow: Flow) -> bool:
    """Asked at the ClusterIP: internalTrafficPolicy is what counts."""
    return flow.kind is FrontendKind.CLUSTER_IP


def external_local(flow: Flow) -> bool:
    """Asked from the outside's side, and externalTrafficPolicy is Local."""
    return not internal(flow) and flow.state.external_traffic_policy is TrafficPolicy.LOCAL


def internal_local(flow: Flow) -> bool:
    """The Service's internalTrafficPolicy is Local."""
    return flow.state.internal_traffic_policy is TrafficPolicy.LOCAL


def _stripped(flow: Flow) -> bool:
    """1.22 and 1.23: internalTrafficPolicy Local strips the endpoints of every frontend, unless eTP is Local too."""
    return internal_local(flow) and flow.state.external_traffic_policy is not TrafficPolicy.LOCAL


@rule("R8.1", f"{PROXIER} syncProxyRules: rules are made per declared port", modes=IPTABLES_ONLY, confirmed=SEEN_BOTH)
def undeclared_port(flow: Flow) -> Course | None:
    """No rule covers a port that no Service declares: a ClusterIP leads nowhere, any other address to its owner."""
    if flow.declared:
        return None
    return Fate.ASTRAY if internal(flow) else Fate.LEAVES


@rule("R0.3", "KEP-1860, #119937; pkg/proxy/util IsVIPMode", since=(1, 30))
def not_a_vip(flow: Flow) -> Course | None:
    """A balancer's address with ipMode Proxy gets no rules: the packet goes to the real load balancer."""
    proxied = flow.kind is FrontendKind.LOAD_BALANCER and flow.state.load_balancer_ip_mode == "Proxy"
    return Fate.LEAVES if proxied else None


@rule("R1.1", f"{PROXIER} iptablesJumpChains: KUBE-EXTERNAL-SERVICES", modes=IPTABLES_ONLY, confirmed=SEEN_BOTH)
def reject_not_in_output(flow: Flow) -> Course | None:
    """Without endpoints a node process's packet to an LB or external address is not refused: it leaves the node."""
    return Fate.LEAVES if flow.virtual and flow.local and not anywhere(flow) else None


@rule("R1.2", f"{PROXIER} syncProxyRules: REJECT in table filter", modes=IPTABLES_ONLY, confirmed=SEEN_BOTH)
def no_endpoints(flow: Flow) -> Course | None:
    """A Service without endpoints refuses by ICMP."""
    return None if anywhere(flow) else Fate.REJECTED


@rule("R6.1", "#106497 (bug), pkg/proxy/topology.go FilterEndpoints", since=(1, 22), until=(1, 23), modes=IPTABLES_ONLY)
def stripped_to_nothing(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint refuses at every frontend, NodePort and LB included.

    A node process's packet to an LB or external address leaves the node.
    """
    if not _stripped(flow) or here(flow):
        return None
    return Fate.LEAVES if flow.virtual and flow.local else Fate.REJECTED


@rule("R3.1", "#96296 (fixed in 1.21)", until=(1, 20), modes=IPTABLES_ONLY, confirmed="1.20.2 iptables")
def external_ip_from_node(flow: Flow) -> Course | None:
    """A node process's packet to an externalIP is not captured: it leaves the node."""
    return Fate.LEAVES if flow.kind is FrontendKind.EXTERNAL_IP and flow.local else None


@rule("R3.2", "#96296 (fixed in 1.21)", until=(1, 20), modes=IPTABLES_ONLY, confirmed="1.20.2 iptables")
def external_ip_from_bridge(flow: Flow) -> Course | None:
    """A packet from a bridge with br_netfilter to an externalIP is not captured, but under Cluster it is marked."""
    bridged = flow.pod_here and flow.environment.bridge_nf_call_iptables
    if flow.kind is not FrontendKind.EXTERNAL_IP or not bridged:
        return None
    return Fate.LEAVES if external_local(flow) else Fate.LEAVES_MASQUERADED


def _node_port_not_served(flow: Flow) -> bool:
    return flow.kind is FrontendKind.NODE_PORT and not flow.environment.serves_node_ports_at(flow.target)


@rule("R7.1", f"#110290; {PROXIER} KUBE-EXTERNAL-SERVICES DROP", since=(1, 25), modes=IPTABLES_ONLY)
def drop_at_unserved_address(flow: Flow) -> Course | None:
    """At an address that nodePortAddresses leaves out, the Local drop of a node without endpoint still applies."""
    return Fate.DROPPED if _node_port_not_served(flow) and external_local(flow) and not here(flow) else None


@rule("R7.2", f"{PROXIER} GetNodeAddresses; --iptables-localhost-nodeports (1.26)", modes=IPTABLES_ONLY)
def unserved_address(flow: Flow) -> Course | None:
    """A NodePort at an address that nodePortAddresses or localhost-nodeports=false leaves out is a closed port."""
    return Fate.CLOSED if _node_port_not_served(flow) else None


@rule("R6.2", "#106497 (bug), pkg/proxy/topology.go FilterEndpoints", since=(1, 22), until=(1, 23), modes=IPTABLES_ONLY)
def stripped_to_local(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local every frontend gives local endpoints only, unless the external one is Local."""
    return Pool.LOCAL if _stripped(flow) else None


@rule("R6.3", f"#106497; {PROXIER} KUBE-SVL", since=(1, 24), modes=IPTABLES_ONLY)
def internal_to_local(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local the ClusterIP gives local endpoints only."""
    return Pool.LOCAL if internal(flow) and internal_local(flow) and here(flow) else None


@rule(
    "R6.4",
    f"{PROXIER} KUBE-MARK-DROP (1.24)",
    since=(1, 24),
    until=(1, 24),
    modes=IPTABLES_ONLY,
    confirmed="1.24 iptables (datapath-rules 6.2)",
)
def internal_mark_drop(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint only marks for drop.

    Kubelet's rules drop a node process's packet, a pod's goes astray.
    """
    if not internal(flow) or not internal_local(flow):
        return None
    return Fate.DROPPED if flow.local and flow.environment.kubelet_rules else Fate.ASTRAY


@rule(
    "R6.5", f"#110290; {PROXIER} DROP in table filter", since=(1, 25), modes=IPTABLES_ONLY, confirmed="1.30.3 iptables"
)
def internal_drop(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint drops."""
    return Fate.DROPPED if internal(flow) and internal_local(flow) else None


@rule("R2.1", f"{PROXIER} 1.20.2:1067, 1.36:1099", modes=IPTABLES_ONLY, confirmed=SEEN_BOTH)
def internal_to_all(flow: Flow) -> Course | None:
    """A ClusterIP gives all endpoints; externalTrafficPolicy never matters there."""
    return Pool.ALL if internal(flow) else None


@rule(
    "R4.1", f"{PROXIER} KUBE-XLB (<= 1.23), KUBE-EXT (1.24, #106497 #109060)", confirmed=SEEN_BOTH, modes=IPTABLES_ONLY
)
def pod_short_circuit(flow: Flow) -> Course | None:
    """Under Local, a packet known to be a pod's gets all endpoints, as at the ClusterIP."""
    return Pool.ALL if external_local(flow) and known_as_pod(flow) else None


@rule("R4.2", "#77523 (1.15, #65387): masquerade and route LOCAL traffic", confirmed=SEEN_BOTH, modes=IPTABLES_ONLY)
def node_short_circuit(flow: Flow) -> Course | None:
    """Under Local, a packet of a process of this node gets all endpoints."""
    return Pool.ALL if external_local(flow) and flow.local else None


@rule(
    "R4.3",
    f"{PROXIER} 1.20.2:1427-1500, 1.24:1163-1200, 1.36:1131-1172",
    confirmed="1.20.2 prototype lab",
    modes=IPTABLES_ONLY,
)
def only_local(flow: Flow) -> Course | None:
    """Under Local, any other packet gets the endpoints of this node only."""
    return Pool.LOCAL if external_local(flow) and here(flow) else None


@rule(
    "R4.4", "KUBE-MARK-DROP; kubelet's KUBE-FIREWALL", until=(1, 24), modes=IPTABLES_ONLY, confirmed="1.20.2 iptables"
)
def marked_for_drop(flow: Flow) -> Course | None:
    """Under Local a node without endpoint only marks for drop.

    A NodePort's packet is dropped by kubelet's rules; without them it meets a closed port, until 1.23 one that
    kube-proxy may hold open (openPort, gone with #108496). One to an LB or external address is forwarded to the real
    load balancer.
    """
    if not external_local(flow):
        return None
    if flow.virtual:
        return Fate.LEAVES
    if flow.environment.kubelet_rules:
        return Fate.DROPPED
    return Fate.CLOSED if flow.version >= (1, 24) else Fate.HELD


@rule(
    "R4.5", f"#110290; {PROXIER} DROP in table filter", since=(1, 25), confirmed="1.30.3 iptables", modes=IPTABLES_ONLY
)
def local_drop(flow: Flow) -> Course | None:
    """Under Local without a local endpoint a packet is dropped."""
    return Fate.DROPPED if external_local(flow) else None


@rule(
    "R3.3",
    f"{PROXIER} KUBE-FW, KUBE-NODEPORTS, KUBE-SVC (<= 1.23), KUBE-EXT (1.24)",
    confirmed=SEEN_BOTH,
    modes=IPTABLES_ONLY,
)
def external_to_all(_flow: Flow) -> Course:
    """Under externalTrafficPolicy Cluster every endpoint may answer."""
    return Pool.ALL


POOL: tuple[Rule[Course], ...] = (
    undeclared_port,
    not_a_vip,
    reject_not_in_output,
    no_endpoints,
    stripped_to_nothing,
    external_ip_from_node,
    external_ip_from_bridge,
    drop_at_unserved_address,
    unserved_address,
    stripped_to_local,
    internal_to_local,
    internal_mark_drop,
    internal_drop,
    internal_to_all,
    pod_short_circuit,
    node_short_circuit,
    only_local,
    marked_for_drop,
    local_drop,
    external_to_all,
)
