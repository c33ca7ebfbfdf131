"""What the prediction and the observation of one cell's change show together. Pure.

Three things never mix: a change that was observed, one that was not, and a cell that could not be tested.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.analysis.change_classes import Kind

if TYPE_CHECKING:
    from reports.analysis.diff import Change

INVISIBLE = frozenset({Kind.CHANGED_BECAUSE, Kind.UNPROVEN_SHARE})  # the answers are the same, as far as is proven


class ChangeClass(StrEnum):
    """What became of a cell, in the order in which a release manager reads it."""

    SEEN_NOT_MEANT = "seen-and-not-meant"
    MEANT_NOT_SEEN = "meant-and-not-seen"
    NOT_TESTED = "not-tested"
    MEANT_AND_SEEN = "meant-and-seen"
    MEANT = "meant"
    UNCHANGED = "unchanged"


CLASS_MEANINGS = {
    ChangeClass.SEEN_NOT_MEANT: "observed, and no prediction explains it; each cell that fails on a side",
    ChangeClass.MEANT_NOT_SEEN: "predicted and tested, and the observation does not show it",
    ChangeClass.NOT_TESTED: "could not be asked, is inconclusive, or has no prediction",
    ChangeClass.MEANT_AND_SEEN: "predicted, and observed as predicted",
    ChangeClass.MEANT: "predicted, and not observed yet",
    ChangeClass.UNCHANGED: "the same answer on both sides, as predicted",
}


def is_visible(change: Change | None) -> bool:
    """Return whether the answer of a cell changes, and not only the rules behind it or an unproven share."""
    return change is not None and change.kind not in INVISIBLE


def classify_change(
    predicted: Change | None, observed: Change | None, verdicts: list[Result | None], *, fits_before: bool
) -> ChangeClass:
    """Return the class of a cell.

    Args:
        predicted: How the prediction changes.
        observed: How the observation changes, if both sides were observed.
        verdicts: One for each side that was observed; None for a cell that its run did not ask.
        fits_before: Whether the observation after the change fits the prediction before it.

    """
    visible = is_visible(predicted)
    if Result.FAIL in verdicts:
        is_missing = visible and _is_same(observed, fits_before=fits_before, both=len(verdicts) > 1)
        return ChangeClass.MEANT_NOT_SEEN if is_missing else ChangeClass.SEEN_NOT_MEANT
    if Result.INCONCLUSIVE in verdicts or None in verdicts:
        return ChangeClass.NOT_TESTED
    if visible:
        return ChangeClass.MEANT_NOT_SEEN if fits_before else ChangeClass.MEANT_AND_SEEN
    return ChangeClass.SEEN_NOT_MEANT if is_visible(observed) else ChangeClass.UNCHANGED


def _is_same(observed: Change | None, *, fits_before: bool, both: bool) -> bool:
    """Return whether a failing cell answers after the change as it did before."""
    if not both:
        return fits_before
    answer = observed.answer if observed else None
    return answer is None or answer in INVISIBLE
