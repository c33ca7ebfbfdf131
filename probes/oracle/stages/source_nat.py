"""Which address the chosen endpoint sees: POSTROUTING of the processing node (R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.modes.shared import IPVS, NFTABLES, PROXIER
from probes.oracle.node_addresses import masqueraded_leaving, towards_endpoint
from probes.oracle.rule import IPTABLES_ONLY, NFTABLES_ONLY, NO_IPTABLES, Rule, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from topologies.common.addresses import IPAddress

FLANNEL = "flannel pkg/trafficmngr/iptables masqRules"


def _back_to_itself(flow: Flow) -> bool:
    return flow.packet.source == flow.chosen.address


@rule("R10.1", f"{PROXIER} KUBE-SEP: -s endpoint KUBE-MARK-MASQ", modes=IPTABLES_ONLY)
def hairpin(flow: Flow) -> IPAddress | None:
    """An endpoint that gets its own packet back sees the node's address towards it."""
    return towards_endpoint(flow) if _back_to_itself(flow) else None


@rule("R10.7", f"{NFTABLES} endpoint chains", until=upstream.HAIRPIN_SET, modes=NFTABLES_ONLY)
def hairpin_nftables(flow: Flow) -> IPAddress | None:
    """An endpoint that gets its own packet back sees the node's address towards it."""
    return towards_endpoint(flow) if _back_to_itself(flow) else None


@rule(
    "R10.8", f"{IPVS} KUBE-LOOP-BACK dst,dst,src; {NFTABLES} 1.36 set hairpin-connections (#136499)", modes=NO_IPTABLES
)
def hairpin_here(flow: Flow) -> IPAddress | None:
    """An endpoint of this node that gets its own packet back sees the node's address towards it."""
    return towards_endpoint(flow) if _back_to_itself(flow) and flow.chosen.node == flow.packet.node else None


@rule("R10.2", "netfilter: INPUT has no POSTROUTING")
def delivered_here(flow: Flow) -> IPAddress | None:
    """A hostNetwork endpoint on the processing node sees the client of every packet that came in from elsewhere."""
    inside = flow.chosen.host_network and flow.chosen.node == flow.packet.node
    return flow.packet.source if inside and not flow.local else None


@rule("R10.3", "pkg/proxy KUBE-POSTROUTING MASQUERADE")
def marked(flow: Flow) -> IPAddress | None:
    """A marked packet gets the address of the node's device towards the endpoint: cni0, the vxlan device or primary."""
    return towards_endpoint(flow) if flow.marked else None


@rule("R10.4", f"{FLANNEL} M1 M2 M3 M5")
def entering_elsewhere(flow: Flow) -> IPAddress | None:
    """With the CNI's masquerade, a source outside the pod network that goes to a pod of another node is rewritten."""
    elsewhere = flow.chosen.node != flow.packet.node and not flow.chosen.host_network
    entering = flow.packet.source not in flow.environment.pod_cidr
    if not flow.environment.masquerades_entering or not elsewhere or not entering:
        return None
    return towards_endpoint(flow)


@rule("R10.5", f"{FLANNEL} M4")
def leaving_pod_network(flow: Flow) -> IPAddress | None:
    """With the CNI's masquerade, a packet from the pod network that leaves it gets the processing node's address.

    A node process that asked its own bridge or vxlan device comes from there, and leaves for its own node too.
    """
    leaving = flow.chosen.host_network and masqueraded_leaving(flow, flow.chosen.address)
    return flow.node.address if leaving else None


@rule("R10.6", "netfilter: no rule matches")
def kept(flow: Flow) -> IPAddress:
    """Otherwise the source is kept."""
    return flow.packet.source


SOURCE: tuple[Rule[IPAddress], ...] = (
    hairpin,
    hairpin_nftables,
    hairpin_here,
    delivered_here,
    marked,
    entering_elsewhere,
    leaving_pod_network,
    kept,
)
UNTOUCHED_BY_PROXY: tuple[Rule[IPAddress], ...] = (delivered_here, entering_elsewhere, leaving_pod_network, kept)
