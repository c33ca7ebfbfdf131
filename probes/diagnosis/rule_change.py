"""A rule that does not hold, as a change: the last resort where no fact and no known fault fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.diagnosis.change import INTERNAL
from probes.diagnosis.faults import Fault
from probes.oracle.mutation.alternatives import NaturalAlternative

if TYPE_CHECKING:
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import Connection


@dataclass(frozen=True, slots=True)
class RuleChanged(Fault):
    """A rule does not hold on a node, or on all: the natural alternative of its decision happens."""

    rule: str = ""

    @property
    def path(self) -> str:
        return f"{f'nodes.{self.node}.' if self.node else ''}rules.{self.rule}"

    @property
    def value(self) -> object:
        return "does not hold"

    @property
    def size(self) -> int:
        return INTERNAL

    @property
    def text(self) -> str:
        return f"rule {self.rule} does not hold{f' on {self.node}' if self.node else ''}"

    def may_affect(self, reads: CellReads) -> bool:
        """Return whether the rule decides about a packet of the cell there."""
        return reads.has_rule(self.rule, self.node)

    def bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - see ClusterChange
        """Return the natural alternative of the rule's decision."""
        return NaturalAlternative(self.rule)(rule, decision, conn) if self.is_here(conn) else decision
