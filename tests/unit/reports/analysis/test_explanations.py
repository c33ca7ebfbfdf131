"""A run stores what explains its failed cells; a search that fails costs the run nothing."""

from __future__ import annotations

from typing import Any

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.analysis.explanations import add_explanations
from reports.records import build
from reports.records.run import DeclaredTopology, Run
from topologies.loading import overrides
from topologies.loading.load import load, raw

WRONG = {"load_balancer.listens": False}


def run_of(changes: dict[str, Any], **keys: Any) -> Run:
    cluster, declared = load("lab-small"), overrides.declared("lab-small", changes)
    cells = plan(declared).cells
    answers = session.simulate(cluster, cells, lambda cell, known: expect(cluster, known, cell))
    stored = {
        "topology": DeclaredTopology.of(declared),
        "raw_topology": overrides.apply(raw("lab-small")[0], changes),
        "started": "2026-11-26T01:33:00Z",
        "snapshot": answers.snapshot,
        "records": tuple(build.records(Judge.over(declared, answers, cells), cells)),
    }
    return Run(**{**stored, **keys})


def test_a_run_with_failed_cells_stores_what_explains_them() -> None:
    run = add_explanations(run_of(WRONG))

    (found,) = run.explanations
    assert found.certain
    assert found.text.endswith("red cells are as expected if `load_balancer.listens` is true; no other cell changes.")
    assert len(found.explained) == found.red > 0
    assert Run.model_validate_json(run.model_dump_json()).explanations == run.explanations


def test_a_run_without_failed_cells_stores_none() -> None:
    run = run_of({})

    assert add_explanations(run) == run


@pytest.mark.parametrize("keys", [{"snapshot": None}, {"raw_topology": {"name": "x"}}])
def test_a_search_that_fails_is_a_note(keys: Any) -> None:
    run = add_explanations(run_of(WRONG, **keys))

    assert run.explanations == ()
    assert run.notes[-1].startswith("the failed cells were not explained: ")
    assert "\n" not in run.notes[-1]
