"""How a failed cell differs from its expectation: in which direction, what was expected and what was observed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from probes.judging.verdict import Facet, Result
from probes.observation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.record import Record
    from reports.records.schema import Address


class Direction(StrEnum):
    """What kind of difference it is, as reports print it."""

    LOST = "no answer"
    GAINED = "unexpected answer"
    OTHER_FAILURE = "another failure"
    NOT_MASQUERADED = "source not masqueraded"
    NOT_PRESERVED = "source not preserved"
    OTHER_SOURCE = "another source"
    BACKENDS = "other backends"
    AFFINITY = "session affinity broken"
    SHARES = "another share of answers"


OF_SOURCE = frozenset({Direction.NOT_MASQUERADED, Direction.NOT_PRESERVED, Direction.OTHER_SOURCE})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, in words that several cells can share."""

    direction: Direction
    expected: str
    """`source primary(n1)`, `ok`, `timeout`."""
    observed: str
    unexpected: tuple[str, ...] = ()
    """The part of `observed` that is not allowed: outcomes, or kinds of addresses without their owner."""

    @property
    def signature(self) -> tuple[Direction, tuple[str, ...]]:
        """Return what differences with one cause have in common, whichever node they are at."""
        return self.direction, self.unexpected

    @property
    def generic(self) -> Difference:
        """Return the difference without the owners of addresses: `source primary` for `source primary(n1)`."""
        return Difference(self.direction, _generic(self.expected), _generic(self.observed), self.unexpected)

    def __str__(self) -> str:
        """Return `expected source primary(n1), observed source kept`."""
        return f"expected {self.expected}, observed {self.observed}"


def describe_difference(record: Record) -> Difference:
    """Return the main difference of a failed record: reachability before source, source before backends."""
    failed = {facet for facet, result in record.facets.items() if result is Result.FAIL}
    if Facet.REACHABILITY in failed or not failed:
        return _reachability(record)
    if Facet.SOURCE in failed:
        return _source(record)
    if Facet.BACKENDS in failed:
        return Difference(Direction.BACKENDS, _answers(record.expected.backends), _answers(record.observed.backends))
    if Facet.AFFINITY in failed:
        due = "one backend" if record.expected.sticky else "several nodes"
        return Difference(Direction.AFFINITY, due, _answers(record.observed.backends))
    return Difference(Direction.SHARES, record.expected.summary, record.observed.summary)


def format_difference(record: Record) -> tuple[str, str]:
    """Return what a matrix shows of a failed cell: `source kept` and `expected primary(n1)`; empty for other cells.

    The first is empty if the observed outcomes show the difference themselves.
    """
    if record.verdict is not Result.FAIL:
        return "", ""
    found = describe_difference(record)
    seen = found.observed if found.direction in OF_SOURCE else ""
    return seen, f"expected {found.expected.removeprefix('source ')}"


def _reachability(record: Record) -> Difference:
    allowed, seen = set(record.expected.outcomes), record.observed.outcomes
    unexpected = tuple(outcome.value for outcome in Outcome if outcome in seen and outcome not in allowed)
    if not unexpected and not record.facets:
        return Difference(Direction.OTHER_FAILURE, record.expected.summary, record.observed.summary)
    if Outcome.OK in seen and Outcome.OK not in allowed:
        direction = Direction.GAINED
    else:
        direction = Direction.LOST if Outcome.OK in allowed else Direction.OTHER_FAILURE
    expected = _or(outcome.value for outcome in Outcome if outcome in allowed) or "nothing"
    return Difference(direction, expected, _split(record), unexpected)


def _split(record: Record) -> str:
    """Return the outcomes in order; `ok and refused` if only some connections were answered."""
    return " and ".join(outcome.value for outcome in Outcome if outcome in record.observed.outcomes) or "nothing"


def _source(record: Record) -> Difference:
    allowed = {one.address for one in record.expected.sources}
    strange = [seen for seen in record.observed.sources if seen.address not in allowed] or [*record.observed.sources]
    if any(seen.kept for seen in strange) and not any(one.kept for one in record.expected.sources):
        direction = Direction.NOT_MASQUERADED
    elif any(one.kept for one in record.expected.sources):
        direction = Direction.NOT_PRESERVED
    else:
        direction = Direction.OTHER_SOURCE
    kinds = tuple(sorted({_generic(seen.label) for seen in strange}))
    return Difference(direction, _labels(record.expected.sources), _labels(strange), kinds)


def _labels(addresses: Iterable[Address]) -> str:
    return f"source {_or(dict.fromkeys(one.label for one in addresses))}"


def _generic(text: str) -> str:
    """Return a text of labels without owners: `primary` for `primary(n1)`."""
    return " or ".join(dict.fromkeys(part.partition("(")[0].strip() for part in text.split(" or ")))


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


def _answers(backends: Iterable[str]) -> str:
    names = " and ".join(backends)
    return f"answers by {names}" if names else "no answer"
