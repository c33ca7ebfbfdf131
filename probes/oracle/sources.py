"""Which address the chosen endpoint sees: POSTROUTING of the processing node (R10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.rule import IPTABLES_ONLY, Rule, rule
from probes.oracle.wiring import from_pod_network, masqueraded_leaving, towards_endpoint

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from probes.oracle.flow import Flow

SEEN = "1.20.2, 1.30.3 iptables"
FLANNEL = "flannel pkg/trafficmngr/iptables masqRules"


@rule(
    "R10.1", "pkg/proxy/iptables/proxier.go KUBE-SEP: -s endpoint KUBE-MARK-MASQ", modes=IPTABLES_ONLY, confirmed=SEEN
)
def hairpin(flow: Flow) -> IPv4Address | None:
    """An endpoint that gets its own packet back sees the node's address towards it."""
    return towards_endpoint(flow) if flow.packet.source == flow.chosen.address else None


@rule("R10.2", "netfilter: INPUT has no POSTROUTING", confirmed=SEEN)
def delivered_here(flow: Flow) -> IPv4Address | None:
    """A hostNetwork endpoint on the processing node sees the client of every packet that came in from elsewhere."""
    inside = flow.chosen.host_network and flow.chosen.node == flow.packet.node
    return flow.packet.source if inside and not flow.local else None


@rule("R10.3", "pkg/proxy/iptables/proxier.go KUBE-POSTROUTING MASQUERADE", confirmed=SEEN)
def marked(flow: Flow) -> IPv4Address | None:
    """A marked packet gets the address of the node's device towards the endpoint: cni0, the vxlan device or primary."""
    return towards_endpoint(flow) if flow.marked else None


@rule("R10.4", f"{FLANNEL} M1 M2 M3 M5", confirmed="measured in namespaces (datapath-rules R10)")
def entering_elsewhere(flow: Flow) -> IPv4Address | None:
    """With the CNI's masquerade, a source outside the pod network that goes to a pod of another node is rewritten."""
    elsewhere = flow.chosen.node != flow.packet.node and not flow.chosen.host_network
    if not flow.environment.masquerade or not elsewhere or from_pod_network(flow, flow.packet.source):
        return None
    return towards_endpoint(flow)


@rule("R10.5", f"{FLANNEL} M4", confirmed=SEEN)
def leaving_pod_network(flow: Flow) -> IPv4Address | None:
    """With the CNI's masquerade, a pod's packet that leaves the pod network gets its node's address."""
    away = flow.chosen.host_network and flow.chosen.node != flow.packet.node
    return flow.node.address if away and masqueraded_leaving(flow) else None


@rule("R10.6", "netfilter: no rule matches", confirmed=SEEN)
def kept(flow: Flow) -> IPv4Address:
    """Otherwise the source is kept."""
    return flow.packet.source


SOURCE: tuple[Rule[IPv4Address], ...] = (hairpin, delivered_here, marked, entering_elsewhere, leaving_pod_network, kept)
UNTOUCHED_BY_PROXY: tuple[Rule[IPv4Address], ...] = (delivered_here, entering_elsewhere, leaving_pod_network, kept)
