"""The page of a diff: what changes from one side to another, grouped by the rule that decides after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.change_classes import MEANINGS, OF_VERDICTS, Kind
from reports.analysis.diff_summary import describe_compared, group_by_answer, group_by_reason
from reports.html.page import render_page

if TYPE_CHECKING:
    from reports.analysis.diff import Comparison

_BAD = frozenset(
    {Kind.NEWLY_FAILING, Kind.STILL_FAILING, Kind.LOST_REACHABILITY, Kind.INTERMITTENT, Kind.WRONG_BACKEND}
)
_GOOD = frozenset({Kind.FIXED, Kind.GAINED_REACHABILITY, Kind.GAINED_SOURCE})
_WARN = frozenset(
    {
        Kind.NEWLY_INCONCLUSIVE,
        Kind.UNPROVEN_SHARE,
        Kind.LOST_SOURCE,
        Kind.CHANGED_SOURCE,
        Kind.FEWER_BACKENDS,
        Kind.CHANGED_SHARE,
    }
)


def render(comparison: Comparison) -> str:
    """Return the page of a comparison."""
    return render_page(
        "diff.html.j2",
        styles=("page.css", "filtered.css"),
        script="filtered.js",
        comparison=comparison,
        meanings=MEANINGS,
        tone=tone,
        group_by_answer=group_by_answer,
        compared=describe_compared(comparison),
        of_verdicts=OF_VERDICTS,
        reasons=group_by_reason(comparison),
    )


def tone(kind: Kind) -> str:
    """Return the style of a kind of change: `fail`, `inconclusive` (mind it), `pass` (gained), or `plain`."""
    if kind in _BAD:
        return "fail"
    if kind in _WARN:
        return "inconclusive"
    return "pass" if kind in _GOOD else "plain"
