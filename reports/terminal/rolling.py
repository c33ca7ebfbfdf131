"""A rolling exchange in the terminal: for each node a table of its phases, the broken cells, the held connections."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.analysis.held_connections import Fate
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from reports.analysis.rolling import BrokenCell, ExchangePhase, ExchangeStep, LeftOnNode, RollingExchange

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
    blocks += [*_broken(step.broken, everything=everything), *_connections(step, everything=everything)]
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


def describe_left(left: LeftOnNode) -> str:
    """Return what is on a node, in one line; `?` for what is not known."""
    counts = {
        "chains": (f"{len(left.chains)} chains, {left.rules} rules", bool(left.chains)),
        "ipsets": (f"{len(left.ipsets)} ipsets", bool(left.ipsets)),
        "virtual servers": (f"{left.virtual_servers} virtual servers", bool(left.virtual_servers)),
        "addresses": (f"{left.addresses} addresses", bool(left.addresses)),
        "nftables tables": (f"tables {', '.join(left.nft_tables)}", bool(left.nft_tables)),
    }
    parts = [text for name, (text, some) in counts.items() if some and name not in left.unread]
    unknown = f"unknown: {', '.join(left.unread)}" if left.unread else ""
    return "; ".join(filter(None, [", ".join(parts) or "nothing", unknown]))


def _broken(broken: Iterable[BrokenCell], *, everything: bool) -> Iterable[RenderableType]:
    groups: dict[tuple[str, str, tuple[str, ...]], list[BrokenCell]] = defaultdict(list)
    for one in broken:
        groups[one.before, ", ".join(sorted(one.outcomes)), one.phases].append(one)
    for (before, outcomes, phases), cells in sorted(groups.items(), key=lambda item: -len(item[1])):
        spans = sorted(one.lasted_s for one in cells)
        lasted = f"{spans[0]:.2f}" if spans[0] == spans[-1] else f"{spans[0]:.2f}-{spans[-1]:.2f}"
        head = f"{_count(len(cells), 'cell')} broken in {', '.join(phases)}: {before} → {outcomes}, for {lasted} s"
        yield _indented(Text(head, style="red"))
        shown = cells if everything else sorted(cells, key=lambda one: -one.lasted_s)[:SHOWN]
        for one in shown:
            failed = sum(one.outcomes.values())
            times = f"{one.first_s:.2f}-{one.last_s:.2f} s, {failed} of {failed + one.ok} failed"
            yield Padding(Text(f"{one.cell}  {times}", style="dim"), (0, 0, 0, 5))
        if len(cells) > len(shown):
            yield Padding(Text(f"and {len(cells) - len(shown)} more (--all)", style="dim"), (0, 0, 0, 5))


def _connections(step: ExchangeStep, *, everything: bool) -> Iterable[RenderableType]:
    counts = Counter(one.fate for one in step.connections)
    listed = ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate])
    yield _indented(Text(f"{_count(len(step.connections), 'held connection')}: {listed or 'none'}"))
    notable = [one for one in step.connections if one.fate is not Fate.SURVIVED or one.source_changed]
    for one in notable if everything else notable[:SHOWN]:
        at = "" if one.at_s is None else f" at {one.at_s:.2f} s"
        phase = f" ({one.phase})" if one.phase else ""
        slow = f", longest silence {one.slowest_s:.2f} s" if one.fate is Fate.STALLED else ""
        change = f", source {one.source_changed[0]} → {one.source_changed[1]}" if one.source_changed else ""
        line = f"{one.cell}  {one.fate.value}{at}{phase}{slow}{change}"
        yield Padding(Text(line, style="red" if one.is_lost else "dim"), (0, 0, 0, 5))
    if len(notable) > SHOWN and not everything:
        yield Padding(Text(f"and {len(notable) - SHOWN} more (--all)", style="dim"), (0, 0, 0, 5))


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
