"""The run's folder and its journal: each fact is on disk as soon as it is known.

    out/20261122T053508Z-lab-flannel/records.jsonl   one JSON object a line, in the order in which they became known:
                                                     header, snapshot, observations, records. A later header replaces
                                                     an earlier one; so does an observation of the same cell
                                     run.json        the whole run, replaced in one rename: written when the run begins
                                                     (`complete: false`, no record yet) and when it ends
    out/last -> the newest run

A killed run leaves its journal. `recover()` makes `run.json` of it and judges observations that have no record yet;
crash_recovery.py does that after the run's process has ended. Raises JournalError only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from probes.observation import Observation
from probes.scenarios.results import FILE_NAME
from reports.records import build
from reports.records.reading import JournalContent, UnreadableError, read_run, read_scenarios
from reports.records.record import Record, in_order
from reports.records.run import FILE, Header, Run
from reports.records.sharpness import Sharpness
from topologies.cluster_state.snapshot import Snapshot
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAIN = "records.jsonl"
RUN = FILE
_OBSERVATION, _SNAPSHOT = TypeAdapter(Observation), TypeAdapter(Snapshot)


class JournalError(HairpinError, OSError):
    """A record or a run that cannot be written or read: what failed, where, why, and the free space there."""


class Journal:
    """The append-only journal of a run. Lines that cannot be written stay in memory until the next write."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Create the journal in this folder and write the header."""
        self.path = folder / MAIN
        self._backlog: list[bytes] = [_line({"header": header.model_dump(mode="json")})]
        self._end, self._lines = 0, 1
        self._lock = Lock()
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            failure = write_error("the journal could not be opened", self.path, error)
            raise failure from error
        with suppress(JournalError):  # a full disk shows at the first record; until then nothing is lost
            self._flush()

    def append(self, record: Record) -> None:
        """Write a record.

        Raises:
            JournalError: the line is in memory only; the next write includes it.

        """
        self._keep({"record": record.model_dump(mode="json")})

    def head(self, header: Header) -> None:
        """Write a header that replaces the earlier one; raise JournalError as `append` does."""
        self._keep({"header": header.model_dump(mode="json")})

    def settle(self, snapshot: Snapshot) -> None:
        """Write the state of the cluster, which judging needs; raise JournalError as `append` does."""
        self._keep({"snapshot": _SNAPSHOT.dump_python(snapshot, mode="json")})

    def observe(self, observations: Iterable[Observation]) -> None:
        """Write observations, from any thread; raise JournalError as `append` does."""
        self._keep(*({"observation": _OBSERVATION.dump_python(one, mode="json")} for one in observations))

    def close(self) -> None:
        """Write the lines that are still in memory and close the file.

        Raises:
            JournalError: some lines cannot be written; it has their number.

        """
        try:
            self._flush()
        finally:
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, *written: dict[str, Any]) -> None:
        with self._lock:
            self._backlog.extend(map(_line, written))
            self._lines += len(written)
            self._flush()

    def _flush(self) -> None:
        try:
            while self._backlog:
                _write_all(self._fd, self._backlog[0], self._end)
                self._end += len(self._backlog.pop(0))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)  # no torn line between whole ones
            kept = f"{len(self._backlog)} of {self._lines} lines are in memory only"
            raise write_error(kept, self.path, error) from error


class RecordLines:
    """The records that another process has journaled, each parsed when it is needed."""

    _START = re.compile(rb'\{"record":\{"cell":\{"id":"([^"]+)"')

    def __init__(self, folder: Path) -> None:
        """Find the lines of records in the folder's main journal; none if it cannot be read."""
        self._lines: dict[str, bytes] = {}
        with suppress(OSError), (folder / MAIN).open("rb") as file:
            self._lines = {found[1].decode(): line for line in file if (found := self._START.match(line))}

    def record(self, cell: str) -> Record | None:
        """Return the record of a cell; None if there is none that can be read."""
        with suppress(KeyError, ValueError):
            return Record.model_validate(json.loads(self._lines[cell])["record"])
        return None


