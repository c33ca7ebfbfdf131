"""The diff of two conformance reports in the terminal: the rows that changed, strongest level first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from reports.analysis.conformance.diff import RowChangeKind
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from reports.analysis.conformance.diff import ConformanceDiff, RowChange

STYLES = {
    RowChangeKind.NEWLY_BROKEN: "bold red",
    RowChangeKind.NEWLY_UNUSUAL: "bold yellow",
    RowChangeKind.NEWLY_NOT_ASKED: "yellow",
    RowChangeKind.FIXED: "green",
}


def render(found: ConformanceDiff, width: int = 120, *, color: bool = False) -> str:
    """Return the diff as text of at most `width` columns."""
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts.items())
    head = f"{found.compared} rows compared: {f'{counts}, ' if counts else ''}{found.unchanged} unchanged"
    blocks: list[RenderableType] = [Text(head, style="bold")]
    blocks += [Text(f"before  {found.before}", style="dim"), Text(f"after   {found.after}", style="dim")]
    for one in found.changes:
        blocks += _change(one)
    return to_text(blocks, width, color=color)


def _change(one: RowChange) -> Iterable[RenderableType]:
    title = Text(f"\n{one.kind}", style=STYLES.get(one.kind, "bold"))
    yield title.append(f"   row {one.number} {one.name} ({one.level})", "not bold default")
    yield _indent(one.sentence)
    yield _indent(f"before  {one.before or 'no such row'}")
    yield _indent(f"after   {one.after or 'no such row'}")
    yield from (_indent(text, 11) for text in one.evidence)


def _indent(text: str, columns: int = 3) -> RenderableType:
    return Padding(Text(text), (0, 0, 0, columns))
