"""A qualification in words that the terminal and HTML share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.analysis.release.change_class import ChangeClass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.analysis.release.story import PhaseTime, QualifiedCell, QualifiedSide

ARROW = "  →  "
AS_PREDICTED = "as predicted"


def describe_run(side: QualifiedSide) -> str:
    """Return what was observed of a side, or why nothing was."""
    if not side.run:
        return f"not observed: {side.note}" if side.note else "not observed"
    word = "simulated" if side.simulated else "observed"
    counts = {"pass": side.passed, "fail": side.failed, "inconclusive": side.inconclusive, "not asked": side.unasked}
    known = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    where = "" if side.run == side.name else f"   {side.run}"
    return f"{word} {known or 'nothing'}{'' if side.complete else ', cut short'}{where}"


def group_by_answers(cells: Iterable[QualifiedCell]) -> list[list[QualifiedCell]]:
    """Return the cells by their answers, the most common ones first."""
    found: dict[object, list[QualifiedCell]] = {}
    for one in cells:
        found.setdefault((describe_prediction(one), describe_observation(one), one.expected, one.reason), []).append(
            one
        )
    return sorted(found.values(), key=lambda same: -len(same))


def describe_prediction(cell: QualifiedCell) -> str:
    """Return the predicted answers of both sides, or the one that both have."""
    return _arrow(cell.predicted_before, cell.predicted_after)


def describe_observation(cell: QualifiedCell) -> str:
    """Return the observed answers with the verdicts that are not pass; `as predicted` if both sides pass."""
    if cell.change_class is ChangeClass.MEANT_AND_SEEN and cell.before_verdict is not None:
        return AS_PREDICTED
    before, after = (
        f"{text} ({verdict})" if text and verdict is Result.FAIL else text
        for text, verdict in (
            (cell.observed_before, cell.before_verdict),
            (cell.observed_after, cell.after_verdict),
        )
    )
    return _arrow(before, after)


def _arrow(before: str, after: str) -> str:
    if not (before or after) or before == after:
        return before
    return f"{before or 'not observed'}{ARROW}{after or 'not observed'}"


def describe_phases(phases: Iterable[PhaseTime]) -> str:
    """Return the wall time of each phase; empty without any."""
    known = list(phases)
    parts = [f"{one.phase} {one.seconds:.1f} s{_parts(one)}" for one in known]
    total = sum(one.seconds for one in known)
    return f"wall time: {', '.join(parts)}; in all {total:.1f} s" if known else ""


def _parts(phase: PhaseTime) -> str:
    inside = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phase.parts.items())
    return f" ({inside})" if inside else ""
