"""What is derived once for a run or a cell stays derived once, however many cells, facets, tests and pages use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.judging import compare
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet
from probes.oracle import address_names
from probes.oracle.predict import expect
from probes.plan.plan import plan
from probes.vendor_claims import load as vendors
from reports.analysis import claim_evidence
from reports.analysis.counts import classify_omissions
from reports.html import run as run_page
from reports.records import build
from reports.records.prediction import Prediction
from reports.records.run import DeclaredTopology, OmittedCell, Run
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

    Calls = Callable[[object, str], list[None]]

SMALL = load("lab-small")
CELLS = list(plan(SMALL).cells)[:40]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    def count(module: object, name: str) -> list[None]:
        made: list[None] = []
        real = getattr(module, name)

        def counted(*given: Any) -> Any:
            made.append(None)
            return real(*given)

        monkeypatch.setattr(module, name, counted)
        return made

    return count


def judge() -> Judge:
    answers = session.simulate(SMALL, CELLS, lambda cell, known: expect(SMALL, known, cell))
    return Judge.over(SMALL, answers, CELLS)


def test_the_owners_of_addresses_are_found_once_a_run(calls: Calls) -> None:
    naming = calls(address_names, "_known")

    records = list(build.records(judge(), CELLS))
    assert {seen.name for record in records for seen in record.observed.sources} > {"kept"}
    assert len(naming) == 1
    Prediction.of(SMALL)
    assert len(naming) == 2


def test_a_cells_account_is_written_once_for_all_facets_and_tests(calls: Calls) -> None:
    accounts, names = calls(compare, "list_account"), calls(compare, "with_names")
    judging = judge()

    list(build.records(judging, CELLS))
    for cell in CELLS:
        verdicts = [judging(cell, facet) for facet in (*Facet, None)]
        assert len({id(verdict.account) for verdict in verdicts}) == 1
    assert len(accounts) == len(CELLS)
    assert len(names) == len(CELLS)


def test_a_runs_topology_is_validated_once_a_page_of_claims(calls: Calls) -> None:
    run = Run(topology=DeclaredTopology.of(SMALL), started="2026-01-01T00:00:00Z")
    validated = calls(claim_evidence, "_topology")

    claim_evidence.collect_evidence(vendors.load("cce"), [run])
    assert len(validated) == 1


def large(nodes: int) -> Run:
    names = [f"n{number}" for number in range(nodes)]
    omissions = [
        OmittedCell(cell=f"pod-{name}-to-web.nodeport.{other}-v4-tcp", reason=f"{name} is as {other}, which is asked")
        for name, other in zip(names, reversed(names), strict=True)
    ]
    omissions.append(OmittedCell(cell="x", reason="127.0.0.1 is the client's own here"))
    declared = {"nodes": [{"name": name} for name in names]}
    topology = DeclaredTopology(name="large", declared=declared)
    return Run(topology=topology, started="2026-01-01T00:00:00Z", omissions=omissions)


def test_omissions_are_counted_by_class_and_not_listed_one_by_one() -> None:
    run = large(1000)
    first, second = classify_omissions(run.omissions, run.topology.declared)

    assert (first.reason, first.count) == ("… is as …, which is asked", 1000)
    assert first.example == "pod-n0-to-web.nodeport.n999-v4-tcp"
    assert (second.reason, second.count) == ("127.0.0.1 is the client's own here", 1)
    assert abs(len(run_page.render(run)) - len(run_page.render(large(10)))) < 100


@pytest.mark.parametrize("declared", [{}, {"nodes": "n1"}, {"nodes": [7, {"name": ""}]}])
def test_omissions_of_a_topology_that_cannot_be_read_are_counted_as_they_are(declared: dict[str, Any]) -> None:
    (one,) = classify_omissions([OmittedCell(cell="x", reason="n1 is as n2")], declared)

    assert one.reason == "n1 is as n2"
