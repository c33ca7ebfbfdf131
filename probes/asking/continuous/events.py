"""Read what the clients of client.py have printed: attempts and held connections, with their times.

A line that is cut (the client was killed) is left out. A line that no client prints is kept as a complaint: a client
that could not start leaves its reason there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

COMPLAINTS_MAX = 5
SAME_KERNEL_S = 0.05  # clocks that differ by less are one clock, read at two moments


@dataclass(frozen=True, slots=True)
class TimedAttempt:
    """One fresh connection of a cell. Times are monotonic seconds."""

    cell: str
    began: float
    ended: float
    outcome: Outcome
    source: str = ""
    backend: str = ""


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """One question on a held connection: when it was sent and answered, and the client address that the backend saw."""

    sent: float
    answered: float
    source: str


@dataclass(slots=True)
class HeldConnection:
    """A connection that was held. `how` it was lost: reset, closed, hung; empty if it was open at the end.

    `waits_since`: when the question was sent that has no answer; None if every question has one.
    """

    cell: str
    opened: float
    backend: str
    answers: list[HeldAnswer] = field(default_factory=list)
    lost_at: float | None = None
    how: str = ""
    waits_since: float | None = None


@dataclass(frozen=True, slots=True)
class VantageEvents:
    """Everything that one vantage's client has observed."""

    vantage: str
    attempts: tuple[TimedAttempt, ...] = ()
    connections: tuple[HeldConnection, ...] = ()
    complaints: tuple[str, ...] = ()


def read_events(file: Path, vantage: str, cells: Sequence[str]) -> VantageEvents:
    """Return the events of a client; none if it has written nothing.

    Args:
        file: What it has printed.
        vantage: Its name.
        cells: The ids of its cells, in the order of its targets.

    """
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    return parse(text.split("\n")[:-1], vantage, cells, time() - monotonic())


def parse(lines: Iterable[str], vantage: str, cells: Sequence[str], clock: float) -> VantageEvents:
    """Return the events in these whole lines, with times of our monotonic clock.

    Args:
        lines: What the client has printed.
        vantage: Its name.
        cells: The ids of its cells, in the order of its targets.
        clock: Realtime minus monotonic time here. A client in a guest kernel has another monotonic clock.

    """
    reader = _Reader(cells, clock)
    for line in lines:
        reader.take(line)
    attempts = sorted(reader.attempts, key=lambda one: one.began)
    return VantageEvents(vantage, tuple(attempts), tuple(reader.held.values()), tuple(reader.complaints))


@dataclass(slots=True)
class _Reader:
    cells: Sequence[str]
    clock: float
    shift: float = 0.0
    """What makes a time of the client one of ours."""
    attempts: list[TimedAttempt] = field(default_factory=list)
    held: dict[tuple[int, int], HeldConnection] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Read one line into the lists."""
        try:
            kind, *fields = json.loads(line)
            self._take(kind, fields)
        except (ValueError, TypeError, LookupError):
            if len(self.complaints) < COMPLAINTS_MAX and line.strip():
                self.complaints.append(line.strip()[:200])

    def _take(self, kind: str, fields: list[Any]) -> None:
        if kind == "clock":
            self._clock(*fields)
        elif kind == "attempt":
            self._attempt(*fields)
        elif kind == "held":
            self._held(*fields)
        elif kind == "answer":
            self._answer(*fields)
        else:
            self._end(kind, *fields)

    def _clock(self, at: float, realtime: float) -> None:
        shift = realtime - at - self.clock
        self.shift = shift if abs(shift) > SAME_KERNEL_S else 0.0

    def _attempt(self, number: int, began: float, ended: float, outcome: str, *echo: str) -> None:
        known = Outcome.RESET if outcome == "closed" else Outcome(outcome)
        self.attempts.append(TimedAttempt(self.cells[number], began + self.shift, ended + self.shift, known, *echo))

    def _held(self, number: int, count: int, at: float, backend: str) -> None:
        self.held[number, count] = HeldConnection(self.cells[number], at + self.shift, backend)

    def _answer(self, number: int, count: int, sent: float, answered: float, source: str) -> None:
        self.held[number, count].answers.append(HeldAnswer(sent + self.shift, answered + self.shift, source))

    def _end(self, kind: str, *fields: Any) -> None:  # noqa: ANN401 - JSON
        if kind == "lost":
            number, count, sent, at, how = fields
            lost = self.held[number, count]
            lost.lost_at, lost.how = at + self.shift, how
            lost.waits_since = sent + self.shift if how == "hung" else None
        elif kind == "waiting":
            number, count, sent, _ = fields
            self.held[number, count].waits_since = sent + self.shift
        elif kind == "unsent":
            self.complaints.append(f"{self.cells[fields[0]]}: {fields[2]}"[:200])
        elif kind not in {"unheld", "end"}:
            message = f"line of a client: got {kind!r}, want a kind of client.py. Look at the file"
            raise ValueError(message)


def group_by_cell(attempts: Iterable[TimedAttempt]) -> dict[str, list[TimedAttempt]]:
    """Return the attempts of each cell, in order."""
    found: dict[str, list[TimedAttempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.cell].append(attempt)
    return found
