"""A diff in words and counts that the terminal and HTML share. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reports.analysis.diff import OBSERVED

if TYPE_CHECKING:
    from reports.analysis.diff import Change, ChangeGroup, Comparison

ChangedAnswer = tuple[str, str, str]
"""Answer before, answer after, and the remark on the change."""


def describe_compared(comparison: Comparison) -> str:
    """Return which cells were compared."""
    runs = comparison.before.kind == comparison.after.kind == OBSERVED
    return "cells that the runs judged" if runs else "cells that both sides answer"


def group_by_answer(group: ChangeGroup) -> dict[ChangedAnswer, list[str]]:
    """Return the cells of each change of answer, the most common change first."""
    keys = [(change.before, change.after, _remark(change)) for change in group.changes]
    found: dict[ChangedAnswer, list[str]] = {key: [] for key, _ in Counter(keys).most_common()}
    for key, change in zip(keys, group.changes, strict=True):
        found[key].append(change.cell)
    return found


def _remark(change: Change) -> str:
    """Return what changes besides the verdict, the probability of an unproven share, and what was expected."""
    expected = f"expected {change.expected}" if change.expected not in {"", change.before} else ""
    likely = "" if change.likely is None else f"p = {change.likely:.1g}"
    return ", ".join(filter(None, [change.answer or "", likely, expected]))


def group_by_reason(comparison: Comparison) -> dict[str, list[str]]:
    """Return the cells that could not be compared, by reason, the most common reason first."""
    reasons: dict[str, list[str]] = {}
    for one in comparison.not_compared:
        reasons.setdefault(one.reason, []).append(one.cell)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))
