"""Predict a cell for every choice of the unknown facts that its rules read, and join the results. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from probes.oracle.assignments import NONE
from probes.oracle.expectation import Alternative, Expectation, Path
from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.unknown_facts import TooManyChoicesError, list_facts, name_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probes.oracle.assignments import AssignmentSets
    from probes.oracle.expectation import Assumption
    from probes.oracle.unknown_facts import FactChoices

T = TypeVar("T")
DIGITS = 9  # of a share, when two results are compared


def fork(choices: FactChoices, run: Callable[[], T]) -> list[tuple[T, int]]:
    """Return the results of `run` for all values of the unknown facts that it reads, with the values of each.

    A choice that no kube-proxy can have, such as nftables mode in 1.20, is left out.

    Raises:
        UnsupportedMode: No choice is left.
        TooManyChoicesError: There are too many choices.

    """
    choices.parts.clear()
    found: list[tuple[T, int]] = []
    impossible: UnsupportedMode | None = None
    for result, left in choices.fork(run):
        if isinstance(result, UnsupportedMode):
            impossible = result
        elif isinstance(result, Exception):
            raise result
        else:
            found.append((result, left))
    if not found and impossible:
        raise impossible
    return found


def predict_alternatives(choices: FactChoices, run: Callable[[], Expectation]) -> Expectation:
    """Return the expectation of a cell whose facts are partly unknown."""
    try:
        return join_alternatives(choices.sets, fork(choices, run))
    except TooManyChoicesError as error:
        return Expectation((), (), str(error))


def join_alternatives(sets: AssignmentSets, found: Iterable[tuple[Expectation, int]]) -> Expectation:
    """Return one expectation: the result if all choices lead to the same one, else one with alternatives."""
    results: dict[object, Expectation] = {}
    values: dict[object, int] = {}
    for one, left in found:
        key = identify_result(one)
        known = results.setdefault(key, one)
        results[key] = replace(known, rules=_join(known.rules, one.rules))
        values[key] = sets.unite(values.get(key, NONE), left)
    if len(results) == 1:
        return next(iter(results.values()))
    return _unite([Alternative(one, _list_assumptions(sets, values[key])) for key, one in results.items()])


def _list_assumptions(sets: AssignmentSets, values: int) -> tuple[Assumption, ...]:
    return tuple(tuple(sorted(cube.items())) for cube in sets.list_cubes(values))


def _unite(made: Sequence[Alternative]) -> Expectation:
    possible = [one.expectation for one in made]
    paths = merge_paths(replace(path, share=path.share / len(possible)) for one in possible for path in one.paths)
    rules = _join(*(one.rules for one in possible))
    named = name_facts(deciding_facts(made))
    because = f"{len(made)} results are possible, with {named}; one of them: {possible[0].because}"
    return Expectation(paths, rules, because, *_join_affinity(possible), tuple(made))


def _join_affinity(possible: Sequence[Expectation]) -> tuple[bool, float]:
    """Return the values of `sticky` and `sticky_per_node` that hold for all results."""
    if all(one.sticky for one in possible):
        return True, 0.0
    depend = not any(one.independent for one in possible)
    return False, max(one.sticky_per_node for one in possible) if depend else 0.0


def deciding_facts(alternatives: Iterable[Alternative]) -> list[str]:
    """Return the unknown facts that the assumptions of these alternatives name."""
    return list_facts(path for one in alternatives for assumption in one.assumptions for path, _ in assumption)


def identify_result(one: Expectation) -> object:
    """Return what an observation can distinguish."""
    ways = frozenset(
        (path.outcome, path.sources, path.backend, path.by_icmp, round(path.share, DIGITS)) for path in one.paths
    )
    return ways, one.sticky, round(one.sticky_per_node, DIGITS)


def _join(*rules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for some in rules for rule in some))


def merge_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Merge paths with the same observable result and add their shares."""
    merged: dict[tuple[object, ...], Path] = {}
    for path in paths:
        key = (path.outcome, path.sources, path.backend, path.by_icmp)
        known = merged.get(key)
        rules = tuple(dict.fromkeys((*known.rules, *path.rules))) if known else path.rules
        merged[key] = replace(path, share=path.share + (known.share if known else 0), rules=rules)
    return tuple(merged.values())
