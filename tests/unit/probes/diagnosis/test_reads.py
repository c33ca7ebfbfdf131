"""A change that no read of a cell's prediction concerns cannot change the prediction."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.change import PLAIN
from probes.diagnosis.hypothesis import ChangedJudge, prediction_key
from probes.diagnosis.search import IMPOSSIBLE, Search
from probes.diagnosis.time_budget import TimeBudget
from probes.judging.run_judge import Judge
from tests.unit.probes.diagnosis.injected import Injected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.hypothesis import Changes
    from probes.plan.cell import Cell

SAMPLE = 8  # unaffected cells per change that are predicted anew


def differs(search: Search, change: ClusterChange, cells: list[Cell]) -> list[str]:
    """The cells whose prediction the change does change."""
    try:
        judge = ChangedJudge.under(search.judge, (change,), None)
        return [
            f"{change.path}={change.value}: {cell.id}"
            for cell in cells
            if prediction_key(judge.expectation(cell)) != prediction_key(search.judge.expectation(cell))
        ]
    except IMPOSSIBLE:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lab-flannel", "lab-tunnel", "lab-ipvs-flannel", "lab-eni", "lab-balancer"])
def test_a_change_of_what_is_not_read_changes_no_prediction(name: str) -> None:
    judge, cells = Injected("nothing", name).run()
    search = Search(Judge.over(judge.topology, judge.answers, cells), cells, TimeBudget(600.0))
    changes = list_candidates(search.judge.topology, [search.reads(cell) for cell in cells])
    pick = random.Random(11)

    found = []
    for change in changes:
        unaffected = [cell for cell in cells if not change.may_affect(search.reads(cell))]
        found += differs(search, change, pick.sample(unaffected, min(SAMPLE, len(unaffected))))

    assert len(changes) > 100
    assert not found, found[:20]


def list_pairs(search: Search, pick: random.Random, count: int) -> list[Changes]:
    """Return pairs of changes at random, at least one of which is no changed rule."""
    changes = list_candidates(search.judge.topology, [search.reads(cell) for cell in search.cells])
    plain = [one for one in changes if one.size == PLAIN]
    return [(pick.choice(plain), pick.choice(changes)) for _ in range(count)]


def differs_anew(search: Search, changes: Changes, cells: Sequence[Cell]) -> list[str]:
    """Return the cells that a pair's hypothesis predicts in another way than a judge that predicts them anew."""
    try:
        anew = ChangedJudge.under(search.judge, changes, None)
        known = search.suppose(changes).judge
        return [
            f"{[change.text for change in changes]}: {cell.id}"
            for cell in cells
            if prediction_key(known.expectation(cell)) != prediction_key(anew.expectation(cell))
        ]
    except IMPOSSIBLE:
        return []


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("lab-small", 40),
        *(
            pytest.param(name, 400, marks=pytest.mark.slow)
            for name in ("lab-flannel", "lab-tunnel", "lab-ipvs-flannel")
        ),
    ],
)
def test_a_pair_predicts_what_it_would_without_the_predictions_of_its_changes(name: str, count: int) -> None:
    judge, cells = Injected("nothing", name).run()
    search = Search(Judge.over(judge.topology, judge.answers, cells), cells, TimeBudget(600.0))
    pick = random.Random(5)

    found = [
        line
        for changes in list_pairs(search, pick, count)
        for line in differs_anew(search, changes, pick.sample(cells, 3 * SAMPLE))
    ]

    assert not found, found[:20]
