"""Sets of assignments of values to variables, as multi-valued decision diagrams. Pure, without knowledge of facts.

A set is a number. Equal sets have the same number, so comparisons are cheap and operations remember their results.
See Bryant, "Graph-Based Algorithms for Boolean Function Manipulation" (1986); here a variable has any number of values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NONE, ALL = 0, 1  # the set without an assignment, and the set of all
Indices = tuple[int, ...]
Diagram = tuple[int, Indices]
Cube = dict[str, tuple[object, ...]]
"""An assignment of several values to some variables: all combinations of them. Other variables have any value."""


@dataclass(slots=True, eq=False)
class AssignmentSets:
    """All sets in use. A set's diagram is a variable, and for each of its values the set of the other variables."""

    paths: list[str] = field(default_factory=list)
    """The name of each variable. A diagram has variables in this order."""
    values: list[Sequence[object]] = field(default_factory=list)
    """The values of each variable."""
    variables: dict[str, int] = field(default_factory=dict)
    diagrams: list[Diagram] = field(default_factory=lambda: [(-1, ()), (-1, ())])
    """The diagram of each set; none of the sets NONE and ALL."""
    numbers: dict[Diagram, int] = field(default_factory=dict)
    intersections: dict[tuple[int, int], int] = field(default_factory=dict)
    unions: dict[tuple[int, int], int] = field(default_factory=dict)
    remaining: dict[tuple[int, int], Indices] = field(default_factory=dict)

    def find_variable(self, path: str, values: Sequence[object]) -> int:
        """Return the number of a variable. It is added after the others at its first use."""
        if (found := self.variables.get(path)) is None:
            found = self.variables[path] = len(self.paths)
            self.paths.append(path)
            self.values.append(values)
        return found

    def narrow(self, one: int, variable: int, indices: Sequence[int]) -> int:
        """Return the assignments of a set that give a variable one of these values."""
        within = [ALL if index in indices else NONE for index in range(len(self.values[variable]))]
        return self.intersect(one, self._find(variable, tuple(within)))

    def intersect(self, one: int, two: int) -> int:
        """Return the assignments that both sets have."""
        if two in {one, ALL}:
            return one
        if one == ALL:
            return two
        if NONE in {one, two}:
            return NONE
        key = (one, two) if one < two else (two, one)
        if (found := self.intersections.get(key)) is None:
            variable, pairs = self._pair(one, two)
            found = self._find(variable, tuple(self.intersect(*pair) for pair in pairs))
            self.intersections[key] = found
        return found

    def unite(self, one: int, two: int) -> int:
        """Return the assignments that one of the sets has."""
        if two in {one, NONE}:
            return one
        if one == NONE:
            return two
        if ALL in {one, two}:
            return ALL
        key = (one, two) if one < two else (two, one)
        if (found := self.unions.get(key)) is None:
            variable, pairs = self._pair(one, two)
            found = self._find(variable, tuple(self.unite(*pair) for pair in pairs))
            self.unions[key] = found
        return found

    def unite_all(self, sets: Iterable[int]) -> int:
        """Return the assignments that at least one of the sets has."""
        return reduce(self.unite, sets, NONE)

    def list_values(self, one: int, variable: int) -> Indices:
        """Return the values that a variable has in a set, by their places."""
        key = one, variable
        if (found := self.remaining.get(key)) is None:
            found = self.remaining[key] = self._list_values(one, variable)
        return found

    def _list_values(self, one: int, variable: int) -> Indices:
        own, following = self.diagrams[one]
        everything = tuple(range(len(self.values[variable])))
        if one == ALL or own > variable:
            return everything
        if own == variable:
            return tuple(index for index, part in enumerate(following) if part != NONE)
        found = {index for part in set(following) - {NONE} for index in self.list_values(part, variable)}
        return tuple(sorted(found))

    def list_cubes(self, one: int) -> Iterator[Cube]:
        """Yield cubes that have no assignment in common and together have those of a set."""
        if one == ALL:
            yield {}
        if one in {NONE, ALL}:
            return
        variable, following = self.diagrams[one]
        by_part: dict[int, list[object]] = {}
        for value, part in zip(self.values[variable], following, strict=True):
            by_part.setdefault(part, []).append(value)
        for part, values in by_part.items():
            for cube in self.list_cubes(part):
                yield {self.paths[variable]: tuple(values), **cube}

    def list_variables(self, one: int) -> set[str]:
        """Return the variables on whose values it depends whether an assignment is in a set."""
        found, pending = set[int](), [one]
        while pending:
            if (number := pending.pop()) not in found and number not in {NONE, ALL}:
                found.add(number)
                pending += self.diagrams[number][1]
        return {self.paths[self.diagrams[number][0]] for number in found}

    def _pair(self, one: int, two: int) -> tuple[int, list[tuple[int, int]]]:
        """Return the first variable of two sets, and for each of its values what follows it in both."""
        (first, left), (second, right) = self.diagrams[one], self.diagrams[two]
        if first == second:
            return first, list(zip(left, right, strict=True))
        if first < second:
            return first, [(part, two) for part in left]
        return second, [(one, part) for part in right]

    def _find(self, variable: int, following: Indices) -> int:
        """Return the set with this diagram; if all values lead to one set, that one."""
        if len(set(following)) == 1:
            return following[0]
        key = variable, following
        if (found := self.numbers.get(key)) is None:
            found = self.numbers[key] = len(self.diagrams)
            self.diagrams.append(key)
        return found
