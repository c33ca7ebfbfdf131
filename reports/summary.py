"""The end of a run in the terminal: counts by verdict, Service and vantage, then what failed, told once a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from probes.verdict import Facet, Result
from reports import words
from reports.style import COLOURS, MARKS, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import RenderableType

    from reports.record import Record

SHOWN = 12  # further cells of a group that are named; the rest is counted


@dataclass(frozen=True, slots=True)
class Group:
    """Records that did not pass for the same reason. The first one's account stands for all."""

    verdict: Result
    rules: tuple[str, ...]
    headline: str
    records: tuple[Record, ...]


def counts(records: Iterable[Record]) -> dict[Result, int]:
    """How many records have each verdict; all three are always there."""
    found = dict.fromkeys(Result, 0)
    for record in records:
        found[record.verdict] += 1
    return found


def groups(records: Iterable[Record]) -> tuple[Group, ...]:
    """What did not pass, grouped by what it shares; failures before inconclusive, the largest group first.

    Failures share the rules (or the because, where there are none) and the facets that failed; inconclusive ones
    share their trouble and where they were asked from.
    """
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        if record.verdict is not Result.PASS:
            found.setdefault(_shared(record), []).append(record)
    made = (Group(same[0].verdict, same[0].rules, same[0].headline, tuple(same)) for same in found.values())
    return tuple(sorted(made, key=lambda group: (group.verdict is not Result.FAIL, -len(group.records))))


def render(records: Sequence[Record], width: int = 120, *, color: bool = False, evidence: str = "") -> str:
    """The summary as text of at most `width` columns; `evidence` names the run's folder in the last line."""
    blocks: list[RenderableType] = [_counts_table("Service", records, lambda record: record.cell.service)]
    blocks.append(_counts_table("from", records, lambda record: record.cell.vantage))
    for number, group in enumerate(groups(records), start=1):
        blocks += _group(number, group)
    blocks.append(_total(records))
    if evidence:
        blocks.append(Text(f"details  {evidence}", overflow="fold"))
    return printed(blocks, width, color=color)


def _shared(record: Record) -> tuple[object, ...]:
    if record.verdict is Result.INCONCLUSIVE:
        return record.verdict, record.cell.vantage, record.observed.trouble or record.headline
    return record.verdict, record.rules or record.because, _facets(record, Result.FAIL) or record.headline


def _facets(record: Record, result: Result) -> tuple[Facet, ...]:
    return tuple(sorted(facet for facet, found in record.facets.items() if found is result))


def _counts_table(title: str, records: Sequence[Record], key: Callable[[Record], str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column(title, overflow="fold")
    for result in Result:
        table.add_column(f"{MARKS[result]} {result}", justify="right")
    for name in dict.fromkeys(map(key, records)):
        found = counts(record for record in records if key(record) == name)
        table.add_row(name, *(_number(result, count) for result, count in found.items()))
    return table


def _number(result: Result, count: int) -> Text:
    return Text(str(count), style=COLOURS[result]) if count else Text("·", style="dim")


def _group(number: int, group: Group) -> list[RenderableType]:
    first, *others = group.records
    mark = f"{MARKS[group.verdict]} {number}. {group.headline}"
    size = f"  {len(group.records)} cells" if others else ""
    blocks: list[RenderableType] = [Text(f"\n{mark}{size}", style=COLOURS[group.verdict]), Text(f"  {first.cell.id}")]
    blocks += [_line(line.label, line.text) for line in first.account]
    if not first.account:
        blocks += [_line("expected", first.expected.summary), _line("observed", first.observed.summary)]
    if group.rules and not first.account:
        blocks.append(_line("rules", ", ".join(group.rules)))
    blocks += [_line("likewise", _likewise(record)) for record in others[:SHOWN]]
    if len(others) > SHOWN:
        blocks.append(_line("", f"and {len(others) - SHOWN} more, in run.json and report.html"))
    return blocks


def _likewise(record: Record) -> str:
    sources = words.joined(source.said for source in record.observed.sources)
    return f"{record.cell.id}: {record.observed.summary}{f', source {sources}' if sources else ''}"


def _line(label: str, text: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=9, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(text))
    return Padding(grid, (0, 0, 0, 4))


def _total(records: Sequence[Record]) -> Text:
    found = counts(records)
    parts = [f"{count} {result}" for result, count in found.items() if count]
    worst = next((result for result in (Result.FAIL, Result.INCONCLUSIVE) if found[result]), Result.PASS)
    return Text(f"\n{len(records)} cells: {', '.join(parts) or 'none asked'}", style=COLOURS[worst])
