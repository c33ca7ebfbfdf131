"""The table of a prediction in the terminal: what must come back, per Service, vantage x frontend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from probes.observation import Outcome
from reports import formatting
from reports.columns import LEGEND
from reports.terminal import matrix
from reports.terminal.theme import printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.records.prediction import Predicted, Prediction
    from reports.records.schema import Expected

NEVER, SOMETIMES, ALWAYS = "unreachable", "intermittent", "reachable"
STYLES = {ALWAYS: "green", SOMETIMES: "yellow", NEVER: "default"}
READING = (
    "ok and the source the backend must see; p: the share of connections that must be answered; or: either is right"
)
CERTAIN = 0.9995


def render(prediction: Prediction, width: int = 120, *, color: bool = False) -> str:
    """The whole table as text of at most `width` columns."""
    declared = prediction.topology.declared
    blocks = matrix.tables(prediction.cells, _face, _score, width, declared)
    total = f"{len(prediction.cells)} cells: {_score(prediction.cells)}"
    blocks += [Text(READING, style="dim"), Text(LEGEND, style="dim"), Text(f"{total}   ({prediction.told})")]
    return printed(blocks, width, color=color)


def reach(expected: Expected) -> str:
    """Whether a cell's connections must be answered: reachable, unreachable, or intermittent by chance."""
    share = answered(expected)
    if share >= CERTAIN:
        return ALWAYS
    return SOMETIMES if share else NEVER


def answered(expected: Expected) -> float:
    """The share of connections that must be answered."""
    return sum(way.share for way in expected.paths if way.outcome is Outcome.OK)


def told(one: Predicted) -> str:
    """One cell in words: `ok kept`, `ok vtep(n1)`, `refused`, `timeout or unreachable`, `p 0.75 ok kept, timeout`."""
    if one.trouble:
        return "not predicted"
    ways = one.expected.paths
    sources = formatting.joined(source.said for way in ways for source in way.sources)
    others = list(dict.fromkeys(way.outcome.value for way in ways if way.outcome is not Outcome.OK))
    if reach(one.expected) == NEVER:
        return " or ".join(others)
    if not others:
        return f"ok {sources}"
    return f"p {answered(one.expected):.2g} ok {sources}, {' or '.join(others)}"


def _face(one: Predicted) -> Text:
    return Text(told(one), style=STYLES[reach(one.expected)])


def _score(cells: Sequence[Predicted]) -> str:
    found = [reach(one.expected) for one in cells]
    return ", ".join(f"{found.count(kind)} {kind}" for kind in STYLES if kind in found)
