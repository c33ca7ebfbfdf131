"""Whether a predicted cell must be answered, and its expected answers in one line. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.observation import Outcome
from reports import formatting

if TYPE_CHECKING:
    from reports.records.prediction import Predicted
    from reports.records.schema import Expected

NEVER, SOMETIMES, ALWAYS = "unreachable", "intermittent", "reachable"
OPEN = "open"  # it depends on unknown facts
CERTAIN = 0.9995  # shares are sums of fractions


def classify_reachability(expected: Expected) -> str:
    """Return whether the cell's connections must be answered: `reachable`, `unreachable`, `intermittent` or `open`."""
    share = answered_share(expected)
    if expected.possible > 1 and 0 < share < CERTAIN:
        return OPEN
    if share >= CERTAIN:
        return ALWAYS
    return SOMETIMES if share else NEVER


def answered_share(expected: Expected) -> float:
    """Return the share of connections that must be answered."""
    return sum(path.share for path in expected.paths if path.outcome is Outcome.OK)


def describe_prediction(predicted: Predicted) -> str:
    """Return a cell's expected answers: `ok kept`, `refused`, `timeout or unreachable`, `p 0.75 ok kept, timeout`."""
    if predicted.trouble:
        return "not predicted"
    paths = predicted.expected.paths
    sources = formatting.join_names(source.label for path in paths for source in path.sources)
    others = list(dict.fromkeys(path.outcome.value for path in paths if path.outcome is not Outcome.OK))
    if classify_reachability(predicted.expected) == NEVER:
        return " or ".join(others)
    if not others:
        return f"ok {sources}"
    if predicted.expected.possible > 1:
        return f"ok {sources} or {' or '.join(others)}"
    return f"p {answered_share(predicted.expected):.2g} ok {sources}, {' or '.join(others)}"
