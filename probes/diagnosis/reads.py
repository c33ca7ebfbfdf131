"""What the prediction of a cell reads: facts, and decisions of rules. A change of something else cannot affect it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probes.oracle.rule import replace_decisions
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.oracle.connection import Connection


@dataclass(slots=True)
class CellReads:
    """What the prediction of one cell reads."""

    decisions: set[tuple[str, str]] = field(default_factory=set)
    """The rules that decided, each with the node that processed the packet then."""
    services: set[str] = field(default_factory=set)
    """The Services whose rules a packet met."""
    nodes: set[str] = field(default_factory=set)
    """The nodes that processed a packet, sent it, or have an endpoint that was selected."""
    facts: set[str] | None = None
    """The paths of the facts that the rules read, each with its node. None: not recorded, so any may be."""

    def note(self, rule: str, decision: object, conn: Connection) -> Any:  # noqa: ANN401 - returns the decision
        """Record the decision of a rule and return it unchanged."""
        self.decisions.add((rule, conn.packet.node))
        self.services.add(conn.state.name)
        self.nodes.update((conn.packet.node, conn.packet.client_node, conn.target_node))
        if conn.endpoint is not None:
            self.nodes.add(conn.endpoint.node)
        return decision

    def has_fact(self, path: str) -> bool:
        """Return whether the rules read this fact: of the node that the path names, or of any node."""
        if self.facts is None:
            node, _ = facts.split(path)
            return not node or node in self.nodes
        return path in self.facts

    def has_rule(self, rule: str, node: str = "") -> bool:
        """Return whether a rule decided, on this node or with an empty name on any."""
        return any(name == rule and node in {"", place} for name, place in self.decisions)


@contextmanager
def record_reads() -> Iterator[CellReads]:
    """Record what is predicted within the context."""
    reads = CellReads()
    with replace_decisions(reads.note):
        yield reads
