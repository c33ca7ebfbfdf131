"""What is not as hairpin wrote it: one clear error for a run, one note for a journal."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from probes.judging.verdict import Result
from reports.columns import Places, split_place
from reports.html import run as html
from reports.records import journal, reading
from reports.records.journal import Journal, JournalError, load, recover
from reports.records.run import Run
from tests.unit.support import worlds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORDS = worlds.records(6)
WHOLE = Run(**worlds.header(worlds.cells()[:6]).model_dump(), records=tuple(RECORDS), complete=True)


def written(**changed: Any) -> dict[str, Any]:
    return {**json.loads(WHOLE.model_dump_json()), **changed}


def refusal(path: Path, content: str | bytes) -> str:
    path = path / "run.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(JournalError) as caught:
        load(path.parent)
    message = str(caught.value)
    assert message.startswith(f"{path} is not a readable run: ")
    assert "pydantic" not in message
    assert "\n" not in message
    return message.removeprefix(f"{path} is not a readable run: ")


@pytest.mark.parametrize("version", ["3", 30, "12"])
def test_a_run_of_a_newer_hairpin_says_so(tmp_path: Path, version: object) -> None:
    told = refusal(tmp_path, json.dumps({"schema_version": version, "records": "of another kind"}))

    assert told == f"made by a newer hairpin (schema {version}, this one reads up to 2): upgrade hairpin"


@pytest.mark.parametrize("version", [None, "0", "one", -1, True, 1.5, [], "²", "9" * 5000])
def test_a_schema_that_never_was_is_refused(tmp_path: Path, version: object) -> None:
    assert refusal(tmp_path, json.dumps({"schema_version": version})).startswith("schema_version: got ")


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    run = written()
    change(run)
    return json.dumps(run)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda run: run["records"][2].update(verdict="passs"),
            "records.2.verdict: got 'passs', want 'pass', 'fail' or",
        ),
        (lambda run: run.pop("started"), "started: got no such key, want it"),
        (lambda run: run["records"][0]["cell"].pop("id"), "records.0.cell.id: got no such key, want it"),
        (lambda run: run.update(started="yesterday"), "started: got 'yesterday', want a date and time"),
        (lambda run: run.update(records=7), "records: got 7, want a list"),
        (lambda run: run.update(plan={"a": 1}), "plan: got an object of 1, want a list"),
        (lambda run: run["timings"].update(ask="long"), "timings.ask: got 'long', want a number"),
        (lambda run: run["records"].append(run["records"][0]), "twice, want each cell once"),
        (lambda run: run["topology"].update(name=["lab"]), "topology.name: got a list of 1, want a text"),
    ],
)
def test_a_changed_value_is_named_with_its_place(tmp_path: Path, change: Callable[[Any], object], told: str) -> None:
    assert told in refusal(tmp_path, edited(change))


def test_many_changed_values_are_counted(tmp_path: Path) -> None:
    told = refusal(tmp_path, edited(lambda run: [one.update(verdict=1) for one in run["records"]]))

    assert told.count("verdict: got 1, want ") == 3
    assert told.endswith("; and 3 more")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is not JSON"),
        ("[]", "got a list of 0, want an object"),
        ('{"kind": "prediction"}', "got a prediction, want the run.json of a run"),
        (b"\xff\xfe\x00", "is not JSON"),
        ('{"a":' * 100_000, "is not JSON"),
        (WHOLE.model_dump_json()[:5000], "is not JSON"),
        (WHOLE.model_dump_json().replace('"share":0.5', '"share":NaN', 1), "is not JSON"),
        (
            WHOLE.model_dump_json().replace('"share":0.5', '"share":1e999', 1),
            "paths.0.share: got inf, want a finite number",
        ),
    ],
)
def test_what_is_no_run_at_all_is_refused(tmp_path: Path, content: str | bytes, told: str) -> None:
    assert content != WHOLE.model_dump_json()
    assert told in refusal(tmp_path, content)


def test_a_run_has_a_size_that_it_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_MB", 1)

    assert refusal(tmp_path, b" " * (3 * reading.MB)) == "got 3 MB, want at most 1 MB"


@pytest.mark.parametrize(
    ("name", "told"),
    [("nothing-here", "got no file"), ("pipe", "got no regular file"), ("x" * 300, "File name too long")],
)
def test_a_path_without_a_run_is_refused_and_a_pipe_does_not_hang(tmp_path: Path, name: str, told: str) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(JournalError, match=told):
        load(tmp_path / name)


def test_a_page_of_an_odd_declared_topology_is_still_made() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"workload": []},
        {"workload": {"services": [3, {}], "backends": {"a": 1}}},
        {"cni": "x"},
    ]
    for declared in odd:
        run = WHOLE.model_copy(update={"topology": WHOLE.topology.model_copy(update={"declared": declared})})
        assert RECORDS[0].cell.id in html.render(run)


def test_a_page_of_an_unknown_kind_of_frontend_is_still_made() -> None:
    odd = RECORDS[0].model_copy(update={"cell": RECORDS[0].cell.model_copy(update={"frontend_kind": "gateway"})})

    assert Places.of({}).columns([odd, RECORDS[1]])
    assert "gateway" not in html.render(WHOLE.model_copy(update={"records": (odd,)}))


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("n1-secondary", ("n1", "secondary")),
        ("n1-public", ("n1", "public")),
        ("n1-cni0", ("n1", "cni0")),
        ("worker-1", ("worker-1", "")),
        ("loopback", ("loopback", "")),
    ],
)
def test_the_label_of_a_node_port_has_a_node_and_an_address(place: str, parts: tuple[str, ...]) -> None:
    assert split_place(place) == parts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Journal(tmp_path, worlds.header(worlds.cells()[:6])) as pages:
        for record in RECORDS:
            pages.append(record)
    return tmp_path


def spoil(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> Run:
    path = folder / journal.MAIN
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    return recover(folder)


def test_lines_that_are_there_twice_count_once(folder: Path) -> None:
    run = spoil(folder, lambda lines: [line for line in lines for _ in range(2)])

    assert list(run.records) == RECORDS
    assert run.notes == ()


@pytest.mark.parametrize(
    ("rubbish", "why"),
    [
        (b"\0" * 5000 + b"\n", "is not JSON"),
        (b"\xff\xc3\x28\n", "is not JSON"),
        (b"[" * 100_000 + b"\n", "is not JSON"),
        (b"[]\n", "got a list of 0, want an object"),
        (b'{"recor": {}}\n', "got the keys ['recor'], want one of header, snapshot, observation, record"),
        (b'{"record": {}}\n', "cell: got no such key, want it"),
        (b'{"observation": {"cell": 1}}\n', "cell: got 1, want a text"),
    ],
)
def test_rubbish_in_the_middle_costs_its_own_line(folder: Path, rubbish: bytes, why: str) -> None:
    run = spoil(folder, lambda lines: [*lines[:3], rubbish, *lines[3:]])

    assert list(run.records) == RECORDS
    (note,) = run.notes
    assert note.startswith("records.jsonl line 4 was dropped: not readable: ")
    assert why in note


def test_many_dropped_lines_are_counted(folder: Path) -> None:
    noise = random.Random(1).randbytes(100_000)

    run = spoil(folder, lambda lines: [*lines, noise.replace(b"{", b"\n")])

    assert list(run.records) == RECORDS
    assert len(run.notes) == 4
    assert run.notes[-1].endswith(" more lines were dropped")


def test_a_line_beyond_the_bound_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_MB", 1)

    run = spoil(folder, lambda lines: [*lines[:3], b'"' + b"x" * (2 * reading.MB) + b"\n", *lines[3:]])

    assert list(run.records) == RECORDS
    assert run.notes[0] == "records.jsonl line 4 was dropped: longer than 1 MB"


def test_a_journal_of_a_newer_hairpin_says_so(folder: Path) -> None:
    header = json.dumps({"header": {"schema_version": "3"}}).encode() + b"\n"

    with pytest.raises(
        JournalError, match=r"no journal with a header in .*made by a newer hairpin \(schema 3, this one"
    ):
        spoil(folder, lambda lines: [header, *lines[1:]])


def test_observations_that_cannot_be_judged_cost_no_record(folder: Path) -> None:
    """A snapshot without any Service or pod: the oracle cannot even begin."""
    snapshot = b'{"snapshot": {"pods": {}, "services": {}, "taken_at": ""}}\n'
    heard = json.dumps({"observation": {"cell": worlds.cells()[7].id, "attempts": [{"outcome": "ok"}]}}).encode()

    run = spoil(folder, lambda lines: [*lines, snapshot, heard + b"\n"])

    assert list(run.records)[:6] == RECORDS
    assert all(one.verdict is Result.INCONCLUSIVE for one in run.records[6:])
