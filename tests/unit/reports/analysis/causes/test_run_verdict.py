"""The headline of a run is its verdict, with what the cells have in common and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result
from reports.analysis.causes.run_verdict import RunVerdict
from reports.records.schema import ChangedFact, StoredExplanation
from tests.unit.support.broken_cluster import run_of

if TYPE_CHECKING:
    from reports.records.run import Run

WHY = "source not masqueraded, no answer, unexpected answer, source not preserved"


@pytest.mark.parametrize(
    ("fault", "headline"),
    [
        ("none", "PASS: 618 of 618 cells"),
        ("cni-masquerade", f"FAIL: 65 of 618 cells, all asked from n1: {WHY}"),
        ("proxy", "FAIL: 50 of 618 cells, 46 of 50 at NodePorts of n2: no answer"),
        ("host-down", "INCONCLUSIVE: 54 of 618 cells, all asked from ext-e1: SSH to ext-e1: connection refused"),
    ],
)
def test_the_headline(fault: str, headline: str) -> None:
    assert RunVerdict.of(run_of(fault)).headline == headline


def with_explanation(run: Run) -> Run:
    cells = tuple(record.cell.id for record in run.records if record.verdict is Result.FAIL)
    change = ChangedFact(path="nodes.n1.cni.masquerade", value="none", was="flannel")
    one = StoredExplanation(text="n1 does not masquerade.", certain=True, changes=(change,), explained=cells)
    return run.model_copy(update={"explanations": (one,)})


def test_an_explanation_is_the_reason() -> None:
    verdict = RunVerdict.of(with_explanation(run_of("cni-masquerade")))

    assert verdict.headline == "FAIL: 65 of 618 cells, all asked from n1: nodes.n1.cni.masquerade is none"


def test_failures_outweigh_cells_that_could_not_be_probed() -> None:
    fails, silent = run_of("policy"), {one.cell.id: one for one in run_of("host-down").records}
    both = fails.model_copy(
        update={
            "records": tuple(
                silent[record.cell.id] if record.cell.vantage == "ext-e1" else record for record in fails.records
            )
        }
    )
    verdict = RunVerdict.of(both)

    assert verdict.headline.startswith("FAIL: 25 of 618 cells, all of Service web-np-local")
    assert verdict.total == "618 cells: 25 fail, 54 inconclusive, 539 pass"


def test_a_run_that_did_not_finish_has_not_passed() -> None:
    run = run_of("none")
    cut = run.model_copy(update={"records": run.records[:100], "complete": False})

    assert RunVerdict.of(cut).result is Result.INCONCLUSIVE
    assert RunVerdict.of(cut).headline == "INCONCLUSIVE: the run did not finish, 518 of 618 cells have no result"


def test_one_cell_that_fails_is_named_by_its_own_headline() -> None:
    run = run_of("cni-masquerade")
    passed = [record for record in run.records if record.verdict is Result.PASS]
    failed = next(record for record in run.records if record.cell.id == "pod-n1-to-host.clusterip-v4-tcp")
    verdict = RunVerdict.of(run.model_copy(update={"records": (*passed, failed)}))

    assert verdict.share == "1 of 554 cells"
    assert verdict.why == "host-a saw 10.244.1.11 (kept), not 198.18.1.11 (primary of n1)"
