"""One row's run as a compact file, and its comparison with the oracle of today.

A file groups cells by what they showed: outcome, source address by its name, backend. Addresses are named
(`kept`, `vtep(n1)`), so that a file needs no addresses of its run.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from probes.judging.verdict import Result
from reports.analysis.diff_side import Reply, Side
from reports.records.prediction import Prediction
from topologies.loading import overrides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.records.run import Run
    from tests.truth.rows import Row

FOLDER = Path(__file__).with_name("recordings")


class Shown(BaseModel):
    """Cells that showed the same replies. A reply is `outcome`, or `outcome source backend`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    replies: tuple[str, ...]
    cells: tuple[str, ...]


class Recording(BaseModel):
    """One live run. `failed`: cells that were not as the oracle of that day predicted. `inconclusive`: cell -> why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    mode: str
    topology: str
    overrides: tuple[str, ...]
    ran: dict[str, str] = Field(description="what ran: component -> version as it reports it")
    date: dt.date
    seconds: float = Field(description="of asking and judging")
    failed: tuple[str, ...] = ()
    inconclusive: dict[str, str] = Field(default_factory=dict)
    shown: tuple[Shown, ...]
    schema_version: Literal["1"] = "1"

    @classmethod
    def of(cls, row: Row, run: Run, ran: dict[str, str]) -> Self:
        """Return the recording of a finished run of a row."""
        side = Side.observed(row.id, run)
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, answer in side.answers.items():
            groups[tuple(sorted(map(_text, answer.shown)))].append(name)
        return cls(
            version=row.version,
            mode=row.mode,
            topology=row.topology,
            overrides=row.overrides,
            ran=ran,
            date=run.started.date(),
            seconds=round((run.timings.ask or 0) + (run.timings.judge or 0), 1),
            failed=tuple(record.cell.id for record in run.records if record.verdict is Result.FAIL),
            inconclusive={name: answer.trouble for name, answer in side.unknown.items()},
            shown=tuple(Shown(replies=replies, cells=tuple(cells)) for replies, cells in sorted(groups.items())),
        )

    @property
    def asked(self) -> int:
        """Return the number of cells that showed something."""
        return sum(len(group.cells) for group in self.shown)

    def contradictions(self) -> Iterator[str]:
        """Yield each cell whose replies today's oracle does not expect, with both."""
        side = _predict(self.topology, self.overrides)
        for group in self.shown:
            for cell in group.cells:
                may = {_text(reply) for reply in side.answers[cell].may} if cell in side.answers else {"not planned"}
                if not set(group.replies) <= may:
                    yield f"{cell}: got {', '.join(group.replies)}, want {', '.join(sorted(may))}"


@cache
def _predict(topology: str, given: tuple[str, ...]) -> Side:
    parsed = overrides.parse(given)
    return Side.predicted(topology, Prediction.of(overrides.declared(topology, parsed), parsed))


def _text(reply: Reply) -> str:
    return " ".join(word for word in reply if word)


def read_all() -> dict[str, Recording]:
    """Return every recording, by its row's id."""
    return {path.stem: Recording.model_validate_json(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}


def write(row: Row, recording: Recording) -> Path:
    """Write the file of a row, and return its path."""
    path = FOLDER / f"{row.id}.json"
    path.write_text(recording.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")
    return path
