"""The terminal matrix: per Service one table, vantage x frontend, each cell its verdict, outcome and source."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from rich import box
from rich.table import Table
from rich.text import Text

from probes.judging.verdict import Result
from reports import formatting
from reports.analysis.causes.differences import format_difference
from reports.columns import LEGEND, Placed, Places, by_service
from reports.formatting import MARKS
from reports.glossary import find_words
from reports.terminal.theme import COLOURS, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from reports.records.record import Record

T = TypeVar("T", bound=Placed)
Faces = dict[tuple[str, str], Text]
WIDEST = 26  # columns of a table cell; longer text wraps inside it
GAP = 2


def render(
    records: Sequence[Record], width: int = 120, *, color: bool = False, declared: Mapping[str, Any] | None = None
) -> str:
    """Return the matrix as text of at most `width` columns; wider tables continue below.

    Args:
        records: the judged cells.
        width: columns of the terminal.
        color: with ANSI colours.
        declared: the run's `topology.declared`; without it NodePorts have a column per node.

    """
    blocks = tables(records, _text, _score, width, declared or {})
    blocks.append(
        Text("✓ as expected   ✗ not as expected   ? inconclusive; a cell shows the observed outcome and source")
    )
    blocks.append(Text(LEGEND, style="dim"))
    words = find_words(describe_record(record) for record in records)
    blocks.append(Text("; ".join(f"{word}: {meaning}" for word, meaning in words.items()), style="dim"))
    return to_text(blocks, width, color=color)


def tables(
    items: Sequence[T],
    face: Callable[[T], Text],
    score: Callable[[Sequence[T]], str],
    width: int,
    declared: Mapping[str, Any],
) -> list[RenderableType]:
    """Return a table per Service.

    Args:
        items: judged records or predicted cells.
        face: returns the text of one item.
        score: returns what stands beside the Service's name.
        width: columns of the terminal.
        declared: the declared topology.

    """
    places = Places.of(declared)
    blocks: list[RenderableType] = []
    for service, own in by_service(items).items():
        title = Text(service, style="bold").append(f"  {score(own)}", style="not bold")
        if about := places.abouts.get(service):
            title.append(f"   {about}", style="not bold dim")
        blocks += [title, *_service(own, face, width, places)]
    return blocks


def describe_record(record: Record) -> str:
    """Return one cell in words: `ok kept`, `ok vtep(n1)`, `timeout`, `refused`."""
    observed = record.observed
    return formatting.format_cell(observed.outcomes, (source.label for source in observed.sources), observed.trouble)


def _service(items: Sequence[T], face: Callable[[T], Text], width: int, places: Places) -> list[RenderableType]:
    vantages = tuple(dict.fromkeys(item.cell.vantage for item in items))
    faces = {(item.cell.vantage, places.column(item.cell)): face(item) for item in items}
    chunks = _chunks(places.columns(items), faces, width - max(map(len, vantages)) - GAP)
    return [part for chunk in chunks for part in (_table(vantages, chunk, faces), Text())]


def _score(records: Sequence[Record]) -> str:
    counts = {result: sum(record.verdict is result for record in records) for result in Result}
    return "  ".join(f"{MARKS[result]} {count}" for result, count in counts.items() if count)


def _chunks(names: Iterable[str], faces: Faces, room: int) -> list[tuple[str, ...]]:
    """Return columns in groups that fit `room`, `GAP` characters between them."""
    chunks: list[tuple[str, ...]] = []
    used = room + 1
    widest: dict[str, int] = {}
    for (_, name), text in faces.items():
        widest[name] = max(widest.get(name, 0), *map(len, text.plain.split("\n")))
    for name in names:
        need = min(WIDEST, max(*map(len, name.split(".")), widest[name])) + GAP
        if used + need > room or not chunks:
            chunks.append(())
            used = 0
        chunks[-1] = (*chunks[-1], name)
        used += need
    return chunks


def _table(vantages: Sequence[str], names: Sequence[str], faces: Faces) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("\nfrom", no_wrap=True)
    for heading in _headings(names):
        table.add_column(heading, max_width=WIDEST, overflow="fold")
    for vantage in vantages:
        found = [faces.get((vantage, name)) for name in names]
        if any(found):
            table.add_row(vantage, *(text or Text("·", style="dim") for text in found))
    return table


def _headings(names: Sequence[str]) -> list[str]:
    """Return headings of two lines: the kind of frontend over the first column of its kind, the place over each."""
    headings = []
    for kind, same in groupby(names, key=lambda name: name.partition(".")[0]):
        for index, name in enumerate(same):
            headings.append(f"{'' if index else kind}\n{name.partition('.')[2]}")
    return headings


def _text(record: Record) -> Text:
    """Return the result; below it what was expected if the cell failed."""
    seen, expected = format_difference(record)
    lines = [f"{MARKS[record.verdict]} {seen or describe_record(record)}", expected]
    return Text("\n  ".join(filter(None, lines)), style=COLOURS[record.verdict])
