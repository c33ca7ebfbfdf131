"""Rules for the mark for masquerade (KUBE-MARK-MASQ, 0x4000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.rule import IPVS, NFTABLES, PROXIER, Rule, rule
from probes.oracle.stages.detect_local import is_pod_traffic
from probes.oracle.stages.traffic_policies import is_cluster_ip, is_external_local
from topologies.frontends import FrontendKind
from topologies.schema.enums import DetectLocal

if TYPE_CHECKING:
    from probes.oracle.connection import Connection


@rule("R2.2", f"{PROXIER}, {IPVS}, {NFTABLES} masqueradeAll")
def masquerade_all(conn: Connection) -> bool | None:
    """With --masquerade-all, kube-proxy marks every packet to a ClusterIP for masquerade (KUBE-MARK-MASQ)."""
    return True if is_cluster_ip(conn) and conn.environment.masquerade_all else None


@rule("R2.4", f"{IPVS} 1.20.2:1706-1733: KUBE-CLUSTER-IP src,dst")
def internal_from_virtual_address(conn: Connection) -> bool | None:
    """In IPVS mode without detect-local, kube-proxy marks ClusterIP packets of host-network processes for masquerade.

    Their source is the ClusterIP itself. Other packets to a ClusterIP are not marked.
    """
    return conn.local if is_cluster_ip(conn) and conn.environment.detect_local is DetectLocal.NONE else None


@rule("R2.5", f"{PROXIER} 1.20.2:1067, in KUBE-SVC since 1.22; {NFTABLES} 1.36:633")
def internal_without_detector(conn: Connection) -> bool | None:
    """Without detect-local, kube-proxy marks no packet to a ClusterIP for masquerade."""
    return False if is_cluster_ip(conn) and conn.environment.detect_local is DetectLocal.NONE else None


@rule("R2.3", f"{PROXIER} 1.20.2:1067, in KUBE-SVC since 1.22; {IPVS} KUBE-CLUSTER-IP; {NFTABLES} 1.36:633")
def internal_from_no_pod(conn: Connection) -> bool | None:
    """With detect-local, kube-proxy marks ClusterIP packets for masquerade if and only if they are not pod traffic."""
    return not is_pod_traffic(conn) if is_cluster_ip(conn) else None


@rule(
    "R4.6",
    f"{PROXIER} KUBE-XLB, KUBE-EXT: pods go to the cluster-wide chain unmarked; {NFTABLES}",
)
def pod_under_local(conn: Connection) -> bool | None:
    """With externalTrafficPolicy: Local, kube-proxy does not mark pod traffic for masquerade."""
    return False if is_external_local(conn) and is_pod_traffic(conn) else None


@rule("R4.7", f"#77523: masquerade LOCAL traffic; {NFTABLES}")
def node_under_local(conn: Connection) -> bool | None:
    """With externalTrafficPolicy: Local, kube-proxy marks packets of host-network processes for masquerade.

    The process runs on the node that processes the packet.
    """
    return True if is_external_local(conn) and conn.local else None


@rule("R4.8", f"{PROXIER} KUBE-XLB (<= 1.23), KUBE-SVL (1.24); {NFTABLES}")
def client_under_local(conn: Connection) -> bool | None:
    """With externalTrafficPolicy: Local, kube-proxy preserves the source IP.

    This does not apply to packets of host-network processes on the node.
    """
    return False if is_external_local(conn) else None


@rule("R4i.4", f"{IPVS} 1.20.2:178-190: the -LOCAL sets RETURN before KUBE-MARK-MASQ")
def never_under_local(conn: Connection) -> bool | None:
    """In IPVS mode with externalTrafficPolicy: Local, kube-proxy marks no packet for masquerade."""
    return False if is_external_local(conn) else None


@rule(
    "R3.4",
    f"{PROXIER} JumpIfNotLocal for externalIPs (#96296), KUBE-EXT (#109060)",
    since=upstream.EXTERNAL_IPS_CAPTURED,
    until=upstream.EXTERNAL_CHAINS,
)
def pod_to_external_ip(conn: Connection) -> bool | None:
    """In iptables mode, kube-proxy does not mark pod traffic to an externalIP for masquerade.

    This applies with externalTrafficPolicy: Cluster.
    """
    return False if conn.kind is FrontendKind.EXTERNAL_IP and is_pod_traffic(conn) else None


@rule(
    "R3.5",
    f"{PROXIER} KUBE-MARK-MASQ in KUBE-FW, KUBE-NODEPORTS, KUBE-SVC, KUBE-EXT (1.24); "
    f"{IPVS} KUBE-LOAD-BALANCER, KUBE-NODE-PORT-TCP, KUBE-EXTERNAL-IP; {NFTABLES} external chain",
)
def external_always(_conn: Connection) -> bool:
    """With externalTrafficPolicy: Cluster, kube-proxy marks external packets for masquerade (KUBE-MARK-MASQ).

    These are all packets to a NodePort, load balancer IP or externalIP, pod traffic included.
    """
    return True


NODE_LOCAL: tuple[Rule[bool], ...] = (pod_under_local, node_under_local, client_under_local)
