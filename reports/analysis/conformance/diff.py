"""Compare two conformance reports: the rows whose result changed, strongest level and worst change first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from probes.contract.judging import DIFFERS, ContractResult
from probes.contract.sources import RANKED, Level
from reports.analysis.conformance.report import ConformanceError, ReportPart
from reports.analysis.conformance.wording import describe_evidence, describe_row

if TYPE_CHECKING:
    from reports.analysis.conformance.report import ConformanceRow

ROW_DIFF_KIND: Literal["ConformanceDiff"] = "ConformanceDiff"
CELLS = 4  # cells of a row that a change names


class RowChangeKind(StrEnum):
    """What changed in a row, worst first."""

    NEWLY_BROKEN = "newly-broken"
    NEWLY_UNUSUAL = "newly-unusual"
    NEWLY_NOT_ASKED = "newly-not-asked"
    ROW_REMOVED = "row-removed"
    CHANGED_LEVEL = "changed-level"
    CHANGED_FREE = "changed-free"
    ROW_ADDED = "row-added"
    NEWLY_ASKED = "newly-asked"
    FIXED = "fixed"


ROW_CHANGE_MEANINGS = {
    RowChangeKind.NEWLY_BROKEN: "a must was not broken before and is now",
    RowChangeKind.NEWLY_UNUSUAL: "a should was kept before and is not now",
    RowChangeKind.NEWLY_NOT_ASKED: "the row was asked before and is not now",
    RowChangeKind.ROW_REMOVED: "only the report before has the row",
    RowChangeKind.CHANGED_LEVEL: "the row has another level in the other version",
    RowChangeKind.CHANGED_FREE: "nothing is promised, and other answers are seen",
    RowChangeKind.ROW_ADDED: "only the report after has the row",
    RowChangeKind.NEWLY_ASKED: "the row was not asked before, and is kept or free now",
    RowChangeKind.FIXED: "the row was not kept before and is kept now",
}
KINDS_WORST_FIRST = tuple(RowChangeKind)


class RowChange(ReportPart):
    """A row that changed. `before` and `after`: what happened, empty if that report does not have the row."""

    kind: RowChangeKind
    name: str
    number: int
    level: Level
    sentence: str
    before: str = ""
    after: str = ""
    evidence: tuple[str, ...] = ()
    """The first cells that break the row after."""


class ConformanceDiff(ReportPart):
    """What changed between two reports. `compared`: rows that both have."""

    kind: Literal["ConformanceDiff"]
    before: str
    after: str
    compared: int
    unchanged: int
    counts: dict[RowChangeKind, int] = Field(default_factory=dict)
    changes: tuple[RowChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ConformanceSide:
    """One side of a diff: what it is called, and its rows."""

    name: str
    rows: tuple[ConformanceRow, ...]


def compare_reports(before: ConformanceSide, after: ConformanceSide) -> ConformanceDiff:
    """Return the rows that changed.

    Raises:
        ConformanceError: The two have no row in common.

    """
    old, new = ({row.name: row for row in side.rows} for side in (before, after))
    if not (both := old.keys() & new.keys()):
        message = f"{before.name} and {after.name}: got no row in both, want reports of the same contract"
        raise ConformanceError(message)
    found = [change for name in old | new if (change := _compare(old.get(name), new.get(name)))]
    found.sort(key=lambda one: (RANKED.index(one.level), KINDS_WORST_FIRST.index(one.kind), one.number))
    counts = Counter(one.kind for one in found)
    return ConformanceDiff(
        kind=ROW_DIFF_KIND,
        before=before.name,
        after=after.name,
        compared=len(both),
        unchanged=len(both) - sum(one.name in both for one in found),
        counts={kind: counts[kind] for kind in KINDS_WORST_FIRST if counts[kind]},
        changes=tuple(found),
    )


def _compare(before: ConformanceRow | None, after: ConformanceRow | None) -> RowChange | None:
    shown = [row for row in (after, before) if row]
    kind = classify_row(before, after)
    if kind is None:
        return None
    return RowChange(
        kind=kind,
        name=shown[0].name,
        number=shown[0].number,
        level=min((row.level for row in shown), key=RANKED.index),
        sentence=shown[0].sentence,
        before=describe_row(before) if before else "",
        after=describe_row(after) if after else "",
        evidence=tuple(map(describe_evidence, after.evidence[:CELLS])) if after else (),
    )


def classify_row(before: ConformanceRow | None, after: ConformanceRow | None) -> RowChangeKind | None:
    """Return how a row changed; None if its result is the same."""
    if before is None or after is None:
        return RowChangeKind.ROW_ADDED if before is None else RowChangeKind.ROW_REMOVED
    if before.result is not after.result:
        return _classify_results(before.result, after.result)
    if before.level is not after.level:
        return RowChangeKind.CHANGED_LEVEL
    return RowChangeKind.CHANGED_FREE if before.answers.keys() != after.answers.keys() else None


def _classify_results(before: ContractResult, after: ContractResult) -> RowChangeKind:
    if after is ContractResult.BROKEN:
        return RowChangeKind.NEWLY_BROKEN
    if after is ContractResult.UNUSUAL and before is not ContractResult.BROKEN:
        return RowChangeKind.NEWLY_UNUSUAL
    if after is ContractResult.NOT_ASKED:
        return RowChangeKind.NEWLY_NOT_ASKED
    if before is ContractResult.NOT_ASKED:
        return RowChangeKind.NEWLY_ASKED
    return RowChangeKind.FIXED if before in DIFFERS and after is ContractResult.KEPT else RowChangeKind.CHANGED_LEVEL
