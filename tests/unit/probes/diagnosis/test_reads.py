"""A change that no read of a cell's prediction concerns cannot change the prediction."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.hypothesis import ChangedJudge, prediction_key
from probes.diagnosis.search import IMPOSSIBLE, Search
from probes.diagnosis.time_budget import TimeBudget
from probes.judging.run_judge import Judge
from tests.unit.probes.diagnosis.injected import Injected

if TYPE_CHECKING:
    from probes.diagnosis.change import ClusterChange
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
