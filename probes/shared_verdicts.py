"""Judge once for all processes of a run: the worker of pytest-xdist that asked shares what it judged.

    <run>/verdicts.jsonl    the snapshot, then one line per cell: expectation, account, verdict of each facet

The other workers parse only the lines of the cells that they test. If the file is missing or a line cannot be read, a
worker judges by itself, from the shared answers.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result, Verdict
from probes.oracle.expectation import Expectation
from probes.session import Answers
from topologies.cluster_state.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from probes.judging.compare import JudgedCell
    from probes.observation import Observation
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

VERDICTS = "verdicts.jsonl"
_EXPECTATION, _SNAPSHOT = TypeAdapter(Expectation), TypeAdapter(Snapshot)


def write(folder: Path, judge: Judge, cells: Iterable[Cell]) -> None:
    """Write what the judge makes of these cells, whole or not at all. On a full disk the others judge themselves."""
    fresh = folder / f".{VERDICTS}"
    with suppress(OSError):
        with fresh.open("wb") as file:
            file.write(_SNAPSHOT.dump_json(judge.answers.snapshot) + b"\n")
            file.writelines(_line(judge, cell) for cell in cells)
        fresh.replace(folder / VERDICTS)


def _line(judge: Judge, cell: Cell) -> bytes:
    facets = {facet: judge(cell, facet) for facet in Facet}
    judged = {
        "account": judge.case(cell).account,
        "expectation": _EXPECTATION.dump_python(judge.expectation(cell), mode="json"),
        "facets": {facet: (verdict.result, verdict.headline) for facet, verdict in facets.items()},
    }
    return f"{cell.id}\t{json.dumps(judged)}\n".encode()


def snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot that another worker has shared, or None."""
    with suppress(OSError, ValueError), (folder / VERDICTS).open("rb") as file:
        return _SNAPSHOT.validate_json(file.readline())
    return None


def read(folder: Path, topology: Topology, name: str, judge: Callable[[], Judge]) -> SharedJudge | None:
    """Return a judge with what another worker has judged, or None.

    Args:
        folder: Of the run.
        topology: The declared cluster.
        name: How the folder is called in accounts.
        judge: Makes the judge that derives what is not in the file.

    """
    with suppress(OSError, ValueError), (folder / VERDICTS).open("rb") as file:
        known = _SNAPSHOT.validate_json(file.readline())
        lines = {cell.decode(): text for cell, _, text in (line.partition(b"\t") for line in file)}
        return SharedJudge(topology, Answers(known, {}, {}, {}), name, lines=lines, judge=judge)
    return None


@dataclass(frozen=True)
class SharedJudge(Judge):
    """A judge that reads what another worker has judged, and derives only what is not there."""

    lines: dict[str, bytes] = field(default_factory=dict)
    judge: Callable[[], Judge] | None = None

    @cached_property
    def own(self) -> Judge:
        """The judge of this process, made from the shared answers at its first use."""
        if self.judge is None:
            message = f"no verdicts in {VERDICTS}, and no judge to make them"
            raise LookupError(message)
        return self.judge()

    def __call__(self, cell: Cell, facet: Facet | None = None) -> Verdict:
        """Return the verdict on one facet of a cell, or on all of them."""
        shared = self._shared(cell)
        if facet is None or shared is None:
            return self.own(cell, facet)
        result, headline = shared["facets"][facet]
        account = tuple((label, text) for label, text in shared["account"])
        return Verdict(cell.id, Result(result), headline, account, facet)

    def expectation(self, cell: Cell) -> Expectation:
        """Return the shared expectation of a cell."""
        shared = self._shared(cell)
        if shared is None:
            return self.own.expectation(cell)
        if cell.id not in self.derived:
            self.derived[cell.id] = _EXPECTATION.validate_python(shared["expectation"])
        return self.derived[cell.id]

    def case(self, cell: Cell) -> JudgedCell:
        """Return a cell with its expectation and its observation, which only the shared answers have."""
        return self.own.case(cell)

    def observation(self, cell: Cell) -> Observation:
        """Return what was observed, which only the shared answers have."""
        return self.own.observation(cell)

    def _shared(self, cell: Cell) -> dict[str, Any] | None:
        """Return the parsed line of a cell; None if there is none."""
        with suppress(KeyError, ValueError, TypeError):
            found = json.loads(self.lines[cell.id])
            return found if set(found["facets"]) == set(Facet) else None
        return None
