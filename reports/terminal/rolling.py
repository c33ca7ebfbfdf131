"""A rolling exchange in the terminal: for each node a table of its phases, the broken cells, the held connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.analysis.rolling_groups import (
    count_fates,
    describe_broken,
    describe_fate,
    describe_left,
    find_notable,
    group_broken,
)
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from reports.analysis.rolling import ExchangePhase, ExchangeStep, RollingExchange

SHOWN = 4  # cells of a group that are listed; the rest is counted


def render(found: RollingExchange, width: int = 120, *, color: bool = False, everything: bool = False) -> str:
    """Return the exchange as text of at most `width` columns.

    Args:
        found: What was observed.
        width: Columns of the terminal.
        color: With ANSI colours.
        everything: List every cell.

    """
    blocks: list[RenderableType] = [*_head(found)]
    for number, step in enumerate(found.steps, start=1):
        blocks += _step(number, len(found.steps), step, found, everything=everything)
    blocks += [Text(), *_tail(found)]
    return to_text(blocks, width, color=color)


def _head(found: RollingExchange) -> Iterable[RenderableType]:
    cleanup = "with `kube-proxy --cleanup` in between" if found.cleanup else "without cleanup"
    yield Text(f"{found.topology}: {found.before} → {found.after}, {cleanup}", style="bold")
    yield Text(
        f"{len(found.cells)} cells, each asked every {found.interval_s:g} s, timed out after {found.timeout_s:g} s; "
        f"held connections every {found.hold_s:g} s. Times are ±{found.interval_s:g} s.",
        style="dim",
    )


def _step(
    number: int, steps: int, step: ExchangeStep, found: RollingExchange, *, everything: bool
) -> list[RenderableType]:
    title = Text(f"\n{number}/{steps} {step.node}", style="bold")
    blocks: list[RenderableType] = [title.append(f"   {step.before} → {step.after}", style="not bold default")]
    blocks.append(_phases(step.phases))
    if step.cleanup_error:
        blocks.append(_indented(Text(f"kube-proxy --cleanup failed: {step.cleanup_error}", style="yellow")))
    blocks += [*_broken(step, everything=everything), *_connections(step, everything=everything)]
    if step.left_behind:
        blocks.append(_indented(Text(f"left behind: {', '.join(step.left_behind)}", style="yellow")))
    if step.unmeasured:
        blocks += _unmeasured(step, found)
    return blocks


def _phases(phases: Iterable[ExchangePhase]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("phase", "seconds", "attempts", "failed", "cells", "on the node at its end"):
        table.add_column(name, justify="right" if name in {"attempts", "failed", "cells"} else "left")
    for one in phases:
        failed = Text(str(one.failed), style="bold red" if one.failed else "")
        unsure = f" ({one.unsure}?)" if one.unsure else ""
        seconds = f"{one.began_s:.2f}-{one.ended_s:.2f}"
        left = describe_left(one.left) if one.left else ""
        table.add_row(one.name, seconds, str(one.attempts), failed.append(unsure), str(one.cells), left)
    return Padding(table, (0, 0, 0, 3))


def _broken(step: ExchangeStep, *, everything: bool) -> Iterable[RenderableType]:
    for group in group_broken(step):
        yield _indented(Text(str(group), style="red"))
        shown = group.cells if everything else group.cells[:SHOWN]
        yield from (_listed(f"{one.cell}  {describe_broken(one)}") for one in shown)
        yield from _more(len(group.cells) - len(shown))


def _connections(step: ExchangeStep, *, everything: bool) -> Iterable[RenderableType]:
    yield _indented(Text(f"{_count(len(step.connections), 'held connection')}: {count_fates(step)}"))
    notable = find_notable(step)
    shown = notable if everything else notable[:SHOWN]
    for one in shown:
        yield _listed(f"{one.cell}  {describe_fate(one)}", "red" if one.is_lost else "dim")
    yield from _more(len(notable) - len(shown))


def _listed(line: str, style: str = "dim") -> RenderableType:
    return Padding(Text(line, style=style), (0, 0, 0, 5))


def _more(count: int) -> Iterable[RenderableType]:
    if count:
        yield _listed(f"and {count} more (--all)")


def _unmeasured(step: ExchangeStep, found: RollingExchange) -> Iterable[RenderableType]:
    whole = sum(one.to_s - one.from_s for one in step.unmeasured)
    vantages = len({one.vantage for one in step.unmeasured})
    longest = max(step.unmeasured, key=lambda one: one.to_s - one.from_s)
    yield _indented(
        Text(
            f"not measured: {whole:.1f} s in all, at {_count(vantages, 'vantage')}, where attempts were not sent every "
            f"{found.interval_s:g} s; longest {longest.vantage} {longest.from_s:.2f}-{longest.to_s:.2f} s",
            style="yellow",
        )
    )


def _tail(found: RollingExchange) -> Iterable[RenderableType]:
    broken = {one.cell for step in found.steps for one in step.broken}
    lost = sum(one.is_lost for step in found.steps for one in step.connections)
    state = "" if found.complete else "INTERRUPTED. "
    style = "bold red" if found.broke else "bold"
    yield Text(f"{state}{_count(len(broken), 'cell')} broke, {_count(lost, 'held connection')} lost.", style=style)
    if found.not_judged:
        yield Text(f"{_count(len(found.not_judged), 'cell')} not judged:", style="yellow")
        yield from (_indented(Text(f"{one.cell}: {one.reason}")) for one in found.not_judged[:SHOWN])
    yield from (Text(f"note: {note}", style="yellow") for note in found.notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _indented(text: Text) -> RenderableType:
    return Padding(text, (0, 0, 0, 3))
