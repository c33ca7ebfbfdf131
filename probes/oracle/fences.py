"""loadBalancerSourceRanges: who may ask a balancer's address, as kube-proxy sees to it on the client's own node.

A packet that a balancer translates to a NodePort never meets these rules; then the ranges are the balancer's to keep,
and the one a topology declares keeps none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.endpoints import anywhere, here
from probes.oracle.flow import Fate
from probes.oracle.policies import external_local, internal_local
from probes.oracle.pools import IPVS, NFTABLES, PROXIER, Course
from probes.oracle.rule import IPTABLES_ONLY, IPVS_ONLY, NFTABLES_ONLY, Rule, rule
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.flow import Flow


def _fenced_out(flow: Flow) -> bool:
    """The Service has ranges, and the packet's source is in none of them."""
    ranges = flow.state.load_balancer_source_ranges
    asked = flow.kind is FrontendKind.LOAD_BALANCER and bool(ranges)
    return asked and not any(flow.packet.source in network for network in ranges)


def _node_admitted(flow: Flow) -> bool:
    """In ipvs mode a node process comes from the VIP, which is admitted if its node's address is."""
    return flow.local and any(flow.node.address in network for network in flow.state.load_balancer_source_ranges)


@rule("F1", f"{PROXIER} KUBE-FW: KUBE-MARK-DROP; kubelet's KUBE-FIREWALL", until=(1, 24), modes=IPTABLES_ONLY)
def marked_for_drop(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address only marks for drop.

    Kubelet's rules drop a node process's packet; any other is forwarded to the real load balancer, under Cluster marked
    for masquerade already.
    """
    if not _fenced_out(flow):
        return None
    if flow.local and flow.environment.kubelet_rules:
        return Fate.DROPPED
    return Fate.LEAVES if external_local(flow) else Fate.LEAVES_MASQUERADED


@rule("F2", f"#110289; {PROXIER} KUBE-PROXY-FIREWALL in INPUT, OUTPUT, FORWARD", since=(1, 25), modes=IPTABLES_ONLY)
def dropped(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address drops."""
    return Fate.DROPPED if _fenced_out(flow) else None


@rule("F3", f"#122296; {NFTABLES} firewall-check", since=(1, 30), modes=NFTABLES_ONLY)
def dropped_before_translation(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address drops."""
    return Fate.DROPPED if _fenced_out(flow) else None


@rule("F4", f"#122296; {NFTABLES} 1.29: firewall-check after translation", until=(1, 29), modes=NFTABLES_ONLY)
def dropped_in_output(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address drops a node process's packet; a pod's is translated before the check."""
    return Fate.DROPPED if _fenced_out(flow) and flow.local else None


def _served(flow: Flow) -> bool:
    """The virtual server of this node has a real one: of all endpoints, or of its own under a Local policy."""
    stripped = internal_local(flow) and flow.version >= (1, 22)
    own_only = flow.version < (1, 24) and (external_local(flow) or stripped)
    return here(flow) if own_only else anywhere(flow)


@rule(
    "F5",
    f"{IPVS} 1.20.2:1361: KUBE-LOAD-BALANCER-FW, KUBE-MARK-DROP; ip_vs_core.c: LOCAL_OUT before the filter table",
    until=(1, 24),
    modes=IPVS_ONLY,
)
def marked_before_ipvs(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address marks for drop, and kubelet's rules drop: the address is local.

    A node process's packet they meet only once ipvs has translated it: an empty virtual server refuses it before.
    """
    out = _fenced_out(flow) and not _node_admitted(flow)
    meets = not flow.local or _served(flow)
    return Fate.DROPPED if out and meets and flow.environment.kubelet_rules else None


@rule("F6", f"#110628; {IPVS} KUBE-PROXY-FIREWALL in INPUT, FORWARD", since=(1, 25), modes=IPVS_ONLY)
def dropped_in_input(flow: Flow) -> Course | None:
    """Out of its source ranges an LB address drops whatever does not come from a process of this node."""
    return Fate.DROPPED if _fenced_out(flow) and not flow.local else None


FENCES: tuple[Rule[Course], ...] = (
    marked_for_drop,
    dropped,
    dropped_before_translation,
    dropped_in_output,
    marked_before_ipvs,
    dropped_in_input,
)
