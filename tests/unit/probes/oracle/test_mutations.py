"""Every rule decides somewhere in the standard matrix, and its mutation changes the expectation there."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import pytest

from probes.oracle.catalogue import CATALOGUE
from probes.oracle.mutation import mutations
from probes.oracle.predict import expect, model_cluster, predict
from tests.unit.probes.oracle.variants import Variant, variants

if TYPE_CHECKING:
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell

Places = dict[str, list[tuple[Variant, "Cell", "Expectation"]]]
ENOUGH = 400


@cache
def deciding_cells() -> Places:
    """Return for each rule the cells in which it decides, with their expectations."""
    places: Places = defaultdict(list)
    for variant in variants():
        model = model_cluster(variant.topology, variant.snapshot)
        for cell in variant.cells:
            with mutations.collect_deciding_rules() as names:
                expectation = predict(model, cell)
            for name in names:
                if len(places[name]) < ENOUGH:
                    places[name].append((variant, cell, expectation))
    return places


def observable(expectation: Expectation) -> set[object]:
    """Return the observable part of an expectation: the paths, without rules and text, and session affinity."""
    return {(path.outcome, path.sources, path.backend) for path in expectation.paths} | {expectation.sticky}


@pytest.mark.slow
@pytest.mark.parametrize("mutation", mutations.list_mutations(), ids=str)
def test_a_flipped_rule_changes_an_expectation(mutation: mutations.Mutation) -> None:
    places = deciding_cells()[mutation.rule]
    assert places, f"{mutation.rule} never decides"
    for variant, cell, before in places:
        with mutations.apply_mutation(mutation):
            after = expect(variant.topology, variant.snapshot, cell)
        if observable(after) != observable(before):
            return
    pytest.fail(f"{mutation.rule} flipped changes none of {len(places)} cells")


def test_there_is_one_mutation_for_each_rule() -> None:
    assert [mutation.rule for mutation in mutations.list_mutations()] == [rule.id for rule in CATALOGUE]


def test_a_mutation_ends_with_its_context() -> None:
    variant = variants()[0]
    cell = variant.cells[0]
    before = expect(variant.topology, variant.snapshot, cell)
    with mutations.apply_mutation(mutations.Mutation("R2.1")):
        assert expect(variant.topology, variant.snapshot, cell) != before
    assert expect(variant.topology, variant.snapshot, cell) == before
