"""Faults of packet filters and of single pods, as changes: what a firewall, a full table or a policy drops."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from probes.diagnosis.faults import Fault
from probes.diagnosis.network_faults import ARRIVALS
from probes.observation import Outcome
from probes.oracle.connection import Disposition, Origin
from probes.oracle.predict import POOLS

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import Connection
    from topologies.frontends import FrontendKind


class Affected(StrEnum):
    """The clients whose packets are dropped."""

    ALL = "of all clients"
    INCOMING = "from other nodes and hosts"
    """As a firewall in front of the node does."""
    OUTSIDE = "from hosts outside the cluster"
    """As a security group does; the load balancer is let through."""
    PREROUTING = "that traverse PREROUTING there"
    """Those that arrive, and those of the node's own pods to any node. Not those of the node's own processes."""


@dataclass(frozen=True, slots=True)
class DroppedConnections(Fault):
    """New connections to Services are dropped before a node's kube-proxy translates them."""

    service: str = ""
    """The only Service; empty: all."""
    kind: FrontendKind | None = None
    """The only kind of frontend; None: all."""
    clients: Affected = Affected.ALL

    @property
    def path(self) -> str:
        of_node = f"nodes.{self.node}" if self.node else "nodes"
        of_service = f".services.{self.service}" if self.service else ""
        return f"{of_node}.filter{of_service}{f'.{self.kind}' if self.kind else ''}"

    @property
    def value(self) -> object:
        return f"drops packets {self.clients}"

    @property
    def text(self) -> str:
        where = self.node or "every node"
        if not self.service and self.kind is None:
            return f"{where} drops new connections to Services {self.clients} (its conntrack table is full)"
        what = f"the {self.kind} of Service {self.service}" if self.service else "every NodePort"
        return f"{where} drops packets to {what} {self.clients} (a firewall)"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether a packet of the cell is one of those."""
        met = (not self.node or self.node in reads.nodes) and (not self.service or self.service in reads.services)
        return met and any(self._drops(rule, conn) for rule, conn in reads.made)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return that the packet is dropped, if it is one of those."""
        return Disposition.DROPPED if self._drops(rule, conn) else decision

    def _drops(self, rule: str, conn: Connection) -> bool:
        concerns = self.kind in {None, conn.kind} and self.service in {"", conn.state.name}
        return rule in POOLS and concerns and self._has_client(conn)

    def _has_client(self, conn: Connection) -> bool:
        here, packet = self.is_here(conn), conn.packet
        if self.clients is Affected.INCOMING:
            return here and packet.client_node != packet.node
        if self.clients is Affected.OUTSIDE:
            return here and packet.origin is Origin.EXTERNAL and not conn.returned
        if self.clients is Affected.PREROUTING:
            own_pod = packet.origin is Origin.POD and packet.client_node == self.node
            return (here and not conn.local) or own_pod
        return here


@dataclass(frozen=True, slots=True)
class SilentBackend(Fault):
    """An endpoint that kube-proxy selects does not answer."""

    backend: str = ""
    outcome: Outcome = Outcome.TIMEOUT
    within_node: bool = False
    """Whether it answers clients whose packets its own node processes, as with a network policy."""

    @property
    def path(self) -> str:
        return f"workload.backends.{self.backend}"

    @property
    def value(self) -> object:
        ending = "refuses" if self.outcome is Outcome.REFUSED else "is silent"
        return f"{ending} beyond its node" if self.within_node else ending

    @property
    def text(self) -> str:
        if self.within_node:
            return f"backend {self.backend} receives nothing from other nodes (a network policy or firewall)"
        ending = "refuses connections" if self.outcome is Outcome.REFUSED else "receives nothing"
        return f"backend {self.backend} {ending}, and is an endpoint"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the backend is selected for the cell."""
        selected = (conn.endpoint.backend for _, conn in reads.made if conn.endpoint)
        return self.node in reads.nodes and self.backend in selected

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401, ARG002 - see ClusterChange
        """Return how a connection to the backend ends."""
        if not isinstance(decision, Outcome) or conn.endpoint is None or conn.chosen.backend != self.backend:
            return decision
        return decision if self.within_node and conn.packet.node == conn.chosen.node else self.outcome


@dataclass(frozen=True, slots=True)
class SilentClient(Fault):
    """Everything that a client pod sends is lost."""

    pod: str = ""

    @property
    def path(self) -> str:
        return f"workload.pods.{self.pod}"

    @property
    def value(self) -> object:
        return "cut off"

    @property
    def text(self) -> str:
        return f"everything that pod {self.pod} sends is lost (its network, or a network policy)"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the pod sends a packet of the cell."""
        return self.node in reads.nodes and any(self._loses(rule, conn) for rule, conn in reads.made)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return that a packet of the pod is dropped where it starts."""
        return Disposition.DROPPED if self._loses(rule, conn) else decision

    def _loses(self, rule: str, conn: Connection) -> bool:
        return rule in ARRIVALS and conn.packet.source == conn.cluster.snapshot.pods.get(self.pod)
