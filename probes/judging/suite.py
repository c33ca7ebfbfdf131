"""The tests of a suite and the cells that each of them judges: a pure function of the topology.

A test with `expects` takes every cell that its selectors name. A test without it judges by the rules alone: it takes
what its selectors name, except the cells that a test with `expects` of the same package judges in the same facet.
"""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from probes.judging.promise import Promise
from probes.judging.verdict import Facet, Result
from probes.plan.selection import select, select_promised
from topologies.common.errors import HairpinError
from topologies.schema.enums import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType

    from probes.judging.run_judge import Judge
    from probes.judging.verdict import Verdict
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

MARK = "cells"
DEVIATION = "deviation"  # the only rule of an expectation that a declared deviation makes


class MarkerError(HairpinError, ValueError):
    """A `@pytest.mark.cells` has no facet."""


@dataclass(frozen=True)
class SuiteTest:
    """A test function with its marker. `promise` is None if the test judges by the rules alone."""

    name: str
    function: Callable[..., None]
    facet: Facet
    selectors: Mapping[str, object]
    promise: Promise | None = None

    @classmethod
    def of(cls, function: Callable[..., None]) -> SuiteTest | None:
        """Read the function's marker; None if it has none.

        Raises:
            MarkerError: the marker's only positional argument is not a Facet.
            PromiseError: `expects` cannot be read.

        """
        mark = next((mark for mark in getattr(function, "pytestmark", ()) if mark.name == MARK), None)
        if mark is None:
            return None
        if len(mark.args) != 1 or not isinstance(mark.args[0], Facet):
            message = f"@pytest.mark.cells: got {mark.args}, want one Facet before the selectors"
            raise MarkerError(message)
        selectors = dict(mark.kwargs)
        expects = selectors.pop("expects", None)
        promise = None if expects is None else Promise.parse(str(expects))
        return cls(function.__name__, function, mark.args[0], selectors, promise)

    def run(self, cell: Cell, judge: Callable[[Cell, Facet], Verdict]) -> None:
        """Call the test with a judge that may judge one facet per call.

        Raises:
            AssertionError: the cell's verdict is not a pass.

        """
        self.function(cell, lambda one, facet=None: judge(one, facet or self.facet))


def hold(promise: Promise, verdict: Verdict, cell: Cell, judge: Judge) -> Verdict:
    """Return the verdict on a promised cell, held against the expectation that it was made from.

    If the declared topology differs from the promise, the rules alone decide and the account mentions it. A declared
    deviation stands. The live cluster cannot differ here: expectations come from the declared workload, and what the
    cluster lacks of it has made the verdict inconclusive already.
    """
    expectation, topology = judge.expectation(cell), judge.topology
    if verdict.result is Result.INCONCLUSIVE or DEVIATION in expectation.rules:
        return verdict
    differs = promise.contradiction(expectation, cell, topology, judge.answers.snapshot)
    if not differs:
        return verdict
    line = ("promise", f"does not apply to this topology ({differs}): judged by the rules of its mode alone")
    return replace(verdict, account=(line, *verdict.account))


def tests_of(package: ModuleType) -> tuple[SuiteTest, ...]:
    """Return every test of a package's modules that has the marker, in the order of modules and names."""
    return _tests(package.__name__, tuple(package.__path__))


@cache
def _tests(name: str, path: tuple[str, ...]) -> tuple[SuiteTest, ...]:
    modules = [import_module(f"{name}.{module.name}") for module in pkgutil.iter_modules(path)]
    functions: list[Any] = [one for module in modules for _, one in inspect.getmembers(module, inspect.isfunction)]
    return tuple(test for function in functions if (test := SuiteTest.of(function)))


def cells_of(test: SuiteTest, tests: Iterable[SuiteTest], cells: Iterable[Cell], topology: Topology) -> list[Cell]:
    """Return the cells that `test` judges, one of the `tests` of its package.

    Raises:
        SelectionError: a selector is misspelt.

    """
    if test.promise:
        return _promised(test, cells, topology)
    chosen = select(cells, topology, test.selectors)
    taken = {
        cell.id
        for other in tests
        if other.promise and other.facet is test.facet
        for cell in _promised(other, chosen, topology)
    }
    return [cell for cell in chosen if cell.id not in taken]


def _promised(test: SuiteTest, cells: Iterable[Cell], topology: Topology) -> list[Cell]:
    """Return the cells that a promise is about: none if a node's firewall drops what the network sends it."""
    chosen = select_promised(cells, topology, test.selectors)
    return [] if drops_by_policy(topology) else chosen


def drops_by_policy(topology: Topology) -> bool:
    """Return whether a node's chain FORWARD or INPUT drops by policy. The rules alone then judge every cell."""
    nodes = (topology.cni_of(node.name) for node in topology.nodes)
    return any(Policy.DROP in {cni.forward_policy, cni.input_policy} for cni in nodes)


def items(tests: tuple[SuiteTest, ...], cells: Iterable[Cell], topology: Topology) -> Iterator[tuple[SuiteTest, Cell]]:
    """Yield every pair of a test and a cell that it judges."""
    planned = list(cells)
    for test in tests:
        for cell in cells_of(test, tests, planned, topology):
            yield test, cell
