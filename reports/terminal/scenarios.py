"""The scenarios of a run in the terminal: their verdicts, how long changes took at each node, what was not kept."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from reports.analysis.contract import describe_prediction
from reports.analysis.convergence import NODES, describe_nodes, measure_nodes
from reports.analysis.scenarios import describe_scenario, group_differing, mark_scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reports.analysis.scenarios import DifferingGroup
    from reports.records.contract import StoredRow
    from reports.records.scenarios import StoredScenario

LABEL = re.compile(r" *\S.*?\s{2,}")
CHECKS = 3  # groups of checks of a scenario that are not kept and that are listed; the others are counted


def describe_scenarios(
    scenarios: Iterable[StoredScenario], rows: Iterable[StoredRow], width: int = 120, *, verbose: bool = False
) -> list[str]:
    """Return the section as lines of at most this width; empty without scenarios.

    Args:
        scenarios: those of a run.
        rows: the contract of the run, for the numbers and levels of rows.
        width: columns of the terminal.
        verbose: every check that is not kept, and every node.

    """
    known = {row.row: row for row in rows}
    lines = (line for one in scenarios for line in _scenario(one, known, verbose=verbose))
    return [part for line in lines for part in _wrap(line, width)]


def _scenario(one: StoredScenario, rows: Mapping[str, StoredRow], *, verbose: bool) -> Iterator[str]:
    yield f"{mark_scenario(one)} {one.id}: {describe_scenario(one)}"
    wide = max((len(step.name) for step in one.steps), default=0)
    for step in one.steps:
        if found := describe_nodes(measure_nodes(step.checks), None if verbose else NODES):
            yield f"    {step.name:{wide}}  {found}"
    groups = group_differing(one)
    for group in groups if verbose else groups[:CHECKS]:
        yield from _differing(group, rows)
    if (more := len(groups) - CHECKS) > 0 and not verbose:
        yield f"    and {more} more, in report.html or with -v"


def _differing(group: DifferingGroup, rows: Mapping[str, StoredRow]) -> Iterator[str]:
    first, row = group.checks[0], rows.get(group.checks[0].row)
    named = f"row {row.number} {row.row} ({row.level})" if row else f"row {first.row}"
    prediction = describe_prediction(group.cells)
    nodes = dict.fromkeys(check.node for check in group.checks if check.node)
    decided = f", decided on {', '.join(nodes)}" if nodes else ""
    clients = ", ".join(dict.fromkeys(check.client for check in group.checks))
    yield f"    {first.result}: {named}, step {group.step}"
    yield f"      asked     {clients} -> {first.frontend}{decided}"
    yield f"      promised  {first.promise}"
    yield f"      seen      {first.text}{prediction and f'; {prediction}'}"


def _wrap(line: str, width: int) -> list[str]:
    """Break a line; what follows is indented as the text after the label."""
    label = LABEL.match(line)
    deeper = len(label[0]) if label else len(line) - len(line.lstrip()) + 2
    indent = " " * deeper
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
