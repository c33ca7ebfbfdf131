"""Read what runs have written, in bounds. Whatever is not as it was written is one clear error, or one note.

Files come from killed processes, full disks and other versions of hairpin. Only UnreadableError is raised here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from probes.observation import Observation
from reports.records.record import Record
from reports.records.run import SCHEMA_VERSION, Header, Run
from reports.records.scenarios import StoredScenario
from topologies.cluster_state.snapshot import Snapshot
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_MB = 100  # a run of 4,165 cells is about 30 MB
LONGEST_MB = 100  # of one line of a journal
READABLE = ("1", SCHEMA_VERSION)
SHOWN = 3  # complaints of one file, and notes of one journal, that are printed; the others are counted
WIDEST = 60  # characters of a value that a complaint shows
MB = 2**20
_OBSERVATION, _SNAPSHOT = TypeAdapter(Observation), TypeAdapter(Snapshot)
_WANTED = {
    "bool": "true or false",
    "date": "a date and time",
    "datetime": "a date and time",
    "dict": "an object",
    "finite": "a finite number",
    "float": "a number",
    "int": "an integer",
    "ip": "an IPv4 address",
    "model": "an object",
    "string": "a text",
    "tuple": "a list",
}


class UnreadableError(HairpinError, ValueError):
    """A file or a line that is not what hairpin writes: where, what was found, what is expected."""


def read_run(path: Path) -> Run:
    """Read a `run.json`.

    Raises:
        UnreadableError: it is missing, too large, of a newer hairpin, or not what hairpin writes.

    """
    content = _content(path, "the run.json of a run")
    try:
        run = Run.model_validate_json(content)
    except ValidationError as error:
        check_schema(_parsed(content))
        raise UnreadableError(problems(error)) from error
    seen: set[str] = set()
    for record in run.records:
        if record.cell.id in seen:
            message = f"records: got cell {record.cell.id!r:.{WIDEST}} twice, want each cell once"
            raise UnreadableError(message)
        seen.add(record.cell.id)
    return run


def read_scenarios(path: Path, notes: list[str]) -> tuple[StoredScenario, ...]:
    """Return the readable scenarios of a file, none if it is missing. Whatever is not readable of it is one note."""
    try:
        if not path.exists():
            return ()
        written, torn = _list(_content(path, "the scenarios of a run"))
    except (OSError, UnreadableError) as error:
        notes.append(f"{path.name} was dropped: not readable: {getattr(error, 'strerror', None) or error}")
        return ()
    found, dropped = [], [torn] if torn else []
    for one in written:
        try:
            found.append(StoredScenario.model_validate(one))
        except ValidationError as error:
            dropped.append(problems(error))
    if dropped:
        notes.append(f"{path.name}: {len(found)} scenarios were read, {len(dropped)} dropped: {dropped[0]}")
    return tuple(found)


def _list(content: bytes) -> tuple[list[Any], str]:
    """Return the entries of a list and, if the file ends within one, that it does; the torn entry is left out."""
    torn = ""
    try:
        written = from_json(content, allow_inf_nan=False)
    except ValueError:
        torn, written = "the file is torn", _before_the_end(content)
    if not isinstance(written, list):
        message = f"got {_show(written)}, want a list"
        raise UnreadableError(message)
    return (written[:-1], torn) if torn else (written, "")


def _before_the_end(content: bytes) -> object:
    try:
        return from_json(content, allow_inf_nan=False, allow_partial=True)
    except ValueError as error:
        message = f"got text that is not JSON ({error}), want what hairpin writes"
        raise UnreadableError(message) from error


def _content(path: Path, wanted: str) -> bytes:
    try:
        if not path.is_file():
            message = f"got {'no file' if not path.exists() else 'no regular file'}, want {wanted}"
            raise UnreadableError(message)
        size = path.stat().st_size
        if size > LARGEST_MB * MB:
            message = f"got {size / MB:.0f} MB, want at most {LARGEST_MB} MB"
            raise UnreadableError(message)
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from error


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        written = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        message = f"got text that is not JSON ({error}), want what hairpin writes"
        raise UnreadableError(message) from error
    if not isinstance(written, dict):
        message = f"got {_show(written)}, want an object"
        raise UnreadableError(message)
    return written


def check_schema(written: dict[str, Any]) -> None:
    """Check the version of a run's or a header's schema.

    Raises:
        UnreadableError: it is newer than this hairpin's, or no version at all.

    """
    if written.get("kind") in {"prediction", "comparison"}:
        message = f"got a {written['kind']}, want the run.json of a run"
        raise UnreadableError(message)
    version = written.get("schema_version")
    number = str(version) if isinstance(version, int | str) else ""
    if number.isascii() and number.isdigit() and len(number) < WIDEST and int(number) > int(SCHEMA_VERSION):
        message = f"made by a newer hairpin (schema {number}, this one reads up to {SCHEMA_VERSION}): upgrade hairpin"
        raise UnreadableError(message)
    if version not in READABLE:
        message = f"schema_version: got {_show(version)}, want {SCHEMA_VERSION!r}"
        raise UnreadableError(message)


def problems(error: ValidationError) -> str:
    """Return the complaints of a validation in our own words, the first few of them."""
    found = error.errors(include_url=False)
    text = "; ".join(_problem(one) for one in found[:SHOWN])
    return f"{text}; and {len(found) - SHOWN} more" if len(found) > SHOWN else text


def _problem(one: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    where = ".".join(str(part)[:WIDEST] for part in one["loc"]) or "the file"
    if one["type"] == "missing":
        return f"{where}: got no such key, want it"
    if one["type"] in {"enum", "literal_error"}:
        return f"{where}: got {_show(one['input'])}, want {one['ctx']['expected']}"
    wanted = _WANTED.get(str(one["type"]).partition("_")[0], "what hairpin writes")
    return f"{where}: got {_show(one['input'])}, want {wanted}"


def _show(value: object) -> str:
    """Return a value in few characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**WIDEST:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}..."


