"""Faults of a node's kube-proxy, as changes: rules that are not there, or are old. No topology declares them.

Each replaces the decisions of the rules at one node, as the fault does. Live tests with the same damage:
tests/lab/faults/test_mutations.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from probes.diagnosis.change import PLAIN
from probes.oracle import upstream
from probes.oracle.connection import Disposition
from probes.oracle.predict import MARKS, POOLS
from probes.oracle.rule import decide
from probes.oracle.stages import arrival, endpoints
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import TrafficPolicy

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import Connection
    from topologies.cluster_state.snapshot import ServiceState
    from topologies.schema.topology import Topology

READINESS = frozenset(rule.id for rule in endpoints.READINESS)
BOUND = arrival.node_to_bound_address.id


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at one place. Its kinds override `bend`."""

    node: str = ""
    """The node that has the fault; empty: all nodes."""

    @property
    def was(self) -> object:
        return None

    @property
    def size(self) -> int:
        return PLAIN

    def declare(self, topology: Topology) -> Topology:
        """Return the topology unchanged: it does not declare faults."""
        return topology

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether a packet of the cell meets the node."""
        return not self.node or self.node in reads.nodes

    def is_here(self, conn: Connection) -> bool:
        """Return whether the node with the fault processes the packet."""
        return self.node in {"", conn.packet.node}


def untranslated(conn: Connection) -> Disposition:
    """Return what happens to a packet for which a node's kube-proxy has no rule."""
    if conn.kind is FrontendKind.NODE_PORT:
        return Disposition.CLOSED
    return Disposition.ASTRAY if conn.kind is FrontendKind.CLUSTER_IP else Disposition.LEAVES


@dataclass(frozen=True, slots=True)
class NoRules(Fault):
    """A node's kube-proxy has no rules: it stopped before the Services were made."""

    service: str = ""
    """The only Service without rules; empty: all."""
    kind: FrontendKind | None = None
    """The only kind of frontend without rules; None: all."""

    @property
    def path(self) -> str:
        of_service = f".services.{self.service}" if self.service else ""
        return f"nodes.{self.node}.kube-proxy{of_service}{f'.{self.kind}' if self.kind else ''}"

    @property
    def value(self) -> object:
        return "no rules"

    @property
    def text(self) -> str:
        if not self.service:
            return (
                f"kube-proxy on {self.node} has no rules for these Services (it does not run, or cannot reach the API)"
            )
        what = f"the {self.kind} of Service {self.service}" if self.kind else f"Service {self.service}"
        return f"kube-proxy on {self.node} has no rules for {what}"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node selects an endpoint for a packet of the cell, or binds its address."""
        met = self.node in reads.nodes and (not self.service or self.service in reads.services)
        return met and any(self._lacks(rule, conn) for rule, conn in reads.made)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return that no rule translates the packet; in IPVS mode no address is bound either."""
        if not self._lacks(rule, conn):
            return decision
        if rule == BOUND:
            return conn.packet
        return self._reach_socket(conn) if self.service else untranslated(conn)

    def _lacks(self, rule: str, conn: Connection) -> bool:
        """Return whether the decision is one of a rule that is not there."""
        if not self.is_here(conn) or self.kind not in {None, conn.kind}:
            return False
        known = not self.service or (conn.state.name == self.service and conn.declared)
        return known and (rule == BOUND or rule in POOLS)

    def _reach_socket(self, conn: Connection) -> Disposition:
        """Return what happens if kube-proxy runs without this rule: it holds the NodePort's socket until 1.23.

        The rule that marks packets of the loopback interface is another one, so kubelet's firewall drops those.
        """
        found = untranslated(conn)
        if conn.kind is not FrontendKind.NODE_PORT or conn.environment.has(upstream.PORT_OPENER_REMOVED):
            return found
        loopback = conn.at is At.LOOPBACK and conn.environment.kubelet_drops_martians
        return Disposition.DROPPED if loopback else Disposition.HELD


@dataclass(frozen=True, slots=True)
class MissingEndpoint(Fault):
    """A node's kube-proxy, or each, does not know one backend: its rules are older than the endpoint."""

    backend: str = ""

    @property
    def path(self) -> str:
        return f"{f'nodes.{self.node}' if self.node else 'nodes'}.kube-proxy.endpoints.{self.backend}"

    @property
    def value(self) -> object:
        return "missing"

    @property
    def text(self) -> str:
        if not self.node:
            return f"no kube-proxy knows endpoint {self.backend}"
        return f"kube-proxy on {self.node} does not know endpoint {self.backend} (its rules are old)"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node selects from endpoints for a packet of the cell."""
        return any(rule in READINESS and self.node in {"", place} for rule, place in reads.decisions)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the endpoints without the missing one."""
        if rule not in READINESS or not self.is_here(conn):
            return decision
        return tuple(one for one in decision if one.backend != self.backend)


@dataclass(frozen=True, slots=True)
class OtherPolicy(Fault):
    """A node, or each, treats a Service by the other traffic policy: it was changed, or the node's rules are old."""

    service: str = ""
    internal: bool = False
    """Whether it is internalTrafficPolicy."""

    @property
    def path(self) -> str:
        of_node = f"nodes.{self.node}.kube-proxy" if self.node else "workload"
        return f"{of_node}.services.{self.service}.{self.policy}"

    @property
    def policy(self) -> str:
        return "internalTrafficPolicy" if self.internal else "externalTrafficPolicy"

    @property
    def value(self) -> object:
        return "the other policy"

    @property
    def text(self) -> str:
        where = f"kube-proxy on {self.node}" if self.node else "every kube-proxy"
        return f"{where} applies the other {self.policy} to Service {self.service}"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the node selects an endpoint of the Service for the cell."""
        met = self.service in reads.services and (not self.node or self.node in reads.nodes)
        return met and any(self._decides(rule, conn) for rule, conn in reads.made)

    def _decides(self, rule: str, conn: Connection) -> bool:
        return conn.state.name == self.service and self.is_here(conn) and (rule in POOLS or rule in MARKS)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the chain's decision for a Service with the other policy."""
        if not self._decides(rule, conn):
            return decision
        changed = self._change(conn.cluster.snapshot.services[self.service])
        if conn.state == changed:
            return decision  # this is the question below
        there = replace(conn, state=changed)
        return decide(conn.chains.pool, there).value if rule in POOLS else decide(conn.chains.mark, there).value

    def _change(self, state: ServiceState) -> ServiceState:
        if self.internal:
            return replace(state, internal_traffic_policy=_other(state.internal_traffic_policy))
        return replace(state, external_traffic_policy=_other(state.external_traffic_policy))


def _other(policy: TrafficPolicy) -> TrafficPolicy:
    return TrafficPolicy.LOCAL if policy is TrafficPolicy.CLUSTER else TrafficPolicy.CLUSTER
