"""iptables mode, 1.20 to 1.36: which endpoints a packet may get (or how it ends), chain by chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Fate, Pool
from probes.oracle.modes.shared import (
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
from probes.oracle.stages.endpoints import anywhere, here
from probes.oracle.stages.source_ranges import FENCES
from probes.oracle.stages.traffic_policies import external_local, internal, internal_local
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.oracle.connection import Flow


def _stripped(flow: Flow) -> bool:
    """1.22 and 1.23: internalTrafficPolicy Local strips the endpoints of every frontend, unless eTP is Local too."""
    return internal_local(flow) and flow.state.external_traffic_policy is not TrafficPolicy.LOCAL


@rule("R1.1", f"{PROXIER} iptablesJumpChains: KUBE-EXTERNAL-SERVICES", modes=IPTABLES_ONLY)
def reject_not_in_output(flow: Flow) -> Course | None:
    """Without endpoints a node process's packet to an LB address or externalIP is not refused: it leaves the node.

    One to an address of the node itself comes in again, and is refused.
    """
    return Fate.LEAVES if flow.off_node and flow.local and not anywhere(flow) else None


@rule(
    "R6.1",
    "#106497 (bug), pkg/proxy/topology.go FilterEndpoints (datapath-rules 6.3)",
    since=upstream.INTERNAL_POLICY,
    until=upstream.INTERNAL_POLICY_APART,
    modes=IPTABLES_ONLY,
)
def stripped_to_nothing(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint refuses at every frontend, NodePort and LB included.

    A node process's packet to an LB address or externalIP leaves the node, unless the address is the node's own.
    """
    if not _stripped(flow) or here(flow):
        return None
    return Fate.LEAVES if flow.off_node and flow.local else Fate.REJECTED


@rule(
    "R3.1",
    "#96296 (fixed in 1.21); addrtype --dst-type LOCAL",
    until=upstream.EXTERNAL_IPS_CAPTURED,
    modes=IPTABLES_ONLY,
)
def external_ip_from_node(flow: Flow) -> Course | None:
    """A node process's packet to an externalIP is not captured, unless the address is the node's own: it leaves."""
    return Fate.LEAVES if flow.kind is FrontendKind.EXTERNAL_IP and flow.off_node and flow.local else None


@rule(
    "R3.2",
    "#96296 (fixed in 1.21); addrtype --dst-type LOCAL",
    until=upstream.EXTERNAL_IPS_CAPTURED,
    modes=IPTABLES_ONLY,
)
def external_ip_from_bridge(flow: Flow) -> Course | None:
    """A packet from a bridge with br_netfilter to an externalIP is not captured, but under Cluster it is marked.

    One to an address of the node itself is captured.
    """
    bridged = flow.pod_here and flow.environment.bridged and flow.environment.bridge_nf_call_iptables
    if flow.kind is not FrontendKind.EXTERNAL_IP or not flow.off_node or not bridged:
        return None
    return Fate.LEAVES if external_local(flow) else Fate.LEAVES_MASQUERADED


@rule(
    "R7.1",
    f"#110290; {PROXIER} KUBE-EXTERNAL-SERVICES DROP",
    since=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
    modes=IPTABLES_ONLY,
)
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
    since=upstream.INTERNAL_POLICY,
    until=upstream.INTERNAL_POLICY_APART,
    modes=IPTABLES_ONLY,
)
def stripped_to_local(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local every frontend gives local endpoints only, unless the external one is Local."""
    return Pool.LOCAL if _stripped(flow) else None


@rule(
    "R6.4",
    f"#106497, #110290; {PROXIER} KUBE-MARK-DROP (datapath-rules 6.2)",
    since=upstream.INTERNAL_POLICY_APART,
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
    modes=IPTABLES_ONLY,
)
def internal_mark_drop(flow: Flow) -> Course | None:
    """Under internalTrafficPolicy Local a node without endpoint only marks for drop.

    Kubelet's rules drop a node process's packet, a pod's goes astray.
    """
    if not internal(flow) or not internal_local(flow):
        return None
    return Fate.DROPPED if flow.local and flow.environment.kubelet_rules else Fate.ASTRAY


@rule(
    "R4.9",
    "openPort, removed by #108496; measured on 1.20.2 (docs/observations.md)",
    until=upstream.PORT_OPENER_REMOVED,
    modes=IPTABLES_ONLY,
)
def held_without_local_endpoint(flow: Flow) -> Course | None:
    """With externalTrafficPolicy: Local and no kubelet firewall, kube-proxy's own socket may accept at a NodePort.

    So it may at an LB address or externalIP that is the node's own. This happens on a node without a local endpoint.
    The socket never answers; without it the port is closed.
    """
    held = external_local(flow) and not flow.off_node and not flow.environment.kubelet_rules
    return Fate.HELD if held else None


@rule(
    "R4.4",
    "KUBE-MARK-DROP; kubelet's KUBE-FIREWALL; until #110290",
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
    modes=IPTABLES_ONLY,
)
def marked_for_drop(flow: Flow) -> Course | None:
    """With externalTrafficPolicy: Local, a node without a local endpoint only marks a NodePort's packet for drop.

    So does it with a packet to an LB address or externalIP that is the node's own. Kubelet's firewall drops it; without
    kubelet's firewall the port is closed.
    """
    if not external_local(flow) or flow.off_node:
        return None
    return Fate.DROPPED if flow.environment.kubelet_rules else Fate.CLOSED


@rule(
    "R4.10",
    "KUBE-MARK-DROP is not honoured in FORWARD (datapath-rules 6.1); until #110290",
    until=upstream.NO_MARK_DROP_WITHOUT_LOCAL,
    modes=IPTABLES_ONLY,
)
def marked_and_forwarded(flow: Flow) -> Course | None:
    """With externalTrafficPolicy: Local, a node without a local endpoint forwards an LB or external address's packet.

    The packet is only marked for drop, and it goes to the real load balancer.
    """
    return Fate.LEAVES if external_local(flow) and flow.off_node else None


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
    held_without_local_endpoint,
    marked_for_drop,
    marked_and_forwarded,
    local_drop,
    external_to_all,
)