@dataclass(slots=True)
class JournalContent:
    """The readable content of one journal."""

    header: Header | None = None
    snapshot: Snapshot | None = None
    observations: dict[str, Observation] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, notes: list[str]) -> JournalContent:
        """Read a journal. Each line that is not whole is dropped; notes name the first few and count the others."""
        content, dropped = cls(), 0
        for number, line, reason in _lines(path):
            if why := reason or content.take(line):
                dropped += 1
                if dropped <= SHOWN:
                    notes.append(f"{path.name} line {number} was dropped: {why}")
        if dropped > SHOWN:
            notes.append(f"{path.name}: {dropped - SHOWN} more lines were dropped")
        return content

    def take(self, line: bytes) -> str:
        """Take in one line; return why it cannot be read, or an empty string."""
        try:
            self._take(line)
        except UnreadableError as error:
            return f"not readable: {error}"
        return ""

    def _take(self, line: bytes) -> None:
        written = _parsed(line)
        kind, value = next(iter(written.items()), ("", None))
        if (
            len(written) != 1
            or kind not in {"header", "snapshot", "observation", "record"}
            or not isinstance(value, dict)
        ):
            message = f"got the keys {sorted(written)!s:.{WIDEST}}, want one of header, snapshot, observation, record"
            raise UnreadableError(message)
        if kind == "header":
            check_schema(value)
        try:
            self._keep(kind, value)
        except ValidationError as error:
            raise UnreadableError(problems(error)) from error

    def _keep(self, kind: str, value: dict[str, Any]) -> None:
        if kind == "header":
            self.header = Header.model_validate(value)
        elif kind == "snapshot":
            self.snapshot = _SNAPSHOT.validate_python(value)
        elif kind == "observation":
            seen = _OBSERVATION.validate_python(value)
            self.observations[seen.cell] = seen
        else:
            self.records.append(Record.model_validate(value))


def _lines(path: Path) -> Iterator[tuple[int, bytes, str]]:
    """Yield (number, line, why it cannot be a whole line or empty). A line beyond the bound is passed over."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_MB * MB), b""), start=1):
                long = len(line) == LONGEST_MB * MB and not line.endswith(b"\n")
                torn = not long and not line.endswith(b"\n")
                cut = "torn by the end of the process" if torn and not _whole(line) else ""
                yield number, line, f"longer than {LONGEST_MB} MB" if long else cut
    except OSError as error:
        yield 0, b"", f"not readable: {error.strerror or error}"


def _whole(line: bytes) -> bool:
    """Whether a last line without its newline is nevertheless complete."""
    try:
        _parsed(line)
    except UnreadableError:
        return False
    return True
