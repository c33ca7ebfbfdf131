"""Decision diagrams: operations on sets of assignments give the same sets as on enumerated assignments."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from probes.oracle.assignments import ALL, NONE, AssignmentSets

VALUES = {"a": (1, 2, 3), "b": (False, True), "c": ("x", "y", "z")}
ASSIGNMENTS = frozenset(product(*VALUES.values()))
Assignments = frozenset[tuple[object, ...]]


def drawn(sets: AssignmentSets, random: Random) -> int:
    """Return a set that is united from a few cubes."""
    found = NONE
    for _ in range(random.randint(1, 4)):
        cube = ALL
        for path, values in VALUES.items():
            indices = random.sample(range(len(values)), random.randint(1, len(values)))
            cube = sets.narrow(cube, sets.find_variable(path, values), indices)
        found = sets.unite(found, cube)
    return found


def enumerated(sets: AssignmentSets, one: int) -> Assignments:
    """Return all assignments of a set."""
    cubes = list(sets.list_cubes(one))
    each = [frozenset(product(*(cube.get(path, values) for path, values in VALUES.items()))) for cube in cubes]
    assert sum(map(len, each)) == len(frozenset[tuple[object, ...]]().union(*each)), "cubes overlap"
    return frozenset[tuple[object, ...]]().union(*each)


@pytest.mark.parametrize("seed", range(50))
def test_operations_are_those_of_sets(seed: int) -> None:
    random, sets = Random(seed), AssignmentSets()
    one, two = drawn(sets, random), drawn(sets, random)
    first, second = enumerated(sets, one), enumerated(sets, two)

    assert enumerated(sets, sets.intersect(one, two)) == first & second
    assert enumerated(sets, sets.unite(one, two)) == first | second
    assert (one == two) is (first == second)
    assert (one == ALL) is (first == ASSIGNMENTS)
    for place, (path, values) in enumerate(VALUES.items()):
        left = sets.list_values(one, sets.find_variable(path, values))
        assert [values[index] for index in left] == [value for value in values if value in {x[place] for x in first}]


@pytest.mark.parametrize("seed", range(20))
def test_a_set_names_the_variables_on_which_it_depends(seed: int) -> None:
    sets = AssignmentSets()
    one = drawn(sets, Random(seed))
    members = enumerated(sets, one)

    def depends(place: int, values: tuple[object, ...]) -> bool:
        return any(
            ((*each[:place], value, *each[place + 1 :]) in members) is not (each in members)
            for each in ASSIGNMENTS
            for value in values
        )

    assert sets.list_variables(one) == {
        path for place, (path, values) in enumerate(VALUES.items()) if depends(place, values)
    }
