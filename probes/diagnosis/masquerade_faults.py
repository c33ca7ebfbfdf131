"""Faults of a node's masquerade, as changes: what kube-proxy marks, and what the marked packets get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.diagnosis.faults import Fault
from probes.observation import Outcome
from probes.oracle.connection import Disposition
from probes.oracle.node_addresses import leaves_masqueraded
from probes.oracle.predict import MARKS, POOLS
from probes.oracle.rule import decide
from probes.oracle.stages import arrival, detect_local, source_nat
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import Connection

MASQUERADES = frozenset(
    rule.id for rule in (source_nat.hairpin, source_nat.hairpin_nftables, source_nat.hairpin_here, source_nat.marked)
)
BY_CIDR = frozenset(rule.id for rule in (detect_local.in_cluster_cidr, detect_local.from_a_device_in_cluster_cidr))
TO_BALANCER = arrival.masqueraded_towards_balancer.id


def _is_martian(conn: Connection) -> bool:
    """Return whether an endpoint receives its own address, or from outside its host 127.0.0.1, as source."""
    if conn.kind is FrontendKind.ENDPOINT or conn.seen is None:
        return False
    inside = conn.chosen.host_network and conn.chosen.node == conn.packet.node
    return not inside and (conn.seen == conn.chosen.address or conn.seen.is_loopback)


@dataclass(frozen=True, slots=True)
class NoMasquerade(Fault):
    """A node does not masquerade what kube-proxy marks: the rule of KUBE-POSTROUTING is gone."""

    @property
    def path(self) -> str:
        return f"nodes.{self.node}.KUBE-POSTROUTING"

    @property
    def value(self) -> object:
        return "no MASQUERADE"

    @property
    def text(self) -> str:
        return f"{self.node} has no MASQUERADE rule in KUBE-POSTROUTING"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node masquerades a packet of the cell."""
        return any(place == self.node and rule in MASQUERADES | {TO_BALANCER} for rule, place in reads.decisions)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the source address that the other rules of POSTROUTING give the packet.

        The kernel drops a packet that has its endpoint's own address as source, or that leaves from 127.0.0.1.
        """
        if not self.is_here(conn):
            return decision
        if isinstance(decision, Outcome):
            return Outcome.TIMEOUT if _is_martian(conn) else decision
        if rule in MASQUERADES:
            return decide(source_nat.UNTOUCHED_BY_PROXY, conn).value
        if rule == TO_BALANCER and not leaves_masqueraded(conn, conn.target):
            return conn.packet.source
        return decision


@dataclass(frozen=True, slots=True)
class NoMark(Fault):
    """A node's kube-proxy marks nothing for masquerade: chain KUBE-MARK-MASQ is empty."""

    @property
    def path(self) -> str:
        return f"nodes.{self.node}.KUBE-MARK-MASQ"

    @property
    def value(self) -> object:
        return "no mark"

    @property
    def text(self) -> str:
        return f"{self.node} has no rule in KUBE-MARK-MASQ"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node decides about the mark of a packet of the cell."""
        return any(place == self.node and rule in MARKS | POOLS for rule, place in reads.decisions)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the decision without the mark."""
        if not self.is_here(conn):
            return decision
        if decision is Disposition.LEAVES_MASQUERADED:
            return Disposition.LEAVES
        return False if rule in MARKS else decision


@dataclass(frozen=True, slots=True)
class NoPodInClusterCidr(Fault):
    """A node's kube-proxy, or each, has a cluster CIDR that contains no pod."""

    @property
    def path(self) -> str:
        return f"{f'nodes.{self.node}' if self.node else 'nodes'}.kube-proxy.cluster-cidr"

    @property
    def value(self) -> object:
        return "no pod"

    @property
    def text(self) -> str:
        return (
            f"the cluster CIDR of {f'kube-proxy on {self.node}' if self.node else 'every kube-proxy'} contains no pod"
        )

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node compares a packet's source with the range."""
        return any(reads.has_rule(rule, self.node) for rule in BY_CIDR)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return that the packet is not pod traffic."""
        return False if rule in BY_CIDR and self.is_here(conn) else decision
