"""The summary of a run in the terminal: the verdict, what explains it, the causes, and where the rest is.

It fits a screen: long lists are counted, and `verbose` prints them all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from probes.judging.verdict import Result
from reports.analysis.causes.deciding_rule import DOCUMENT, find_deciding_rule
from reports.analysis.overview import Overview
from reports.analysis.repeat_command import repeat_command
from reports.formatting import MARKS, count_cells, count_things
from reports.glossary import find_words
from reports.terminal.overview import build_overview
from reports.terminal.theme import COLOURS, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from reports.analysis.causes.failure_groups import DifferenceCount, FailureGroup
    from reports.analysis.causes.run_verdict import RunVerdict
    from reports.records.record import Record
    from reports.records.run import Run
    from reports.records.schema import StoredExplanation

REASONS = 5  # reasons for inconclusive cells that are listed; the rest is counted
CAUSES = 5  # causes that are listed; the rest is counted
WHOLE = 2  # causes whose example is printed with its account
WAYS = 4  # ways to differ that are listed of one cause; the rest is counted
ALTERNATIVES = 2  # changes that explain the same cells and that are printed
EXPLAINED = 2  # explanations that are printed


def untested(records: Iterable[Record], missing: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a line for each reason of inconclusive cells, most cells first: `NOT TESTED: why: 84 cells inconclusive`.

    `missing`: reasons that are printed even if no cell has them.
    """
    reasons = Counter(
        record.observed.trouble or record.headline for record in records if record.verdict is Result.INCONCLUSIVE
    )
    lines = [f"NOT TESTED: {reason}: {count_cells(count)} inconclusive" for reason, count in reasons.most_common()]
    named = "\n".join(reasons)
    alone = [f"NOT TESTED: {reason}: no cell of it was chosen" for reason in missing if reason not in named]
    more = len(lines) - REASONS
    hidden = [f"NOT TESTED: {count_things(more, 'more reason')}, below"] if more > 0 else []
    return (*alone, *lines[:REASONS], *hidden)


def render(run: Run, verdict: RunVerdict, width: int = 120, *, color: bool = False, verbose: bool = False) -> str:
    """Return the summary as text of at most `width` columns.

    Args:
        run: the run.
        verdict: of this run.
        width: columns of the terminal.
        color: with ANSI colours.
        verbose: every cause with every frontend and the whole account of its first cell.

    """
    return to_text(_Summary(run, verdict, width, verbose).blocks(), width, color=color)


@dataclass(frozen=True, slots=True)
class _Summary:
    run: Run
    verdict: RunVerdict
    width: int
    verbose: bool

    def blocks(self) -> list[RenderableType]:
        """Return the headline, the explanations, the overview, the causes and the words that they use."""
        blocks: list[RenderableType] = [Text(self.verdict.headline, style=COLOURS[self.verdict.result])]
        if self.verdict.groups:
            blocks += self._explanations()
            blocks += [Text(), *build_overview(Overview.of(self.run.records), self.width, whole=self.verbose)]
            blocks += self._causes()
        return blocks

    def _explanations(self) -> list[RenderableType]:
        blocks: list[RenderableType] = []
        for one in self.verdict.explanations[: None if self.verbose else EXPLAINED]:
            blocks += _explanation(one)
        return [Text(), *blocks] if blocks else []

    def _causes(self) -> list[RenderableType]:
        groups = self.verdict.groups if self.verbose else self.verdict.groups[:CAUSES]
        blocks: list[RenderableType] = []
        for number, group in enumerate(groups, start=1):
            blocks += self._cause(number, group, whole=self.verbose or number <= WHOLE)
        if more := len(self.verdict.groups) - len(groups):
            cells = sum(len(group.records) for group in self.verdict.groups[CAUSES:])
            blocks.append(
                Text(f"and {count_things(more, 'more cause')} with {count_cells(cells)}, in report.html or with -v")
            )
        return [*blocks, *self._words(groups)]

    def _cause(self, number: int, group: FailureGroup, *, whole: bool) -> list[RenderableType]:
        """Return the headline of a cause, the ways in which its cells differ, and the first cell."""
        size = ", ".join(filter(None, (count_cells(len(group.records)), group.where)))
        mark = f"{MARKS[group.verdict]} {number}. {size}: {group.headline}"
        first = group.records[0]
        blocks: list[RenderableType] = [Text(), Text(mark, style=COLOURS[group.verdict])]
        if group.explanation and len(self.verdict.groups) > 1:
            blocks.append(_line("explained", group.explanation))
        if whole and len(group.records) > 1:
            blocks += [_line(*row) for row in self._ways(group.differences)]
        blocks.append(_line("example" if len(group.records) > 1 else "cell", first.cell.id))
        if self.verbose:
            blocks += [_line("" if index else "cells", text) for index, text in enumerate(_list_cells(group))]
            blocks += [_line(line.label, line.text) for line in first.account]
        elif whole:
            blocks += [_line(*row) for row in _example(first)]
        again = f"    again     {repeat_command(self.run, first.cell.id)}"
        return [*blocks, Text(again, no_wrap=True, overflow="ignore")]  # wrapped, it could not be copied

    def _ways(self, ways: Sequence[DifferenceCount]) -> list[tuple[str, str]]:
        shown = ways if self.verbose else ways[:WAYS]
        rows = [(f"{len(one.records)} x", str(one.difference)) for one in shown]
        left = sum(len(one.records) for one in ways[len(shown) :])
        return [*rows, ("", f"and {count_cells(left)} in {len(ways) - len(shown)} other ways")] if left else rows

    def _words(self, groups: Iterable[FailureGroup]) -> list[RenderableType]:
        """Return what the words mean that stand in these causes."""
        texts = [str(one.difference) for group in groups for one in group.differences[:WAYS]]
        words = find_words(texts)
        return [Text(), *(_line(word, meaning) for word, meaning in words.items())] if words else []


def _explanation(one: StoredExplanation) -> list[RenderableType]:
    """Return the sentence of an explanation, and other changes that explain the same cells."""
    label = ("certain" if one.certain else "possible") if one.changes else "no cause"
    alternatives = [" and ".join(change.text or change.path for change in other) for other in one.alternatives]
    rows = [(label, one.text), *(("or", text) for text in alternatives[:ALTERNATIVES])]
    return [_line(name, text.replace("`", ""), indent=0) for name, text in rows]


def _example(record: Record) -> list[tuple[str, str]]:
    """Return the short account of a cell: what was asked, expected and observed, and the rule that decides."""
    wanted = ("asked", "expected", "observed", "load", "perhaps")
    rows = [(line.label, line.text) for line in record.account if line.label in wanted]
    if not rows:
        rows = [("expected", record.expected.summary), ("observed", record.observed.summary)]
    if record.verdict is Result.FAIL and (rule := find_deciding_rule(record)):
        rows.append(("rule", f"{rule} ({DOCUMENT})"))
    return rows


def _list_cells(group: FailureGroup) -> list[str]:
    return [f"{frontend}  from {' '.join(who)}" for frontend, who in group.frontends] if len(group.records) > 1 else []


def _line(label: str, text: str, indent: int = 4) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=9, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(text))
    return Padding(grid, (0, 0, 0, indent))
