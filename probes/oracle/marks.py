"""iptables mode: whether a packet is marked for masquerade (KUBE-MARK-MASQ, 0x4000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.identity import known_as_pod
from probes.oracle.iptables import PROXIER, SEEN_BOTH, external_local, internal
from probes.oracle.rule import IPTABLES_ONLY, Rule, rule
from topologies.frontends import FrontendKind
from topologies.model import DetectLocal

if TYPE_CHECKING:
    from probes.oracle.flow import Flow


@rule("R2.2", f"{PROXIER} masqueradeAll", modes=IPTABLES_ONLY)
def masquerade_all(flow: Flow) -> bool | None:
    """With --masquerade-all everything to a ClusterIP is masqueraded."""
    return True if internal(flow) and flow.environment.masquerade_all else None


@rule("R2.3", f"{PROXIER} 1.20.2:1067; in KUBE-SVC since 1.22", modes=IPTABLES_ONLY, confirmed=SEEN_BOTH)
def internal_from_no_pod(flow: Flow) -> bool | None:
    """At a ClusterIP, what is known not to be a pod's is masqueraded; without detect-local nothing is."""
    if not internal(flow):
        return None
    return flow.environment.detect_local is not DetectLocal.NONE and not known_as_pod(flow)


@rule(
    "R4.6",
    f"{PROXIER} KUBE-XLB, KUBE-EXT: pods go to the cluster-wide chain unmarked",
    confirmed=SEEN_BOTH,
    modes=IPTABLES_ONLY,
)
def pod_under_local(flow: Flow) -> bool | None:
    """Under Local, a packet known to be a pod's keeps its source."""
    return False if external_local(flow) and known_as_pod(flow) else None


@rule("R4.7", "#77523: masquerade LOCAL traffic", confirmed=SEEN_BOTH, modes=IPTABLES_ONLY)
def node_under_local(flow: Flow) -> bool | None:
    """Under Local, a packet of a process of this node is masqueraded."""
    return True if external_local(flow) and flow.local else None


@rule("R4.8", f"{PROXIER} KUBE-XLB (<= 1.23), KUBE-SVL (1.24)", confirmed=SEEN_BOTH, modes=IPTABLES_ONLY)
def client_under_local(flow: Flow) -> bool | None:
    """Under Local, any other client keeps its source."""
    return False if external_local(flow) else None


@rule("R3.4", f"{PROXIER} JumpIfNotLocal for externalIPs", since=(1, 21), until=(1, 23), modes=IPTABLES_ONLY)
def pod_to_external_ip(flow: Flow) -> bool | None:
    """Under Cluster, a pod's packet to an externalIP keeps its source."""
    return False if flow.kind is FrontendKind.EXTERNAL_IP and known_as_pod(flow) else None


@rule(
    "R3.5",
    f"{PROXIER} KUBE-MARK-MASQ in KUBE-FW, KUBE-NODEPORTS, KUBE-SVC; KUBE-EXT (1.24)",
    confirmed=SEEN_BOTH,
    modes=IPTABLES_ONLY,
)
def external_always(_flow: Flow) -> bool:
    """Under Cluster, everything to a NodePort, LB or external address is masqueraded, pods included."""
    return True


MARK: tuple[Rule[bool], ...] = (
    masquerade_all,
    internal_from_no_pod,
    pod_under_local,
    node_under_local,
    client_under_local,
    pod_to_external_ip,
    external_always,
)
