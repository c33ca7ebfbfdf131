"""A comparison in the terminal: how many cells change and how, then each group with its rules and its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.analysis.change_classes import MEANINGS, OF_VERDICTS, Kind
from reports.analysis.diff_summary import describe_compared, group_by_answer, group_by_reason
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from reports.analysis.diff import ChangeGroup, Comparison, RuleText

SHOWN = 6  # cells of a change that are listed; the rest is counted
STYLES = {
    Kind.NEWLY_FAILING: "bold red",
    Kind.STILL_FAILING: "red",
    Kind.NEWLY_INCONCLUSIVE: "bold yellow",
    Kind.FIXED: "bold green",
    Kind.LOST_REACHABILITY: "bold red",
    Kind.INTERMITTENT: "bold red",
    Kind.WRONG_BACKEND: "bold red",
    Kind.LOST_SOURCE: "bold yellow",
    Kind.GAINED_REACHABILITY: "bold green",
    Kind.GAINED_SOURCE: "bold green",
}
QUIET = frozenset({Kind.CHANGED_BECAUSE})  # counted; listed only with `everything`


def render(comparison: Comparison, width: int = 120, *, color: bool = False, everything: bool = False) -> str:
    """Return the comparison as text of at most `width` columns.

    Args:
        comparison: what changes.
        width: columns of the terminal.
        color: with ANSI colours.
        everything: list every cell, and changes of the rules alone.

    """
    groups = [group for group in comparison.groups if everything or group.kind not in QUIET]
    blocks = [*_heads(comparison), Text(), _counts(comparison)]
    for number, group in enumerate(groups, start=1):
        blocks += _group(number, group, everything=everything)
    blocks += [Text(), *_not_compared(comparison, everything=everything)]
    return to_text(blocks, width, color=color)


def _heads(comparison: Comparison) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for label, side in (("before", comparison.before), ("after", comparison.after)):
        grid.add_row(Text(label, style="dim"), Text(side.about, style="bold"), Text(f"{side.kind} ({side.name})"))
    return [grid]


def _counts(comparison: Comparison) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right")
    for kind, count in comparison.counts.items():
        if count:
            grid.add_row(
                Text(str(count), style=STYLES.get(kind, "bold")), kind.value, Text(MEANINGS[kind], style="dim")
            )
    grid.add_row(
        str(comparison.same), "same", Text(f"of {comparison.compared} {describe_compared(comparison)}", style="dim")
    )
    return grid


def _group(number: int, group: ChangeGroup, *, everything: bool) -> list[RenderableType]:
    size = len(group.changes)
    title = Text(f"\n{number}. {group.kind.value}", style=STYLES.get(group.kind, "bold"))
    blocks: list[RenderableType] = [title.append(f"   {size} cell{'s' if size > 1 else ''}", style="not bold default")]
    blocks += describe_cause(group.come, group.gone)
    if not group.gone and not group.come and group.kind not in OF_VERDICTS:
        rules = dict.fromkeys(rule for change in group.changes for rule in change.after_rules)
        blocks.append(_line("rules", Text(f"the same on both sides: {' '.join(rules)}")))
    for (before, after, classed), cells in group_by_answer(group).items():
        blocks.append(Padding(Text(f"{before}  →  {after}").append(classed and f"   {classed}", "dim"), (0, 0, 0, 3)))
        shown = cells if everything else cells[:SHOWN]
        blocks += [Padding(Text(cell, style="dim"), (0, 0, 0, 7)) for cell in shown]
        if len(cells) > len(shown):
            more = f"and {len(cells) - len(shown)} more (--all)"
            blocks.append(Padding(Text(more, style="dim"), (0, 0, 0, 7)))
    return blocks


def describe_cause(come: RuleText | None, gone: Sequence[RuleText]) -> list[RenderableType]:
    """Return the rule that decides after the change, and the one that decided before. Of several only the ids."""
    before = [_rule("before", gone[0])] if len(gone) == 1 else []
    if len(gone) > 1:
        before = [_line("before", Text(f"by {', '.join(rule.id for rule in gone)}"))]
    return [*before, _rule("after", come)] if come else before


def _rule(label: str, rule: RuleText) -> RenderableType:
    text = Text(f"{rule.id}  {rule.sentence}")
    since = "" if rule.versions in {"", "all"} else f"kube-proxy {rule.versions}; "
    return _line(label, text.append(f"\n{since}{rule.citation}", style="dim") if rule.citation else text)


def _line(label: str, text: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=6, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, text)
    return Padding(grid, (0, 0, 0, 3))


def _not_compared(comparison: Comparison, *, everything: bool) -> Iterable[RenderableType]:
    left = comparison.not_compared
    if not left:
        return
    yield Text(f"{len(left)} cells could not be compared", style="bold")
    for reason, cells in group_by_reason(comparison).items():
        yield Padding(Text(f"{len(cells)}  {reason}"), (0, 0, 0, 3))
        yield from (Padding(Text(cell, style="dim"), (0, 0, 0, 7)) for cell in (cells if everything else cells[:2]))
