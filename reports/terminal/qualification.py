"""A qualification in the terminal: the verdict, both sides, then each cause with what was predicted and observed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.analysis.release.change_class import CLASS_MEANINGS, ChangeClass
from reports.analysis.release.story import ReleaseVerdict
from reports.analysis.release.wording import (
    describe_observation,
    describe_phases,
    describe_prediction,
    describe_run,
    group_by_answers,
)
from reports.terminal.diff import describe_cause
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from reports.analysis.release.story import (
        Qualification,
        QualifiedCell,
        QualifiedGroup,
    )

WAYS = 3  # changes of answer of a cause that are listed; the others are counted
CELLS = 2  # cells of each that are listed
STYLES = {
    ReleaseVerdict.QUALIFIED: "bold green",
    ReleaseVerdict.NOT_QUALIFIED: "bold red",
    ReleaseVerdict.INCONCLUSIVE: "bold yellow",
    ReleaseVerdict.PREDICTED: "bold",
}
CLASS_STYLES = {
    ChangeClass.SEEN_NOT_MEANT: "bold red",
    ChangeClass.MEANT_NOT_SEEN: "bold red",
    ChangeClass.NOT_TESTED: "bold yellow",
}


def render(story: Qualification, width: int = 120, *, color: bool = False, everything: bool = False) -> str:
    """Return the qualification as text of at most `width` columns.

    Args:
        story: What changes.
        width: Columns of the terminal.
        color: With ANSI colors.
        everything: List every change of answer and every cell.

    """
    blocks: list[RenderableType] = [Text(story.headline, style=STYLES[story.verdict]), Text(), _sides(story), Text()]
    blocks.append(_counts(story))
    for number, group in enumerate(story.groups, start=1):
        blocks += _group(number, group, everything=everything)
    blocks += _one_sided(story, everything=everything)
    if times := describe_phases(story.phases):
        blocks.append(Text(f"\n{times}"))
    return to_text(blocks, width, color=color)


def _sides(story: Qualification) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(overflow="fold")
    for label, side in (("from", story.before), ("to", story.after)):
        about = Text(side.about, style="bold").append(f"   {side.predicted} cells predicted ({side.name})", "not bold")
        grid.add_row(Text(label, style="dim"), about)
        grid.add_row("", Text(describe_run(side)))
    return grid


def _counts(story: Qualification) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right")
    for one, count in story.counts.items():
        if count:
            style = CLASS_STYLES.get(one, "bold")
            grid.add_row(Text(str(count), style=style), one.value, Text(CLASS_MEANINGS[one], style="dim"))
    if story.by_other_rules:
        grid.add_row("", "", Text(f"{story.by_other_rules} of them by other rules", style="dim"))
    return grid


def _group(number: int, group: QualifiedGroup, *, everything: bool) -> list[RenderableType]:
    kinds = ", ".join(f"{count} {kind.value}" for kind, count in group.kinds.items())
    title = Text(f"\n{number}. {group.change_class.value}", style=CLASS_STYLES.get(group.change_class, "bold"))
    size = len(group.cells)
    title.append(f"   {size} cell{'s' if size > 1 else ''}{f': {kinds}' if kinds else ''}", style="not bold default")
    ways = group_by_answers(group.cells)
    shown = ways if everything else ways[:WAYS]
    blocks = [title, *describe_cause(group.rule, group.instead_of)]
    for cells in shown:
        blocks += [_answers(cells[0]), *_cells(cells, everything=everything)]
    if left := ways[len(shown) :]:
        count = sum(map(len, left))
        other = f"{len(left)} other way{'s' if len(left) > 1 else ''}"
        blocks.append(_indent(f"and {count} cell{'s' if count > 1 else ''} in {other} (--all)", 3))
    return blocks


def _answers(cell: QualifiedCell) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    rows = {
        "predicted": describe_prediction(cell),
        "observed": describe_observation(cell),
        "expected": cell.expected,
        "reason": cell.reason,
    }
    for label, text in rows.items():
        if text:
            grid.add_row(label, text)
    return Padding(grid, (0, 0, 0, 3))


def _cells(cells: list[QualifiedCell], *, everything: bool) -> Iterable[RenderableType]:
    shown = cells if everything else cells[:CELLS]
    yield from (_indent(cell.cell, 7) for cell in shown)
    if len(cells) > len(shown):
        yield _indent(f"and {len(cells) - len(shown)} more", 7)


def _indent(text: str, columns: int) -> RenderableType:
    return Padding(Text(text, style="dim"), (0, 0, 0, columns))


def _one_sided(story: Qualification, *, everything: bool) -> Iterable[RenderableType]:
    """Return the cells that only one side has, by reason."""
    if not story.one_sided:
        return
    yield Text(f"\n{len(story.one_sided)} cells only one side has", style="bold")
    for reason, count in Counter(one.reason for one in story.one_sided).most_common():
        names = [one.cell for one in story.one_sided if one.reason == reason]
        yield Padding(Text(f"{count}  {reason}"), (0, 0, 0, 3))
        yield from (_indent(name, 7) for name in (names if everything else names[:CELLS]))
