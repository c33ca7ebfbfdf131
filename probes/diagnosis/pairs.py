"""Find the pairs of changes that may explain all failed cells, by examples: each refuted pair adds one cell.

A cell is an example. A pair passes a failed example if one of its changes explains it, and a passed example if none
contradicts it. If one change affects what the prediction reads under the other, only the prediction under both decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.reads import CellReads
    from probes.plan.cell import Cell


@dataclass(slots=True, eq=False)
class Single:
    """One change, and the examples that it affects, and under which it passes, as bits."""

    change: ClusterChange
    affected: int = 0
    passed: int = 0
    reads: dict[int, CellReads] = field(default_factory=dict)
    """By example: what its prediction reads under the change."""


class Judged(NamedTuple):
    """The result of a cell under a change, and what its prediction reads then."""

    result: Result
    reads: CellReads


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
    judge: Callable[[ClusterChange, Cell], Judged | None]
    cells: list[Example] = field(default_factory=list)
    red: int = 0

    def add(self, example: Example) -> None:
        """Add a cell, and judge it under each change that affects it."""
        number = len(self.cells)
        bit = 1 << number
        self.cells.append(example)
        self.red |= bit if example.red else 0
        for one in self.singles:
            if one.change.may_affect(example.reads):
                one.affected |= bit
                if (judged := self.judge(one.change, example.cell)) is not None:
                    one.reads[number] = judged.reads
                    one.passed |= 0 if judged.result is Result.FAIL else bit

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
        against = self.red & ~(one.passed | other.passed)
        against |= ~self.red & ((one.affected & ~one.passed) | (other.affected & ~other.passed))
        return all(self._may_interact(one, other, number) for number in _bits(against))

    def _may_interact(self, one: Single, other: Single, number: int) -> bool:
        """Return whether one change affects what the prediction of an example reads under the other."""
        base = self.cells[number].reads
        first, second = one.reads.get(number, base), other.reads.get(number, base)
        return other.change.may_affect(first) or one.change.may_affect(second)


def _bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def choose_examples(red: Iterable[Cell], key: Callable[[Cell], object], most: int) -> tuple[Cell, ...]:
    """Return failed cells that differ in what decides them: one of each group in turn."""
    groups: dict[object, list[Cell]] = {}
    for cell in red:
        groups.setdefault(key(cell), []).append(cell)
    longest = max(map(len, groups.values()), default=0)
    turns = (group[turn] for turn in range(longest) for group in groups.values() if turn < len(group))
    return tuple(cell for cell, _ in zip(turns, range(most), strict=False))
