"""A conformance report in the terminal: the profiles, the rows that are not kept, what is free, how to reproduce it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from probes.contract.judging import WORST_FIRST, ContractResult
from reports.analysis.conformance.convergence import describe_row_convergence, measure_slowest
from reports.analysis.conformance.report import ConformanceResult, RowStatus
from reports.analysis.conformance.wording import describe_evidence, describe_row, describe_tested
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from reports.analysis.conformance.report import (
        ConformanceProfile,
        ConformanceReport,
        ConformanceRow,
        LevelStatus,
    )

CHANGES = 3  # changes whose convergence is listed; the others are counted
CELLS = 2  # cells of a row that are listed; the others are counted
STYLES = {
    ConformanceResult.SUCCESS: "green",
    ConformanceResult.PARTIAL: "yellow",
    ConformanceResult.FAILURE: "bold red",
}
ROW_STYLES = {ContractResult.BROKEN: "bold red", ContractResult.UNUSUAL: "yellow", ContractResult.KEPT: "green"}


def render(report: ConformanceReport, width: int = 120, *, color: bool = False, everything: bool = False) -> str:
    """Return the report as text of at most `width` columns.

    Args:
        report: What the runs show.
        width: Columns of the terminal.
        color: With ANSI colors.
        everything: List every row, and every cell that breaks one.

    """
    blocks: list[RenderableType] = [Text(describe_tested(report), style="bold")]
    if report.is_simulated:
        blocks.append(Text("simulated: no cluster was asked", style="yellow"))
    blocks += [Text(), _profiles(report.profiles), *_features(report.profiles)]
    shown = [row for row in report.rows if everything or row.status is RowStatus.FAILED]
    for row in sorted(shown, key=lambda row: (WORST_FIRST.index(row.result), row.number)):
        blocks += _row(row, everything=everything)
    blocks += [*_free(report.unspecified), *_convergence(report, everything=everything)]
    return to_text([*blocks, *_reproduce(report)], width, color=color)


def _profiles(profiles: Iterable[ConformanceProfile]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for one in profiles:
        for level, status in (("core", one.core), ("extended", one.extended)):
            if status:
                grid.add_row(Text(one.name, style="bold") if level == "core" else "", level, *_status(status))
    return grid


def _status(status: LevelStatus) -> tuple[Text, str]:
    counts = status.statistics
    text = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
    return Text(status.result.value, style=STYLES[status.result]), text


def _features(profiles: Iterable[ConformanceProfile]) -> Iterable[RenderableType]:
    found: dict[str, set[str]] = {}
    for one in profiles:
        for word in ("supported", "unsupported", "skipped"):
            found.setdefault(word, set()).update(getattr(one.extended, f"{word}_features", ()))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for word, features in found.items():
        if features:
            grid.add_row(f"{word} features", ", ".join(sorted(features)))
    yield from (Text(), grid)


def _row(row: ConformanceRow, *, everything: bool) -> Iterable[RenderableType]:
    yield Text()
    yield Text(f"row {row.number} {row.name} ({row.level})", style="bold")
    yield _indent(row.sentence, 3)
    yield _indent(describe_row(row), 3, ROW_STYLES.get(row.result, "dim"))
    cells = row.evidence if everything else row.evidence[:CELLS]
    yield from (_indent(describe_evidence(one), 5, "dim") for one in cells)
    if more := len(row.evidence) - len(cells):
        yield _indent(f"and {more} more (--all)", 5, "dim")


def _indent(text: str, columns: int, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, columns))


def _free(rows: Iterable[ConformanceRow]) -> Iterable[RenderableType]:
    asked = [row for row in rows if row.status is RowStatus.FREE]
    if asked:
        yield from (Text(), Text("Nothing is promised here. This network does:", style="bold"))
    for row in asked:
        yield _indent(f"row {row.number} {row.name}", 3)
        yield _indent(describe_row(row), 5, "dim")


def _convergence(report: ConformanceReport, *, everything: bool) -> Iterable[RenderableType]:
    """Yield how long changes took, the slowest rows first."""
    found = sorted(report.convergence, key=lambda one: -measure_slowest(one))
    if found:
        yield from (Text(), Text("How long until a change took effect:", style="bold"))
    shown = found if everything else found[:CHANGES]
    for one in shown:
        yield _indent(f"{one.row}, {describe_row_convergence(one)}", 3)
    if more := len(found) - len(shown):
        yield _indent(f"and {more} faster ones (--all)", 3, "dim")


def _reproduce(report: ConformanceReport) -> Iterable[RenderableType]:
    yield from (Text(), Text("To reproduce:", style="bold"))
    for one in report.reproduce:
        yield _indent(f"topology {one.topology}, Hairpin {one.hairpin_version}", 3)
        yield Text(f"   {one.command}", no_wrap=True)