def recover(folder: Path) -> Run:
    """Make `run.json` (`complete: false`) of the journal and the scenarios of a killed run.

    A run without cells has no journal. Its first `run.json` has its header.

    Raises:
        JournalError: there is no header, or `run.json` cannot be written.

    """
    begun = None
    if not (folder / MAIN).exists():
        with suppress(JournalError):
            begun = load(folder)
    run = assemble(folder, header=begun)
    save(run, folder)
    return run


def assemble(
    folder: Path,
    extra: Iterable[Record] = (),
    /,
    header: Header | None = None,
    **closing: Any,  # noqa: ANN401 - fields of Run
) -> Run:
    """Read the journal and the scenarios of a folder into a Run, and judge observations that have no record yet.

    Args:
        folder: the run's folder.
        extra: records in memory; they count if the journal has none of that cell.
        header: used if the journal has no readable one.
        closing: fields of Run, such as `finished` and `complete`.

    Raises:
        JournalError: no header in the journal, and none given.

    """
    notes: list[str] = []
    path = folder / MAIN
    content = JournalContent.of(path, notes) if path.exists() else JournalContent()
    header = content.header or header
    if header is None:
        found = f"got {sorted(path.name for path in folder.glob('*'))[:8]}"
        message = f"no journal with a header in {folder}: {'; '.join([found, *notes[:3]])}"
        raise JournalError(message)
    records = [*content.records, *extra]
    records += _judge_rest(content, header, {record.cell.id for record in records}, notes)
    values = {name: getattr(header, name) for name in Header.model_fields}
    ordered, scenarios = in_order(records, header.plan), read_scenarios(folder / FILE_NAME, notes)
    values |= {"notes": tuple(dict.fromkeys((*header.notes, *notes))), "records": ordered, "scenarios": scenarios}
    values |= {"sharpness": Sharpness.of(record.expected for record in ordered)}
    return Run(**{**values, "snapshot": content.snapshot, **closing})


def save(run: Run, folder: Path) -> Path:
    """Write `run.json` beside its final name, rename it, and point `last` at the folder."""
    folder = folder.resolve()  # `last` itself may have been given
    path, fresh = folder / RUN, folder / f".{RUN}.{os.getpid()}"
    try:
        fresh.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
        fresh.replace(path)
        _point(folder.parent / "last", folder)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        failure = write_error("the run could not be written (its journal is still there)", path, error)
        raise failure from error
    return path


def _judge_rest(content: JournalContent, header: Header, known: set[str], notes: list[str]) -> list[Record]:
    """Return records of the observations whose cell has none yet. A damaged journal loses these, not the run."""
    left = any(cell not in known for cell in content.observations)
    if not left or content.snapshot is None:
        return []
    try:
        made = build.judge_observations(header, content.snapshot, content.observations)
    except Exception as error:  # noqa: BLE001 - a tampered snapshot fails anywhere in the oracle; what was judged stays
        notes.append(
            f"{len(content.observations)} observations could not be judged: {type(error).__name__}: {error}"[:200]
        )
        return []
    return [record for record in made if record.cell.id not in known]


def load(path: Path) -> Run:
    """Read a `run.json`, or the folder that has one.

    Raises:
        JournalError: it cannot be read.

    """
    source = path
    try:
        source = path / RUN if path.is_dir() else path
        return read_run(source)
    except (OSError, UnreadableError) as error:
        message = f"{str(source)[:200]} is not a readable run: {getattr(error, 'strerror', None) or error}"
        raise JournalError(message) from error


def _point(link: Path, folder: Path) -> None:
    fresh = link.with_name(f".last.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name, target_is_directory=True)
    fresh.replace(link)


def _line(written: dict[str, Any]) -> bytes:
    return json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _write_all(fd: int, line: bytes, offset: int) -> None:
    while line:
        written = os.pwrite(fd, line, offset)
        line, offset = line[written:], offset + written


def write_error(what: str, where: Path, error: OSError) -> JournalError:
    """Return the error to raise: what failed, where, the system's reason, and the free space there."""
    room = "free space unknown"
    with suppress(OSError):
        nearest = where if where.exists() else where.parent
        room = f"{shutil.disk_usage(nearest).free / 1e6:.1f} MB free there"
    return JournalError(f"{what}: {where}: {error.strerror or error} ({room})")
