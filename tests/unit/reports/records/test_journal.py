from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.records import journal
from reports.records.journal import Journal, JournalError, assemble, load, recover, save
from tests.unit.support import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.record import Record

RECORDS = worlds.records(6)
PLAN = worlds.cells()[:6]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / "20261122T053508Z-lab-flannel"
    folder.mkdir(parents=True)
    return folder


def write(folder: Path, records: list[Record]) -> None:
    with Journal(folder, worlds.header(PLAN)) as pages:
        for record in records:
            pages.append(record)


def test_a_run_is_written_whole_and_last_points_at_it(folder: Path) -> None:
    write(folder, RECORDS)
    run = assemble(folder, finished=worlds.STARTED, complete=True)
    save(run, folder)

    assert (folder.parent / "last").resolve() == folder.resolve()
    assert load(folder) == load(folder.parent / "last") == run
    assert run.complete
    assert list(run.records) == RECORDS
    assert sorted(path.name for path in folder.iterdir()) == ["records.jsonl", "run.json"]


def test_records_come_in_plan_order_and_the_journals_before_those_in_memory(folder: Path) -> None:
    write(folder, [RECORDS[4], RECORDS[1]])
    other = [record.model_copy(update={"headline": "in memory"}) for record in RECORDS]

    assert assemble(folder, other).records == (other[0], RECORDS[1], *other[2:4], RECORDS[4], other[5])


def test_a_torn_last_line_is_dropped_and_noted(folder: Path) -> None:
    write(folder, RECORDS)
    whole = (folder / journal.MAIN).read_bytes()
    for cut in (1, 2, 500, 900):
        (folder / journal.MAIN).write_bytes(whole[:-cut])
        run = recover(folder)
        kept = 6 if cut == 1 else 5
        assert len(run.records) == kept
        assert not run.complete
        assert run.unasked == tuple(cell.id for cell in PLAN[kept:])
        assert [note.partition(":")[0] for note in run.notes] == ["records.jsonl line 7 was dropped"] * (6 - kept)


def test_a_spoilt_line_in_the_middle_costs_one_record(folder: Path) -> None:
    write(folder, RECORDS)
    lines = (folder / journal.MAIN).read_bytes().splitlines(keepends=True)
    (folder / journal.MAIN).write_bytes(b"".join([*lines[:3], b"\x00\xff\n", *lines[4:]]))

    run = recover(folder)
    assert len(run.records) == 5
    assert "records.jsonl line 4 was dropped: not readable" in run.notes[0]


def test_a_folder_without_a_header_is_an_error_that_lists_it(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(b'{"head')

    with pytest.raises(JournalError, match=r"no journal with a header in .*records\.jsonl"):
        recover(folder)


def full(fd: int, data: bytes, offset: int) -> int:
    os.lseek(fd, offset, os.SEEK_SET)
    os.write(fd, data[: len(data) // 2])  # as a full disk does: half a line, then nothing
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_reported_and_nothing_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Journal(folder, worlds.header(PLAN))
    pages.append(RECORDS[0])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for number, record in enumerate(RECORDS[1:4], start=1):
            with pytest.raises(JournalError, match=rf"{number} of .*records\.jsonl: No space left .* MB free there"):
                pages.append(record)
        assert recover(folder).records == tuple(RECORDS[:1])
    for record in RECORDS[4:]:
        pages.append(record)
    pages.close()

    assert list(assemble(folder).records) == RECORDS


def test_a_run_that_cannot_be_saved_can_still_be_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, RECORDS)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    run = assemble(folder)
    with pytest.raises(JournalError, match="the run could not be written"):
        save(run, folder)
    assert list(run.records) == RECORDS
    assert not (folder / "run.json").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.support import worlds
from reports.records.journal import Journal
pages = Journal(Path(sys.argv[1]), worlds.header(worlds.cells()[:6]))
for number, record in enumerate(worlds.records(6)):
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    pages.append(record)
"""


def test_a_killed_process_leaves_every_judged_record(folder: Path) -> None:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", KILLED, str(folder)]
    died = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False)

    assert died.returncode == -signal.SIGKILL
    assert list(recover(folder).records) == RECORDS[:4]
