"""The table of a prediction in the terminal: what must come back, per Service, vantage x frontend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from reports.analysis.reachability import ALWAYS, NEVER, OPEN, SOMETIMES, classify_reachability, describe_prediction
from reports.columns import LEGEND
from reports.terminal import matrix
from reports.terminal.theme import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.records.prediction import Predicted, Prediction

STYLES = {ALWAYS: "green", SOMETIMES: "yellow", OPEN: "magenta", NEVER: "default"}
READING = (
    "ok and the source the backend must see; p: the share of connections that must be answered; or: either is right"
)


def render(prediction: Prediction, width: int = 120, *, color: bool = False) -> str:
    """Return the whole table as text of at most `width` columns."""
    declared = prediction.topology.declared
    blocks = matrix.tables(prediction.cells, _face, _score, width, declared)
    total = f"{len(prediction.cells)} cells: {_score(prediction.cells)}"
    blocks += [Text(READING, style="dim"), Text(LEGEND, style="dim"), Text(f"{total}   ({prediction.told})")]
    if sharpness := str(prediction.sharpness):
        blocks.append(Text(sharpness))
    return to_text(blocks, width, color=color)


def _face(one: Predicted) -> Text:
    return Text(describe_prediction(one), style=STYLES[classify_reachability(one.expected)])


def _score(cells: Sequence[Predicted]) -> str:
    found = [classify_reachability(one.expected) for one in cells]
    return ", ".join(f"{found.count(kind)} {kind}" for kind in STYLES if kind in found)
