"""One change of a cluster under which its cells may be as observed: a fact with another value, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from topologies.schema import facts

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import Connection
    from topologies.schema.topology import Topology

PLAIN = 1  # the size of a change of one fact, and of one fault
INTERNAL = 2  # the size of a changed rule: a rule cannot be declared or repaired, so it is the last resort


class ClusterChange(Protocol):
    """One change of the cluster."""

    @property
    def path(self) -> str:
        """The fact's path, or the place of the fault."""

    @property
    def value(self) -> object:
        """The fact's value, or what is wrong there."""

    @property
    def was(self) -> object:
        """The declared value; None for a fault."""

    @property
    def size(self) -> int:
        """How much it changes: the smaller, the likelier."""

    @property
    def text(self) -> str:
        """The change as a condition: `` `load_balancer.listens` is true ``."""

    def declare(self, topology: Topology) -> Topology:
        """Return the topology with this change."""

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - a decision of any rule
        """Return the decision of a rule with this change."""

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the prediction of a cell that reads this can differ."""


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact with another value than declared, of the cluster, of one node or of the balancer."""

    path: str
    value: object
    was: object = None

    @property
    def size(self) -> int:
        return PLAIN

    @property
    def text(self) -> str:
        return f"`{self.path}` is {format_value(self.value)}"

    def declare(self, topology: Topology) -> Topology:
        """Return the topology with the other value."""
        return facts.assign(topology, self.path, self.value)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401, ARG002 - see ClusterChange
        """Return the decision unchanged: the rules themselves read the fact."""
        return decision

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the cell's rules read the fact at this place."""
        return reads.reads_fact(self.path, self.value, self.was)


def format_value(value: object) -> str:
    """Return a value as a topology file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) in {list, tuple, frozenset}:  # a Version is a tuple with a name of its own
        return f"[{', '.join(map(format_value, value))}]"  # type: ignore[call-overload] # it is one of these
    return "unset" if value is None else str(value)
