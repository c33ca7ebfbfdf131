"""Find the pairs of changes that may explain all failed cells, by examples: each refuted pair adds one cell.

A cell is an example. A pair passes a failed example if one of its changes explains it, and a passed example if none
contradicts it. If both changes affect the example, only the prediction under both decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from probes.diagnosis.change import Change
    from probes.diagnosis.reads import CellReads
    from probes.plan.cell import Cell


@dataclass(slots=True, eq=False)
class Single:
    """One change, and the examples that it affects, and under which it passes, as bits."""

    change: Change
    affected: int = 0
    passed: int = 0


class Example(NamedTuple):
    """A failed or passed cell with what its prediction reads."""

    cell: Cell
    reads: CellReads
    red: bool


Pair = tuple[Single, Single]


@dataclass
class Examples:
    """The cells that filter changes. `judge` returns the result of a cell under one change, or None if none can be."""

    singles: Sequence[Single]
    judge: Callable[[Change, Cell], Result | None]
    cells: list[Example] = field(default_factory=list)
    red: int = 0

    def add(self, example: Example) -> None:
        """Add a cell, and judge it under each change that affects it."""
        bit = 1 << len(self.cells)
        self.cells.append(example)
        self.red |= bit if example.red else 0
        for one in self.singles:
            if one.change.may_affect(example.reads):
                one.affected |= bit
                result = self.judge(one.change, example.cell)
                one.passed |= 0 if result is None or result is Result.FAIL else bit

    def explaining(self) -> list[Single]:
        """Return the changes that explain a failed example."""
        return [one for one in self.singles if one.passed & self.red]

    def pairs(self) -> Iterator[Pair]:
        """Yield the pairs that pass all examples: the smallest first, then those that need no joint prediction."""
        useful = self.explaining()
        found = [
            (one.change.size + other.change.size, self._open(one, other), index, place)
            for index, one in enumerate(useful)
            for place, other in enumerate(useful[:index])
            if self._passes(one, other)
        ]
        for *_, index, place in sorted(found):
            yield useful[place], useful[index]

    def _open(self, one: Single, other: Single) -> int:
        """Return how many failed examples neither change explains alone."""
        return (self.red & ~(one.passed | other.passed)).bit_count()

    def _passes(self, one: Single, other: Single) -> bool:
        both = one.affected & other.affected
        if (one.passed | other.passed | both) & self.red != self.red:
            return False
        wrong = (one.affected & ~one.passed) | (other.affected & ~other.passed)
        return not wrong & ~self.red & ~both


def choose_examples(red: Iterable[Cell], key: Callable[[Cell], object], most: int) -> tuple[Cell, ...]:
    """Return failed cells that differ in what decides them: one of each group in turn."""
    groups: dict[object, list[Cell]] = {}
    for cell in red:
        groups.setdefault(key(cell), []).append(cell)
    longest = max(map(len, groups.values()), default=0)
    turns = (group[turn] for turn in range(longest) for group in groups.values() if turn < len(group))
    return tuple(cell for cell, _ in zip(turns, range(most), strict=False))
