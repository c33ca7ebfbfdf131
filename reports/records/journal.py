"""The run's folder and its journals: what is known is on disk the moment it is known, whatever happens afterwards.

    out/20261122T053508Z-lab-flannel/records.jsonl       one thing a line, in the order they came to be known:
                                                         header, snapshot, observations, records; a newer header or
                                                         observation stands for the older one
                                     journal-gw0.jsonl   the same from another process
                                     run.json            the run as a whole, each time written in one rename: when it
                                                         begins (`complete: false`, no record yet) and when it ends
    out/last -> the newest run

A killed run leaves its journals; `recover()` makes `run.json` of them, judging what had been observed only
(`epilogue.py` does that at the end of the run's process). JournalError is the only error raised here.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from probes.observation import Observation
from reports.records import build
from reports.records.reading import JournalContent, UnreadableError, read_run
from reports.records.record import Record, merge
from reports.records.run import FILE, Header, Run
from topologies.cluster_state.snapshot import Snapshot
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

MAIN = "records.jsonl"
RUN = FILE
_OBSERVATION, _SNAPSHOT = TypeAdapter(Observation), TypeAdapter(Snapshot)


class JournalError(HairpinError, OSError):
    """A record or a run could not be written or read: what, where, why, and how much room is left there.

    `run` is the run that could not be saved, so that the terminal can still tell it.
    """

    run: Run | None = None


def run_folder(out: Path, topology: str, started: datetime) -> Path:
    """Make `out/<UTC time>-<topology>`, a new folder even if two runs start in the same second."""
    stem = f"{started:%Y%m%dT%H%M%SZ}-{topology}"
    for attempt in range(1, 1000):
        folder = out / (stem if attempt == 1 else f"{stem}.{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            failure = failed("the run's folder could not be made", folder, error)
            raise failure from error
        return folder
    message = f"{stem}: 999 runs of this second are there already, in {out}"
    raise JournalError(message)


class Journal:
    """The append-only journal of one process. What could not be written stays in memory and is tried again."""

    def __init__(self, folder: Path, header: Header, worker: str = "") -> None:
        """Write the header to a fresh journal; `worker` is the xdist worker's id, empty in the main process."""
        self.folder = folder
        self.path = folder / (f"journal-{worker}.jsonl" if worker else MAIN)
        self.header = header
        self.records: list[Record] = []
        self._backlog: list[bytes] = [_line({"header": header.model_dump(mode="json")})]
        self._end, self._lines = 0, 1
        self._lock = Lock()
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            failure = failed("the journal could not be opened", self.path, error)
            raise failure from error
        with suppress(JournalError):  # a full disk shows at the first record; until then nothing is lost
            self._flush()

    def append(self, record: Record) -> None:
        """Keep a record; JournalError if it is in memory only. The next append tries to write what is missing."""
        self.records.append(record)
        self._keep({"record": record.model_dump(mode="json")})

    def head(self, header: Header) -> None:
        """A fuller header, in place of the older; JournalError as above."""
        self.header = header
        self._keep({"header": header.model_dump(mode="json")})

    def settle(self, snapshot: Snapshot) -> None:
        """What the cluster was when it was asked, without which nothing observed can be judged; JournalError."""
        self._keep({"snapshot": _SNAPSHOT.dump_python(snapshot, mode="json")})

    def hear(self, observations: Iterable[Observation]) -> None:
        """Keep what was observed, each in place of an older one of its cell; from any thread; JournalError."""
        self._keep(*({"observation": _OBSERVATION.dump_python(one, mode="json")} for one in observations))

    def close(self) -> None:
        """Write what is still in memory and close; JournalError says how many records could not be written."""
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
            raise failed(kept, self.path, error) from error


def finish(folder: Path, extra: Iterable[Record] = (), /, **closing: Any) -> Run:  # noqa: ANN401 - fields of Run
    """Merge the folder's journals, write `run.json` in one rename and point `out/last` at it.

    `extra`: records in memory that their journal could not take. `closing`: fields of Run (`finished`, `timings`,
    `complete`, `notes` ...); `complete` is True unless given. JournalError holds the run if it
    could not be written.
    """
    run = assemble(folder, extra, **{"complete": True, **closing})
    save(run, folder)
    return run


def recover(folder: Path) -> Run:
    """Make `run.json` (`complete: false`) of the journals a killed run left; a torn last line is noted and dropped.

    JournalError if there is no journal with a header, or `run.json` cannot be written.
    """
    run = assemble(folder, complete=False)
    save(run, folder)
    return run


def assemble(
    folder: Path,
    extra: Iterable[Record] = (),
    /,
    header: Header | None = None,
    **closing: Any,  # noqa: ANN401 - fields of Run
) -> Run:
    """Read all journals of a folder into a Run; JournalError if none of them has a readable header and none is given.

    What was observed and not judged any more is judged now.
    """
    notes = list(closing.pop("notes", ()))
    pages = [JournalContent.of(path, notes) for path in _journals(folder)]
    header = next((page.header for page in pages if page.header), header)
    if header is None:
        found = f"got {sorted(path.name for path in folder.glob('*'))[:8]}"
        message = f"no journal with a header in {folder}: {'; '.join([found, *notes[:3]])}"
        raise JournalError(message)
    records = [*(record for page in pages for record in page.records), *extra]
    for page in pages:
        records += _judged(page, header, {record.cell.id for record in records}, notes)
    told = {name: getattr(header, name) for name in Header.model_fields}
    return Run(
        **{
            **told,
            "notes": tuple(dict.fromkeys((*header.notes, *notes))),
            "records": merge(records, header.plan),
            **closing,
        }
    )


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
        failure = failed("the run could not be written (its journals are still there)", path, error)
        failure.run = run
        raise failure from error
    return path


def _judged(page: JournalContent, header: Header, known: set[str], notes: list[str]) -> list[Record]:
    """Records of the observations whose cell has none yet. A damaged journal costs these records, not the run."""
    left = any(cell not in known for cell in page.observations)
    if not left or page.snapshot is None:
        return []
    try:
        made = build.heard(header, page.snapshot, page.observations)
    except Exception as error:  # noqa: BLE001 - a tampered snapshot fails anywhere in the oracle; what was judged stays
        notes.append(
            f"{len(page.observations)} observations could not be judged: {type(error).__name__}: {error}"[:200]
        )
        return []
    return [record for record in made if record.cell.id not in known]


def load(path: Path) -> Run:
    """Read a `run.json`, or the folder that holds one; JournalError says what was wrong with it."""
    source = path
    try:
        source = path / RUN if path.is_dir() else path
        return read_run(source)
    except (OSError, UnreadableError) as error:
        message = f"{str(source)[:200]} is not a readable run: {getattr(error, 'strerror', None) or error}"
        raise JournalError(message) from error


def _journals(folder: Path) -> list[Path]:
    return [path for path in (folder / MAIN, *sorted(folder.glob("journal-*.jsonl"))) if path.exists()]


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


def failed(what: str, where: Path, error: OSError) -> JournalError:
    """The error to raise: what happened, where, the system's reason, and the room that is left there."""
    room = "free space unknown"
    with suppress(OSError):
        home = where if where.exists() else where.parent
        room = f"{shutil.disk_usage(home).free / 1e6:.1f} MB free there"
    return JournalError(f"{what}: {where}: {error.strerror or error} ({room})")
