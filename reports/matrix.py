"""The terminal matrix: per Service one table, vantage x frontend, each cell its verdict, outcome and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from probes.verdict import Result
from reports import words
from reports.style import COLOURS, MARKS, printed
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from reports.record import Record

_KINDS = tuple(kind.value for kind in FrontendKind)
_PLACES = (".loopback", "-cni0", "-vtep")
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
    return words.short(observed.outcomes, (source.said for source in observed.sources), observed.trouble)


def column(record: Record) -> str:
    """The frontend; family and protocol only where they are not the usual v4 tcp."""
    usual = (record.cell.family, record.cell.protocol) == ("v4", "tcp")
    return record.cell.frontend if usual else f"{record.cell.frontend} {record.cell.family} {record.cell.protocol}"


def columns(records: Iterable[Record]) -> tuple[str, ...]:
    """The columns of a Service's table: kinds in a fixed order, nodes' primary addresses before their others."""
    found = {column(record): record.cell for record in records}

    def rank(label: str) -> tuple[int, bool, int, str]:
        cell = found[label]
        place = next((at for at, ending in enumerate(_PLACES, start=1) if cell.frontend.endswith(ending)), 0)
        return _KINDS.index(cell.frontend_kind), "undeclared" in label, place, label

    return tuple(sorted(found, key=rank))


def _service(service: str, records: Sequence[Record], width: int) -> list[RenderableType]:
    vantages = tuple(dict.fromkeys(record.cell.vantage for record in records))
    cells = {(record.cell.vantage, column(record)): record for record in records}
    title = Text(service, style="bold").append(f"  {_score(records)}", style="default")
    first = max(map(len, vantages)) + 3
    return [
        title,
        *(_table(vantages, chunk, cells) for chunk in _chunks(columns(records), cells, width - first)),
    ]


def _score(records: Sequence[Record]) -> str:
    counts = {result: sum(record.verdict is result for record in records) for result in Result}
    return "  ".join(f"{MARKS[result]} {count}" for result, count in counts.items() if count)


def _chunks(names: Iterable[str], cells: dict[tuple[str, str], Record], room: int) -> list[tuple[str, ...]]:
    """Columns in groups that fit `room`, three characters between them."""
    chunks: list[tuple[str, ...]] = []
    used = room + 1
    for name in names:
        need = min(WIDEST, max(len(name), *(len(told(r)) + 2 for (_, at), r in cells.items() if at == name))) + 3
        if used + need > room or not chunks:
            chunks.append(())
            used = 0
        chunks[-1] = (*chunks[-1], name)
        used += need
    return chunks


def _table(vantages: Sequence[str], names: Sequence[str], cells: dict[tuple[str, str], Record]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("from", no_wrap=True)
    for name in names:
        table.add_column(name, max_width=WIDEST, overflow="fold")
    for vantage in vantages:
        found = [cells.get((vantage, name)) for name in names]
        if any(found):
            table.add_row(vantage, *(_text(record) for record in found))
    return table


def _text(record: Record | None) -> Text:
    if record is None:
        return Text("·", style="dim")
    return Text(f"{MARKS[record.verdict]} {told(record)}", style=COLOURS[record.verdict])
