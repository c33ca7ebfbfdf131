"""What a stored run has of its scenarios: read from the engine's file, in `run.json`, and after a kill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import ContractResult
from probes.scenarios.results import FILE_NAME, read_results, write_results
from reports.records import journal
from reports.records.reading import read_run, read_scenarios
from reports.records.run import Run
from tests.unit.support import worlds
from tests.unit.support.conformance_runs import finished_run
from tests.unit.support.scenario_runs import affinity, kept, skipped, stored, unfinished

if TYPE_CHECKING:
    from pathlib import Path

EVERY = (affinity(predicted="broken", rules=("R4.3",)), kept(), skipped(), unfinished())


def test_every_value_of_the_engines_file_is_read(tmp_path: Path) -> None:
    read = stored(tmp_path, *EVERY)

    for one, result in zip(read, read_results(tmp_path), strict=True):
        assert (one.id, one.title, one.rows, one.trouble, one.skipped) == (
            result.id,
            result.title,
            result.rows,
            result.trouble,
            result.skipped,
        )
        assert [step.at for step in one.steps] == [step.at for step in result.steps]
        for mine, theirs in zip(one.checks, result.checks, strict=True):
            assert all(getattr(mine, name) == getattr(theirs, name) for name in type(mine).model_fields)


def test_run_json_has_them_and_is_read_again(tmp_path: Path) -> None:
    run = finished_run(scenarios=stored(tmp_path, *EVERY))
    journal.save(run, tmp_path)

    again = read_run(tmp_path / "run.json")
    assert again == run
    assert again.scenarios[0].steps[1].checks[1].is_predicted is True
    assert [one.is_predicted for one in again.scenarios[1].checks] == [None] * 10


def test_a_run_without_scenarios_is_written_as_before() -> None:
    written = json.loads(finished_run(affinity_timeout=ContractResult.UNUSUAL).model_dump_json())

    assert "scenarios" not in written
    assert all({"scenarios", "checks"}.isdisjoint(row) for row in written["contract"])
    differing = [one for row in written["contract"] for one in row["differing"]]
    assert [set(one) for one in differing] == [{"cell", "result", "text", "predicted", "rules"}]
    assert Run.model_validate(written).scenarios == ()


def test_a_missing_file_is_no_note(tmp_path: Path) -> None:
    notes: list[str] = []

    assert read_scenarios(tmp_path / FILE_NAME, notes) == ()
    assert notes == []


@pytest.mark.parametrize(
    ("content", "count", "note"),
    [
        (b"", 0, "scenarios.json was dropped: not readable: got text that is not JSON"),
        (b"{}", 0, "scenarios.json was dropped: not readable: got an object of 0, want a list"),
        (b"[" * 90_000, 0, "scenarios.json was dropped: not readable: got text that is not JSON"),
        (b"\xff\xfe", 0, "scenarios.json was dropped: not readable: got text that is not JSON"),
        (b'[{"id": 1}]', 0, "scenarios.json: 0 scenarios were read, 1 dropped: id: got 1, want a text"),
        (b'[{"id": "a"}, {"id": "b", "seconds": 1e999}]', 1, "1 scenarios were read, 1 dropped: seconds: got inf"),
    ],
)
def test_a_broken_file_is_one_note(tmp_path: Path, content: bytes, count: int, note: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    notes: list[str] = []

    assert len(read_scenarios(tmp_path / FILE_NAME, notes)) == count
    assert len(notes) == 1
    assert note in notes[0]


def test_a_file_that_ends_anywhere_keeps_the_scenarios_before(tmp_path: Path) -> None:
    write_results(tmp_path, EVERY)
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    for end in range(2, len(whole) - 3, 97):
        path.write_bytes(whole[:end])
        notes: list[str] = []
        read = read_scenarios(path, notes)

        assert [one.id for one in read] == [one.id for one in EVERY][: len(read)]
        assert all(len(one.steps) == len(result.steps) for one, result in zip(read, EVERY, strict=False))
        assert len(notes) == 1


def test_a_folder_in_place_of_the_file_is_one_note(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    notes: list[str] = []

    assert read_scenarios(tmp_path / FILE_NAME, notes) == ()
    assert notes == ["scenarios.json was dropped: not readable: got no regular file, want the scenarios of a run"]


def test_a_broken_file_loses_no_record(tmp_path: Path) -> None:
    records = worlds.records(3)
    with journal.Journal(tmp_path, worlds.header()) as log:
        for record in records:
            log.append(record)
    (tmp_path / FILE_NAME).write_bytes(b"[")

    run = journal.assemble(tmp_path)
    assert len(run.records) == 3
    assert run.scenarios == ()
    assert sum(FILE_NAME in note for note in run.notes) == 1


def test_a_killed_run_keeps_the_scenarios_that_were_written(tmp_path: Path) -> None:
    with journal.Journal(tmp_path, worlds.header()):
        pass
    write_results(tmp_path, EVERY[:2])

    run = journal.recover(tmp_path)
    assert [one.id for one in run.scenarios] == ["affinity", "balancer"]
    assert read_run(tmp_path / "run.json") == run
    assert not run.complete


def test_a_killed_run_without_cells_has_the_header_of_its_first_run_json(tmp_path: Path) -> None:
    write_results(tmp_path, EVERY[:1])
    journal.save(journal.assemble(tmp_path, header=worlds.header()), tmp_path)
    write_results(tmp_path, EVERY)

    run = journal.recover(tmp_path)
    assert len(run.scenarios) == len(EVERY)
    assert run.started == worlds.header().started
    assert not run.complete
