"""loadBalancerSourceRanges: who may ask a balancer's address, as kube-proxy sees to it on the client's own node.

A packet that a balancer translates to a NodePort never meets these rules; then the ranges are the balancer's to keep,
and the one a topology declares keeps none.

In every mode kube-proxy also admits the LB address itself as a source if a range contains the node's address
(`allowFromNode`): a process of a node that has the LB address on a device comes from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.connection import Fate
from probes.oracle.modes.shared import IPVS, NFTABLES, PROXIER, Course
from probes.oracle.rule import IPTABLES_ONLY, IPVS_ONLY, NFTABLES_ONLY, Rule, rule
from probes.oracle.stages.endpoints import anywhere, here
from probes.oracle.stages.traffic_policies import external_local, internal_local
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from topologies.common.addresses import IPAddress


def _restricted(flow: Flow) -> bool:
    """The client asks an LB address of a Service that has loadBalancerSourceRanges."""
    return flow.kind is FrontendKind.LOAD_BALANCER and bool(flow.state.load_balancer_source_ranges)


def _in_ranges(flow: Flow, address: IPAddress) -> bool:
    return any(address in network for network in flow.state.load_balancer_source_ranges)


def _fenced_out(flow: Flow) -> bool:
    """The Service has ranges, and the packet's source is in none of them."""
    return _restricted(flow) and not _in_ranges(flow, flow.packet.source)


def _fenced_out_by_rules(flow: Flow) -> bool:
    """As `_fenced_out`, but the LB address itself is admitted as a source if the ranges have the node's address.

    kube-proxy calls it allowFromNode: a process of the node that has the LB address comes from there.
    """
    admitted = flow.packet.source == flow.target and _in_ranges(flow, flow.node.address)
    return _fenced_out(flow) and not admitted


def _node_fenced_out(flow: Flow) -> bool:
    """In ipvs mode a node process comes from the VIP; the ranges must have the node's address to admit it."""
    return _restricted(flow) and not _in_ranges(flow, flow.node.address)


@rule(
    "F1",
    f"{PROXIER} KUBE-FW: KUBE-MARK-DROP; kubelet's KUBE-FIREWALL; until #110289",
    until=upstream.NO_MARK_DROP_FOR_RANGES,
    modes=IPTABLES_ONLY,
)
def marked_for_drop(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, a packet to an LB address is only marked for drop.

    Kubelet's firewall drops the packet of a process on the node, and any packet to an address of the node itself. Any
    other packet is forwarded to the real load balancer; with externalTrafficPolicy: Cluster it is masqueraded.
    """
    if not _fenced_out_by_rules(flow):
        return None
    if (flow.local or flow.at_own_address) and flow.environment.kubelet_rules:
        return Fate.DROPPED
    return Fate.LEAVES if external_local(flow) else Fate.LEAVES_MASQUERADED


@rule(
    "F2",
    f"#110289; {PROXIER} KUBE-PROXY-FIREWALL in INPUT, OUTPUT, FORWARD",
    since=upstream.NO_MARK_DROP_FOR_RANGES,
    modes=IPTABLES_ONLY,
)
def dropped(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, a packet to an LB address is dropped."""
    return Fate.DROPPED if _fenced_out_by_rules(flow) else None


@rule(
    "F3",
    f"#122614; {NFTABLES} firewall-check in prerouting and output",
    since=upstream.RANGES_BEFORE_DNAT,
    modes=NFTABLES_ONLY,
)
def dropped_before_translation(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, a packet to an LB address is dropped."""
    return Fate.DROPPED if _fenced_out_by_rules(flow) else None


@rule(
    "F4",
    f"{NFTABLES} 1.29: firewall-check after translation; until #122614",
    until=upstream.RANGES_BEFORE_DNAT,
    modes=NFTABLES_ONLY,
)
def dropped_in_output(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, only packets of a process on the node are dropped at an LB address.

    Any other packet is translated before the check.
    """
    return Fate.DROPPED if _fenced_out_by_rules(flow) and flow.local else None


def _served(flow: Flow) -> bool:
    """The virtual server of this node has a real one: of all endpoints, or of its own under a Local policy."""
    internal_counts = upstream.INTERNAL_POLICY.is_in(flow.version)
    own_only = not upstream.LOCAL_FALLS_BACK.is_in(flow.version) and (
        external_local(flow) or (internal_local(flow) and internal_counts)
    )
    return here(flow) if own_only else anywhere(flow)


@rule(
    "F5",
    f"{IPVS} 1.20.2:1361: KUBE-LOAD-BALANCER-FW, KUBE-MARK-DROP; ip_vs_core.c: LOCAL_OUT before the filter table; "
    "until #110628",
    until=upstream.NO_MARK_DROP_IN_IPVS,
    modes=IPVS_ONLY,
)
def marked_before_ipvs(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, a packet to an LB address is marked, and kubelet's firewall drops it.

    The packet of a process on the node reaches kubelet's firewall only after ipvs has translated it: a virtual server
    without endpoints refuses it before.
    """
    out = _node_fenced_out(flow) and _fenced_out(flow) if flow.local else _fenced_out(flow)
    meets = not flow.local or _served(flow)
    return Fate.DROPPED if out and meets and flow.environment.kubelet_rules else None


@rule(
    "F6",
    f"#110628; {IPVS} KUBE-PROXY-FIREWALL in INPUT, FORWARD; until #119791",
    since=upstream.NO_MARK_DROP_IN_IPVS,
    until=upstream.NODE_OUT_FILTER,
    modes=IPVS_ONLY,
)
def dropped_in_input(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, packets to an LB address are dropped, except those of a process on the node."""
    return Fate.DROPPED if _fenced_out(flow) and not flow.local else None


@rule(
    "F7",
    f"#119791 (#119656); {IPVS} KUBE-PROXY-FIREWALL in INPUT, FORWARD, KUBE-IPVS-OUT-FILTER in OUTPUT",
    since=upstream.NODE_OUT_FILTER,
    modes=IPVS_ONLY,
)
def dropped_in_input_and_output(flow: Flow) -> Course | None:
    """Outside loadBalancerSourceRanges, packets to an LB address are dropped.

    Packets of a process on the node are dropped unless the ranges contain the node's address. They are checked after
    ipvs has translated them: a virtual server without endpoints refuses them before.
    """
    out = _node_fenced_out(flow) and _served(flow) if flow.local else _fenced_out(flow)
    return Fate.DROPPED if out else None


FENCES: tuple[Rule[Course], ...] = (
    marked_for_drop,
    dropped,
    dropped_before_translation,
    dropped_in_output,
    marked_before_ipvs,
    dropped_in_input,
    dropped_in_input_and_output,
)
