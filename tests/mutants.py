"""`python -m tests.mutants` inverts every rule of the oracle, one at a time. The suites must detect each mutation.

The correct oracle simulates the results. The suites' own test functions run with a judge that uses the mutated oracle.
Prints each rule with the topology and the first test that failed. Exits with 1 if a mutation was not detected.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import suites
from probes import session
from probes.judging.run_judge import Judge
from probes.judging.suite import items, tests_of
from probes.oracle.mutation import mutations
from probes.oracle.predict import model_cluster, predict
from tests.unit.probes.oracle.variants import Variant, variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.judging.suite import SuiteTest
    from probes.plan.cell import Cell

ENOUGH = 60


@dataclass(frozen=True)
class SimulatedSuite:
    """A topology, simulated results of some cells, and every (test, cell) that the suites run on them."""

    name: str
    judge: Judge
    items: tuple[tuple[SuiteTest, Cell], ...]

    def first_failure(self) -> str:
        """Return the first item that fails as `test[cell]`, or an empty string.

        Clears what the judge keeps of each cell, which belongs to the previous mutation.
        """
        for kept in (self.judge.derived, self.judge.judged, self.judge.verdicts):
            kept.clear()
        for test, cell in self.items:
            try:
                test.run(cell, self.judge)
            except AssertionError:
                return f"{test.name}[{cell.id}]"
        return ""


def world(variant: Variant, cells: Iterable[Cell]) -> SimulatedSuite:
    """Return the world of a variant: simulated results of these cells, and the items of the suites on them."""
    there, asked = variant.topology, tuple(cells)
    model = model_cluster(there, variant.snapshot)
    answers = session.simulate(there, asked, lambda cell, _: predict(model, cell), variant.snapshot)
    judged = tuple(items(tests_of(suites), asked, there))
    return SimulatedSuite(variant.name, Judge.over(there, answers, asked), judged)


def deciding_cells(variant: Variant, among: set[str]) -> dict[str, list[Cell]]:
    """Return for each of these rules the first cells of the variant in which it decides."""
    places: dict[str, list[Cell]] = defaultdict(list)
    model = model_cluster(variant.topology, variant.snapshot)
    for cell in variant.cells:
        with mutations.collect_deciding_rules() as names:
            predict(model, cell)
        for name in names & among:
            if len(places[name]) < ENOUGH:
                places[name].append(cell)
    return places


def detect_mutations() -> Iterator[tuple[str, str]]:
    """Yield each detected mutation: the rule, and the topology and test that detect it."""
    pending = {mutation.rule: mutation for mutation in mutations.list_mutations()}
    for variant in variants():
        places = deciding_cells(variant, set(pending)) if pending else {}
        there = world(variant, {cell.id: cell for cells in places.values() for cell in cells}.values())
        for rule in places:
            with mutations.apply_mutation(pending[rule]):
                failure = there.first_failure()
            if failure:
                del pending[rule]
                yield rule, f"{there.name}: {failure}"


def main() -> int:
    """Print what detects each mutation. Return 1 if one is not detected."""
    found = {}
    for rule, where in detect_mutations():
        found[rule] = where
        sys.stdout.write(f"{rule:<8} {where}\n")
        sys.stdout.flush()
    missed = [mutation.rule for mutation in mutations.list_mutations() if mutation.rule not in found]
    for rule in missed:
        sys.stdout.write(f"{rule:<8} NOT NOTICED\n")
    sys.stdout.write(f"{len(found)} of {len(mutations.list_mutations())} flipped rules noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
