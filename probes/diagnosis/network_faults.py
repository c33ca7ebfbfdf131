"""Faults of the network, as changes: a node is cut off, the pod network is down, the balancer leaves a node out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.diagnosis.faults import Fault
from probes.observation import Outcome
from probes.oracle.connection import Connection, Disposition, Packet
from probes.oracle.stages import arrival, load_balancer, load_balancer_targets

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads

TO_NODES = frozenset({load_balancer.to_node_ports.id, load_balancer.listener_leads.id})
RECEIVING = frozenset(rule.id for rule in load_balancer.RECEIVING)
SENDING = frozenset(rule.id for rule in load_balancer_targets.SENDING)
ARRIVING = (arrival.WITHOUT_BOUND_ADDRESSES, arrival.BASELINE, (arrival.node_to_bound_address,))
ARRIVALS = frozenset(rule.id for chain in ARRIVING for rule in chain)


@dataclass(frozen=True, slots=True)
class CutOff(Fault):
    """Packets between a node and everything else are lost."""

    @property
    def path(self) -> str:
        return f"nodes.{self.node}"

    @property
    def value(self) -> object:
        return "unreachable"

    @property
    def text(self) -> str:
        return f"{self.node} is cut off from the other nodes and hosts"

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return that packets to and from the node are lost."""
        if isinstance(decision, Outcome):
            here, there = conn.packet.node == self.node, conn.chosen.node == self.node
            return Outcome.TIMEOUT if here != there else decision
        if rule in ARRIVALS and isinstance(decision, Packet):
            here, there = conn.packet.client_node == self.node, decision.node == self.node
            return Disposition.DROPPED if here != there else decision
        if rule in RECEIVING and conn.packet.client_node == self.node:
            return Disposition.DROPPED
        return Disposition.DROPPED if rule in SENDING and conn.packet.node == self.node else decision


@dataclass(frozen=True, slots=True)
class PodNetworkDown(Fault):
    """Pods of a node and other nodes cannot reach each other over the pod network."""

    other: str = ""
    """The only other node; empty: all others."""

    @property
    def path(self) -> str:
        return f"nodes.{self.node}.pod-network{f'.{self.other}' if self.other else ''}"

    @property
    def value(self) -> object:
        return "down"

    @property
    def text(self) -> str:
        there = self.other or "the other nodes"
        return f"the pod network between {self.node} and {there} is down (a tunnel or route is missing)"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether a pod is selected for a packet on the other side."""
        return self.node in reads.nodes and any(self._crosses(conn) for _, conn in reads.made if conn.endpoint)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401, ARG002 - see ClusterChange
        """Return that connections to a pod over the node's border are lost."""
        return Outcome.TIMEOUT if isinstance(decision, Outcome) and self._crosses(conn) else decision

    def _crosses(self, conn: Connection) -> bool:
        if conn.chosen.host_network:
            return False
        ends = {conn.packet.node, conn.chosen.node}
        return ends == {self.node, self.other} if self.other else self.node in ends and len(ends) > 1


@dataclass(frozen=True, slots=True)
class LeftOutByBalancer(Fault):
    """The load balancer sends nothing to a node."""

    @property
    def path(self) -> str:
        return f"load_balancer.targets.{self.node}"

    @property
    def value(self) -> object:
        return "left out"

    @property
    def text(self) -> str:
        return f"the load balancer sends nothing to {self.node}"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the balancer sends packets of the cell to nodes."""
        return any(rule in TO_NODES for rule, _ in reads.decisions)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the next hops without the node."""
        if rule not in TO_NODES or not isinstance(decision, tuple):
            return decision
        others = tuple(one for one in decision if not (isinstance(one, Connection) and one.target_node == self.node))
        return others or load_balancer.end_without_target(conn)


@dataclass(frozen=True, slots=True)
class OnlyTarget(Fault):
    """The load balancer sends packets to one node alone: the others are not registered, or fail its health check."""

    @property
    def path(self) -> str:
        return "load_balancer.targets"

    @property
    def value(self) -> object:
        return f"{self.node} alone"

    @property
    def text(self) -> str:
        return f"the load balancer sends packets to {self.node} alone"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the balancer sends packets of the cell to nodes."""
        return any(rule in TO_NODES for rule, _ in reads.decisions)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the next hops with the node."""
        if rule not in TO_NODES or not isinstance(decision, tuple):
            return decision
        left = tuple(one for one in decision if not isinstance(one, Connection) or one.target_node == self.node)
        return left or load_balancer.end_without_target(conn)
