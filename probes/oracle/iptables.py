"""iptables mode, 1.20 to 1.36: which endpoints a packet may get (or how it ends), chain by chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.endpoints import anywhere, here
from probes.oracle.fences import FENCES
from probes.oracle.flow import Fate, Pool
from probes.oracle.policies import external_local, internal, internal_local
from probes.oracle.pools import (
    PROXIER,
    Course,
    external_to_all,
    hostname_only,
    internal_drop,
    internal_to_all,
    internal_to_local,
    local_drop,
    no_endpoints,
    node_port_left_out,
    node_short_circuit,
    not_a_vip,
    only_local,
    pod_short_circuit,
    undeclared_port,
)
from probes.oracle.rule import IPTABLES_ONLY, Rule, rule
from topologies.frontends import FrontendKind
from topologies.kinds import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.flow import Flow


def _stripped(flow: Flow) -> bool:
    """1.22 and 1.23: internalTrafficPolicy Local strips the endpoints of every frontend, unless eTP is Local too."""
    return internal_local(flow) and flow.state.external_traffic_policy is not TrafficPolicy.LOCAL


@rule("R1.1", f"{PROXIER} iptablesJumpChains: KUBE-EXTERNAL-SERVICES", modes=IPTABLES_ONLY)
def reject_not_in_output(flow: Flow) -> Course | None:
    """Without endpoints a node process's packet to an LB or external address is not refused: it leaves the node."""
    return Fate.LEAVES if flow.virtual and flow.local and not anywhere(flow) else None


@rule(
    "R6.1",
    "#106497 (bug), pkg/proxy/topology.go FilterEndpoints (datapath-rules 6.3)",
    since=(1, 22),
    until=(1, 23),
    modes=IPTABLES_ONLY,
)
def stripped_to_nothing(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint refuses at every frontend, NodePort and LB included.

    A node process's packet to an LB or external address leaves the node.
    """
    if not _stripped(flow) or here(flow):
        return None
    return Fate.LEAVES if flow.virtual and flow.local else Fate.REJECTED


@rule("R3.1", "#96296 (fixed in 1.21)", until=(1, 20), modes=IPTABLES_ONLY)
def external_ip_from_node(flow: Flow) -> Course | None:
    """A node process's packet to an externalIP is not captured: it leaves the node."""
    return Fate.LEAVES if flow.kind is FrontendKind.EXTERNAL_IP and flow.local else None


@rule("R3.2", "#96296 (fixed in 1.21)", until=(1, 20), modes=IPTABLES_ONLY)
def external_ip_from_bridge(flow: Flow) -> Course | None:
    """A packet from a bridge with br_netfilter to an externalIP is not captured, but under Cluster it is marked."""
    bridged = flow.pod_here and flow.environment.bridged and flow.environment.bridge_nf_call_iptables
    if flow.kind is not FrontendKind.EXTERNAL_IP or not bridged:
        return None
    return Fate.LEAVES if external_local(flow) else Fate.LEAVES_MASQUERADED


@rule("R7.1", f"#110290; {PROXIER} KUBE-EXTERNAL-SERVICES DROP", since=(1, 25), modes=IPTABLES_ONLY)
def drop_at_unserved_address(flow: Flow) -> Course | None:
    """At an address that nodePortAddresses leaves out, the Local drop of a node without endpoint still applies."""
    return Fate.DROPPED if node_port_left_out(flow) and external_local(flow) and not here(flow) else None


@rule("R7.2", f"{PROXIER} GetNodeAddresses; --iptables-localhost-nodeports (1.26)", modes=IPTABLES_ONLY)
def unserved_address(flow: Flow) -> Course | None:
    """A NodePort at an address that nodePortAddresses or localhost-nodeports=false leaves out is a closed port."""
    return Fate.CLOSED if node_port_left_out(flow) else None


@rule(
    "R6.2",
    "#106497 (bug), pkg/proxy/topology.go FilterEndpoints (datapath-rules 6.3)",
    since=(1, 22),
    until=(1, 23),
    modes=IPTABLES_ONLY,
)
def stripped_to_local(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local every frontend gives local endpoints only, unless the external one is Local."""
    return Pool.LOCAL if _stripped(flow) else None


@rule(
    "R6.4",
    f"{PROXIER} KUBE-MARK-DROP (1.24; datapath-rules 6.2)",
    since=(1, 24),
    until=(1, 24),
    modes=IPTABLES_ONLY,
)
def internal_mark_drop(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint only marks for drop.

    Kubelet's rules drop a node process's packet, a pod's goes astray.
    """
    if not internal(flow) or not internal_local(flow):
        return None
    return Fate.DROPPED if flow.local and flow.environment.kubelet_rules else Fate.ASTRAY


@rule("R4.4", "KUBE-MARK-DROP; kubelet's KUBE-FIREWALL", until=(1, 24), modes=IPTABLES_ONLY)
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


POOL: tuple[Rule[Course], ...] = (
    not_a_vip,
    hostname_only,
    undeclared_port,
    reject_not_in_output,
    no_endpoints,
    stripped_to_nothing,
    *FENCES,
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
