"""The summary of a run in the terminal: counts by Service and vantage, then failures grouped by cause."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from probes.judging.verdict import Result
from reports.analysis.counts import count_verdicts
from reports.analysis.failure_groups import count_coordinates, group_failures
from reports.formatting import MARKS
from reports.terminal.theme import COLOURS, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import RenderableType

    from reports.analysis.failure_groups import FailureGroup, Totals
    from reports.records.record import Record

REASONS = 5  # reasons for inconclusive cells that are listed; the rest is counted
SHOWN = 12  # frontends of a group that are listed; the rest is counted


def untested(records: Iterable[Record], missing: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a line for each reason of inconclusive cells, most cells first: `NOT TESTED: why: 84 cells inconclusive`.

    `missing`: reasons that are printed even if no cell has them.
    """
    reasons = Counter(
        record.observed.trouble or record.headline for record in records if record.verdict is Result.INCONCLUSIVE
    )
    lines = [f"NOT TESTED: {reason}: {_cells(count)} inconclusive" for reason, count in reasons.most_common()]
    named = "\n".join(reasons)
    alone = [f"NOT TESTED: {reason}: no cell of it was chosen" for reason in missing if reason not in named]
    more = len(lines) - REASONS
    hidden = [f"NOT TESTED: {more} more reasons, below"] if more > 0 else []
    return (*alone, *lines[:REASONS], *hidden)


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count > 1 else ''}"


def render(records: Sequence[Record], width: int = 120, *, color: bool = False) -> str:
    """Return the summary as text of at most `width` columns."""
    blocks: list[RenderableType] = []
    if any(record.verdict is not Result.PASS for record in records):
        blocks += [
            _counts_table("Service", records, lambda record: record.cell.service),
            Text(),
            _counts_table("from", records, lambda record: record.cell.vantage),
        ]
    totals = count_coordinates(records)
    for number, group in enumerate(group_failures(records), start=1):
        blocks += _group(number, group, totals)
    blocks.append(_total(records))
    return to_text(blocks, width, color=color)


def _counts_table(title: str, records: Sequence[Record], key: Callable[[Record], str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column(title, overflow="fold")
    for result in Result:
        table.add_column(f"{MARKS[result]} {result}", justify="right")
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(key(record), []).append(record)
    for name in dict.fromkeys(key(record) for record in records if record.verdict is not Result.PASS):
        found = count_verdicts(by_name[name])
        table.add_row(name, *(_number(result, count) for result, count in found.items()))
    return table


def _number(result: Result, count: int) -> Text:
    return Text(str(count), style=COLOURS[result]) if count else Text("·", style="dim")


def _group(number: int, group: FailureGroup, totals: Totals) -> list[RenderableType]:
    """Return the headline, what the cells have in common, the cells, and the account of the first."""
    first, *others = group.records
    mark = f"{MARKS[group.verdict]} {number}. {group.headline}"
    size = f"  {len(group.records)} cells" if others else ""
    blocks: list[RenderableType] = [Text(f"\n{mark}{size}", style=COLOURS[group.verdict])]
    if others:
        blocks += [_line("common", ", ".join(common))] if (common := group.shared(totals)) else []
        blocks += [_line("rules", " ".join(group.rules))] if group.rules else []
        listed = [f"{frontend}  from {' '.join(who)}" for frontend, who in group.where[:SHOWN]]
        blocks += [_line("" if index else "cells", text) for index, text in enumerate(listed)]
        if len(group.where) > SHOWN:
            blocks.append(_line("", f"and at {len(group.where) - SHOWN} more frontends, in report.html and run.json"))
    blocks.append(_line("example" if others else "cell", first.cell.id))
    blocks += [_line(line.label, line.text) for line in first.account]
    if not first.account:
        blocks += [_line("expected", first.expected.summary), _line("observed", first.observed.summary)]
    return blocks


def _line(label: str, text: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=9, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(text))
    return Padding(grid, (0, 0, 0, 4))


def _total(records: Sequence[Record]) -> Text:
    found = count_verdicts(records)
    parts = [f"{count} {result}" for result, count in found.items() if count]
    worst = next((result for result in (Result.FAIL, Result.INCONCLUSIVE) if found[result]), Result.PASS)
    return Text(f"\n{len(records)} cells: {', '.join(parts) or 'none asked'}", style=COLOURS[worst])
