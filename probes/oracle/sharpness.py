"""How sharp an expectation is: the number of possible results, and the unknown facts that would reduce it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.unknown_facts import name_fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.oracle.expectation import Alternative, Assumption, Expectation


def count_results(expectation: Expectation) -> int:
    """Return how many results are possible: 1 if the expectation is sharp, 0 if nothing can be expected."""
    return len(expectation.possible) if expectation.paths else 0


def sharpening_facts(expectation: Expectation) -> tuple[str, ...]:
    """Return the unknown facts of which at least one value leaves fewer results possible, in alphabetical order."""
    alternatives = expectation.alternatives
    read = {path for one in alternatives for assumption in one.assumptions for path, _ in assumption}
    return tuple(sorted({name_fact(path) for path in read if _sharpens(path, alternatives)}))


def _sharpens(path: str, alternatives: Sequence[Alternative]) -> bool:
    values = {
        value for one in alternatives for assumption in one.assumptions for value in dict(assumption).get(path, ())
    }
    return any(_count_left(path, value, alternatives) < len(alternatives) for value in values)


def _count_left(path: str, value: object, alternatives: Sequence[Alternative]) -> int:
    """Return how many alternatives remain if a fact has this value."""
    return sum(any(_allows(one, path, value) for one in found.assumptions) for found in alternatives)


def _allows(assumption: Assumption, path: str, value: object) -> bool:
    return all(value in values for name, values in assumption if name == path)
