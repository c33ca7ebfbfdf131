"""`hairpin judge`: a stored run judged anew, under its own or a mended declaration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from hairpin.main import main
from probes import session
from probes.judging.run_judge import Judge
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.records import build, journal
from reports.records.rejudge import StoredAnswers, observations, own_topology
from reports.records.run import DeclaredTopology, Run
from topologies.loading import overrides
from topologies.loading.load import load, raw

if TYPE_CHECKING:
    from pathlib import Path

NAME = "lab-small"
TRUE, DECLARED = load(NAME), overrides.declared(NAME, {"load_balancer.listens": False})


def run_of(changes: dict[str, Any]) -> Run:
    """A run of lab-small whose declaration differs from the cluster by these overrides."""
    contents = overrides.apply(raw(NAME)[0], changes)
    declared = overrides.declared(NAME, changes)
    cells = plan(declared).cells
    answers = session.simulate(TRUE, cells, lambda cell, known: expect(TRUE, known, cell))
    judge = Judge.over(declared, answers, cells)
    return Run(
        topology=DeclaredTopology.of(declared),
        raw_topology=contents,
        started="2026-11-26T01:33:00Z",
        plan=[cell.id for cell in cells],
        snapshot=answers.snapshot,
        records=tuple(build.records(judge, cells)),
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run in which `load_balancer.listens` was declared wrong."""
    (tmp_path / "run").mkdir()
    journal.save(run_of({"load_balancer.listens": False}), tmp_path / "run")
    return tmp_path / "run"


def edit(stored: Path, **keys: Any) -> None:
    path = stored / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["judge", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


def test_a_run_judged_under_its_own_declaration_has_the_same_verdicts(stored: Path, capsys: Any) -> None:
    before = journal.load(stored)

    assert main(["judge", str(stored), "--format=json"]) == 1
    after = Run.model_validate_json(capsys.readouterr().out)

    assert [record.verdict for record in after.records] == [record.verdict for record in before.records]
    assert after.records == before.records


def test_what_explains_the_cells_that_stay_red_leads(stored: Path, capsys: Any) -> None:
    assert main(["judge", str(stored)]) == 1
    printed = capsys.readouterr().out
    headline, explanation, *_ = (" ".join(part.split()) for part in printed[printed.index("FAIL: ") :].split("\n\n"))

    assert headline.endswith(": load_balancer.listens is true")
    assert explanation.startswith("certain 42 of 42 red cells are as expected if load_balancer.listens is true; ")
    assert main(["judge", str(stored), "--only", "pod-n1", "-o", str(stored / "judged.html")]) == 1
    assert "load_balancer.listens is true" in (stored / "judged.html").read_text(encoding="utf-8")


def test_a_mended_declaration_makes_the_run_pass(stored: Path, capsys: Any) -> None:
    assert main(["judge", str(stored), "--with", "load_balancer.listens=true"]) == 0
    assert main(["judge", str(stored), NAME, "--format=json"]) == 0

    out = capsys.readouterr().out
    assert own_topology(Run.model_validate_json(out[out.index("\n{") :])).load_balancer.listens


def test_an_observation_survives_the_file() -> None:
    cell = plan(TRUE).cells[0]
    attempts = (
        Attempt(Outcome.TIMEOUT, seconds=2.0, lost=True, loaded=True, scout=True),
        Attempt(Outcome.OK, TRUE.nodes[0].address, "web-a", 0.5, local="198.18.1.11:40000", loaded=True),
    )
    seen = Observation(cell.id, "10.96.0.50:80", attempts, sure=True, load="p90 1.9 s")
    answers = session.simulate(TRUE, [cell], lambda cell, known: expect(TRUE, known, cell))
    judge = Judge.over(TRUE, replace(answers, observations={cell.id: seen}), [cell])
    run = Run(topology=DeclaredTopology.of(TRUE), started="2026-11-26T01:33:00Z", records=build.records(judge, [cell]))

    read = Run.model_validate_json(run.model_dump_json())

    assert observations(read) == {cell.id: seen}


def test_the_topology_of_another_cluster_is_refused(stored: Path, capsys: Any) -> None:
    told = refused(capsys, str(stored), "example-kubeadm")

    assert "cannot be judged under topology example-kubeadm: got " in told
    assert f"want the topology of the cluster that the run asked, {NAME}" in told


def test_a_cell_that_was_asked_at_another_address_is_inconclusive(stored: Path) -> None:
    run = journal.load(stored)
    moved = overrides.declared(NAME, {"nodes.n2.address": "198.18.1.99"})

    answers = StoredAnswers.of(run, moved)

    cell = next(cell for cell in answers.cells if cell.frontend.node == "n2")
    assert "asked at 198.18.1.12:" in answers.judge.observation(cell).trouble


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"snapshot": None, "schema_version": "1"}, "snapshot: got none (schema 1), want the state of the cluster"),
        ({"records": []}, "records: got none, want at least one cell"),
        ({"raw_topology": {"name": "x"}}, "kubernetes"),
        ({"snapshot": {"pods": "none", "services": {}}}, "snapshot.pods: got 'none', want an object"),
        ({"schema_version": "3"}, "made by a newer hairpin"),
    ],
)
def test_a_run_that_lacks_something_is_one_clear_error(stored: Path, capsys: Any, keys: Any, wanted: str) -> None:
    edit(stored, **keys)

    assert wanted in refused(capsys, str(stored))


def test_a_broken_run_is_one_clear_error(stored: Path, capsys: Any) -> None:
    (stored / "run.json").write_text("{")

    assert "is not a readable run: got text that is not JSON" in refused(capsys, str(stored))
    assert "is not a readable run: got no file" in refused(capsys, str(stored / "nowhere"))


def test_a_bad_override_is_one_clear_error(stored: Path, capsys: Any) -> None:
    assert "load_balancer.listens: got 'maybe', want true or false" in refused(
        capsys, str(stored), "--with", "listens=maybe"
    )
    assert "leaves none of the" in refused(capsys, str(stored), "--only", "nothing-like-that")


def test_a_run_of_schema_1_is_judged_by_its_whole_declaration(stored: Path) -> None:
    edit(stored, raw_topology={})

    assert own_topology(journal.load(stored)) == DECLARED
