"""Rules for the source address that the endpoint sees: POSTROUTING of the processing node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import upstream
from probes.oracle.node_addresses import address_towards_endpoint, leaves_masqueraded
from probes.oracle.rule import IPVS, NFTABLES, PROXIER, Rule, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from topologies.common.addresses import IPAddress

FLANNEL = "flannel pkg/trafficmngr/iptables masqRules"


def _back_to_itself(conn: Connection) -> bool:
    return conn.packet.source == conn.chosen.address


@rule("R10.1", f"{PROXIER} KUBE-SEP: -s endpoint KUBE-MARK-MASQ")
def hairpin(conn: Connection) -> IPAddress | None:
    """In iptables mode, an endpoint that receives its own packet sees the node's interface address towards it."""
    return address_towards_endpoint(conn) if _back_to_itself(conn) else None


@rule("R10.7", f"{NFTABLES} endpoint chains", until=upstream.HAIRPIN_SET)
def hairpin_nftables(conn: Connection) -> IPAddress | None:
    """In nftables mode, an endpoint that receives its own packet sees the node's interface address towards it."""
    return address_towards_endpoint(conn) if _back_to_itself(conn) else None


@rule(
    "R10.8",
    f"{IPVS} KUBE-LOOP-BACK dst,dst,src; {NFTABLES} 1.36 set hairpin-connections (#136499)",
)
def hairpin_here(conn: Connection) -> IPAddress | None:
    """A node-local endpoint that receives its own packet sees the node's interface address towards it."""
    return address_towards_endpoint(conn) if _back_to_itself(conn) and conn.chosen.node == conn.packet.node else None


@rule("R10.2", "netfilter: INPUT has no POSTROUTING")
def delivered_here(conn: Connection) -> IPAddress | None:
    """A host-network endpoint on the processing node sees the preserved source IP of packets from pods and other hosts.

    These packets do not pass POSTROUTING.
    """
    inside = conn.chosen.host_network and conn.chosen.node == conn.packet.node
    return conn.packet.source if inside and not conn.local else None


@rule("R10.3", "pkg/proxy KUBE-POSTROUTING MASQUERADE")
def marked(conn: Connection) -> IPAddress | None:
    """A packet marked for masquerade gets the node's interface address towards the endpoint.

    This is the address of the bridge, of the tunnel device or of the primary interface.
    """
    return address_towards_endpoint(conn) if conn.marked else None


@rule("R10.4", f"{FLANNEL} M1 M2 M3 M5")
def entering_elsewhere(conn: Connection) -> IPAddress | None:
    """If the CNI masquerades traffic into the pod network, a pod on another node sees the processing node's address.

    This applies to sources outside the pod CIDR. It also applies to a host-network endpoint whose node has an address
    in the pod CIDR.
    """
    inside = not conn.chosen.host_network or conn.chosen.address in conn.environment.pod_cidr
    elsewhere = conn.chosen.node != conn.packet.node and inside
    entering = conn.packet.source not in conn.environment.pod_cidr
    masqueraded = elsewhere and entering and conn.environment.masquerades_entering
    return address_towards_endpoint(conn) if masqueraded else None


@rule("R10.5", f'{FLANNEL} M4; docs/observations.md "flannel masquerades packets on the loopback interface"')
def leaving_pod_network(conn: Connection) -> IPAddress | None:
    """If the CNI masquerades pod egress, a host-network endpoint sees the processing node's primary address.

    This applies to sources in the pod CIDR. They include a host-network process that connects to its own node's
    bridge or tunnel address.
    """
    leaving = conn.chosen.host_network and leaves_masqueraded(conn, conn.chosen.address)
    return conn.node.address if leaving else None


@rule("R10.6", "netfilter: no rule matches")
def preserved(conn: Connection) -> IPAddress:
    """An endpoint sees the preserved source IP if no masquerade rule matches."""
    return conn.packet.source


POSTROUTING: tuple[Rule[IPAddress], ...] = (
    delivered_here,
    marked,
    entering_elsewhere,
    leaving_pod_network,
    preserved,
)
UNTOUCHED_BY_PROXY: tuple[Rule[IPAddress], ...] = (
    delivered_here,
    entering_elsewhere,
    leaving_pod_network,
    preserved,
)
