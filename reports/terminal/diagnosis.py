"""Explanations and inferred facts as text for a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from probes.diagnosis.change import format_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probes.diagnosis.inference import Inference
    from reports.records.schema import ChangedFact, StoredExplanation

SHOWN = 8  # cells that are listed; the rest is counted


def render_explanations(explanations: Sequence[StoredExplanation], width: int = 120) -> str:
    """Return the explanations, best first, each with the cells that it explains."""
    return "\n\n".join(_explanation(one, width) for one in explanations) + "\n"


def _explanation(one: StoredExplanation, width: int) -> str:
    mark = "certain: " if one.certain else ""
    head = textwrap.fill(f"{mark}{one.text}", width, subsequent_indent="    ", break_on_hyphens=False)
    lines = [head, *(f"    {change.path}: {_declared(change)}" for change in one.changes)]
    lines += [f"      {cell}" for cell in one.explained[:SHOWN]]
    more = len(one.explained) - SHOWN
    return "\n".join([*lines, *([f"      and {more} more"] if more > 0 else [])])


def _declared(change: ChangedFact) -> str:
    """Return `true (declared: false)`; a fault has no declared value."""
    was = "" if change.was is None else f" (declared: {format_value(change.was)})"
    return f"{format_value(change.value)}{was}"


def render_inferences(inferences: Iterable[Inference]) -> str:
    """Return one line per fact."""
    return "".join(f"{one.text}\n" for one in inferences)
