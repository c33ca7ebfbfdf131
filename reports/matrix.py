"""The terminal matrix: per Service one table, vantage x frontend, each cell its verdict, outcome and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from probes.verdict import Result
from reports import words
from reports.style import COLOURS, MARKS, printed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from reports.record import Record

WIDEST = 30  # columns of a table cell; longer text wraps inside it


def render(records: Sequence[Record], width: int = 120, *, color: bool = False) -> str:
    """The matrix as text of at most `width` columns; tables too wide are continued below."""
    services = dict.fromkeys(record.cell.service for record in records)
    blocks: list[RenderableType] = []
    for service in services:
        own = [record for record in records if record.cell.service == service]
        blocks += _service(service, own, width)
    blocks.append(Text("✓ as expected   ✗ otherwise   ? could not be told      the cell shows what was observed"))
    return printed(blocks, width, color=color)


def told(record: Record) -> str:
    """One cell in words: `ok kept`, `ok vtep(n1)`, `timeout`, `refused`."""
    observed = record.observed
    return words.short(observed.outcomes, (source.name for source in observed.sources), observed.trouble)


def _service(service: str, records: Sequence[Record], width: int) -> list[RenderableType]:
    vantages = tuple(dict.fromkeys(record.cell.vantage for record in records))
    columns = tuple(dict.fromkeys(map(_column, records)))
    cells = {(record.cell.vantage, _column(record)): record for record in records}
    title = Text(f"\n{service}", style="bold").append(f"  {_score(records)}", style="default")
    first = max(map(len, vantages)) + 3
    return [
        title,
        *(_table(vantages, chunk, cells) for chunk in _chunks(columns, cells, width - first)),
    ]


def _column(record: Record) -> str:
    """The frontend; family and protocol only where they are not the usual v4 tcp."""
    usual = (record.cell.family, record.cell.protocol) == ("v4", "tcp")
    return record.cell.frontend if usual else f"{record.cell.frontend} {record.cell.family} {record.cell.protocol}"


def _score(records: Sequence[Record]) -> str:
    counts = {result: sum(record.verdict is result for record in records) for result in Result}
    return "  ".join(f"{MARKS[result]} {count}" for result, count in counts.items() if count)


def _chunks(columns: Iterable[str], cells: dict[tuple[str, str], Record], room: int) -> list[tuple[str, ...]]:
    """Columns in groups that fit `room`, three characters between them."""
    chunks: list[tuple[str, ...]] = []
    used = room + 1
    for column in columns:
        need = min(WIDEST, max(len(column), *(len(told(r)) + 2 for (_, at), r in cells.items() if at == column))) + 3
        if used + need > room or not chunks:
            chunks.append(())
            used = 0
        chunks[-1] = (*chunks[-1], column)
        used += need
    return chunks


def _table(vantages: Sequence[str], columns: Sequence[str], cells: dict[tuple[str, str], Record]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("from", no_wrap=True)
    for column in columns:
        table.add_column(column, max_width=WIDEST, overflow="fold")
    for vantage in vantages:
        found = [cells.get((vantage, column)) for column in columns]
        if any(found):
            table.add_row(vantage, *(_text(record) for record in found))
    return table


def _text(record: Record | None) -> Text:
    if record is None:
        return Text("·", style="dim")
    return Text(f"{MARKS[record.verdict]} {told(record)}", style=COLOURS[record.verdict])
