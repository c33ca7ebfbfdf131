"""`python -m tests.mutants`: flip every rule of the oracle, one at a time; the suite must notice each.

The world is simulated by the true oracle, the suites' own test functions are called with a judge that uses the flipped
one. Prints each rule with the topology and the first test that failed; exits 1 if a flip went unnoticed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import suites
from probes import session
from probes.judging import Judge
from probes.oracle import mutations
from probes.oracle.oracle import expect
from probes.selection import select
from tests.unit.oracle.variants import Variant, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from probes.cell import Cell

Test = tuple[str, "Callable[..., None]", dict[str, Any]]


@dataclass(frozen=True)
class World:
    """A topology, its simulated answers, and every (test, cell) the suites would run on it."""

    name: str
    judge: Judge
    items: tuple[tuple[Test, Cell], ...]
    spoken: frozenset[str]

    def first_failure(self) -> str:
        """The first item that fails as `test[cell]`, or an empty string."""
        for (name, function, _), cell in self.items:
            try:
                function(cell, self.judge)
            except AssertionError:
                return f"{name}[{cell.id}]"
        return ""


@cache
def tests() -> tuple[Test, ...]:
    """Every test of the suites with its selectors."""
    found = []
    for module in pkgutil.iter_modules(suites.__path__):
        for name, function in inspect.getmembers(importlib.import_module(f"suites.{module.name}"), inspect.isfunction):
            marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "cells"]
            found.extend((name, function, mark.kwargs) for mark in marks)
    return tuple(found)


def worlds() -> tuple[World, ...]:
    """Every variant the oracle's own tests know, doing exactly what the true rules say."""
    return tuple(world(variant) for variant in variants())


def world(variant: Variant) -> World:
    """The world of a variant: its answers, the items of the suites on it, and the rules that speak there."""
    there, cells = variant.topology, variant.cells
    with mutations.heard() as spoken:
        answers = session.simulate(there, cells, lambda cell, known: expect(there, known, cell), variant.snapshot)
    items = tuple((test, cell) for test in tests() for cell in select(cells, there, test[2]))
    return World(variant.name, Judge.over(there, answers, cells), items, frozenset(spoken))


def noticed(mutation: mutations.Mutation, among: Iterable[World]) -> str:
    """Where the suite notices the flip: `topology: test[cell]`, or an empty string."""
    for there in among:
        if mutation.rule in there.spoken:
            with mutations.applied(mutation):
                if failure := there.first_failure():
                    return f"{there.name}: {failure}"
    return ""


def main() -> int:
    """Print what notices each flip; 1 if anything went unnoticed."""
    missed, there = [], worlds()
    for mutation in mutations.all():
        where = noticed(mutation, there)
        missed += [] if where else [mutation.rule]
        sys.stdout.write(f"{mutation.rule:<8} {where or 'NOT NOTICED'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(mutations.all()) - len(missed)} of {len(mutations.all())} flipped rules noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
