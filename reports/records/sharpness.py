"""How sharp the expectations of a run or a prediction are, and which unknown facts would sharpen them. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

from reports.formatting import count_cells
from reports.records.schema import ReportModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.schema import Expected

NAMED = 8  # facts that one line names


class SharpeningFact(ReportModel):
    """An unknown fact, and the number of cells with fewer possible results if it were known."""

    path: str
    cells: int


class Sharpness(ReportModel):
    """How many cells have an expectation, how many of them one possible result, and what the others depend on.

    `facts`: the unknown facts that would sharpen cells, the ones that sharpen most cells first.
    """

    cells: int = 0
    sharp: int = 0
    facts: tuple[SharpeningFact, ...] = ()

    @classmethod
    def of(cls, expected: Iterable[Expected]) -> Self:
        """Count the expectations of cells."""
        known = [one for one in expected if one.paths]
        counts = Counter(path for one in known for path in one.sharpened_by)
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        facts = tuple(SharpeningFact(path=path, cells=cells) for path, cells in ordered)
        return cls(cells=len(known), sharp=sum(one.possible == 1 for one in known), facts=facts)

    def __str__(self) -> str:
        """Return one line; an empty string if every cell is sharp."""
        if self.sharp == self.cells:
            return ""
        named = ", ".join(f"{one.path} (if known, sharpens {count_cells(one.cells)})" for one in self.facts[:NAMED])
        more = f", and {len(self.facts) - NAMED} more" if len(self.facts) > NAMED else ""
        return f"{self.sharp} of {self.cells} cells have one possible result; unknown facts: {named}{more}"
