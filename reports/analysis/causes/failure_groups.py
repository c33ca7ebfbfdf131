"""Groups failed and inconclusive cells by cause: what one repair would mend is one group. Pure.

Cells that one explanation covers are one group. Of the rest, cells that fail at one place (a node, a client, a
Service) where failures concentrate are one group, however they differ: one missing rule loses answers, lets
connections through and changes source addresses at once. What is left joins the group that differs in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.judging.verdict import Result
from reports.analysis.causes.common_factors import Coordinates, Factor, describe_factors
from reports.analysis.causes.differences import Difference, describe_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.records.record import Record
    from reports.records.schema import StoredExplanation

SMALL = 0.1  # of the largest group: a group up to this size joins a larger one that differs in the same way


@dataclass(frozen=True, slots=True)
class DifferenceCount:
    """Cells of a group that differ in the same way."""

    difference: Difference
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Records with one cause. Reports show the account of the first."""

    verdict: Result
    records: tuple[Record, ...]
    factors: tuple[Factor, ...] = ()
    differences: tuple[DifferenceCount, ...] = ()
    explanation: str = ""
    """The explanation that covers all of them, in short; or empty."""

    @property
    def headline(self) -> str:
        """Return how the cells fail: `source not masqueraded, no answer`; of one cell its own headline."""
        if self.verdict is not Result.FAIL or len(self.records) == 1:
            first = self.records[0]
            return first.observed.trouble or first.headline
        return ", ".join(dict.fromkeys(count.difference.direction for count in self.differences))

    @property
    def where(self) -> str:
        """Return what the cells have in common, in words: `all asked from n1`; empty if nothing."""
        return describe_factors(self.factors)

    @property
    def frontends(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return each frontend in the group, `web-np.nodeport.n2`, and the vantages of its cells, in order."""
        found: dict[str, list[str]] = {}
        for record in self.records:
            found.setdefault(f"{record.cell.service}.{record.cell.frontend}", []).append(record.cell.vantage)
        return tuple((frontend, tuple(dict.fromkeys(vantages))) for frontend, vantages in found.items())


def group_failures(
    records: Sequence[Record], declared: Mapping[str, Any] | None = None, explanations: Iterable[StoredExplanation] = ()
) -> tuple[FailureGroup, ...]:
    """Group failed and inconclusive records by cause: failed ones first, then by size.

    Args:
        records: all records of the run.
        declared: the run's `topology.declared`.
        explanations: those of the run, best first.

    """
    coordinates = Coordinates.count(records, declared or {})
    failed = [record for record in records if record.verdict is Result.FAIL]
    explained, left = _split_explained(failed, explanations)
    groups = [_group(own, coordinates, text) for text, own in explained]
    groups += [_group(own, coordinates) for own in _join_small(_by_place(left, coordinates))]
    groups += [FailureGroup(Result.INCONCLUSIVE, tuple(own)) for own in _by_trouble(records)]
    return tuple(sorted(groups, key=lambda group: (group.verdict is not Result.FAIL, -len(group.records))))


def name_explanation(one: StoredExplanation) -> str:
    """Return the changes of an explanation: `nodes.n1.cni.masquerade is none`; with `perhaps` if it is not certain."""
    changes = " and ".join(change.text or f"{change.path} is {change.value}" for change in one.changes)
    text = (changes or one.text).replace("`", "").rstrip(".")
    return text if one.certain or not changes else f"perhaps {text}"


def _group(own: Sequence[Record], coordinates: Coordinates, explanation: str = "") -> FailureGroup:
    return FailureGroup(Result.FAIL, tuple(own), coordinates.share(own), _count_differences(own), explanation)


def _split_explained(
    failed: list[Record], explanations: Iterable[StoredExplanation]
) -> tuple[list[tuple[str, list[Record]]], list[Record]]:
    """Return the cells of each explanation that contradicts nothing, and those without; the first that fits counts."""
    found, left = [], failed
    for one in explanations:
        cells = set(one.explained)
        own = [record for record in left if record.cell.id in cells]
        if own and not one.contradicted:
            found.append((name_explanation(one), own))
            left = [record for record in left if record.cell.id not in cells]
    return found, left


def _by_place(left: list[Record], coordinates: Coordinates) -> list[list[Record]]:
    """Return the cells of each place where failures concentrate, and the rest by the way in which they differ."""
    found: list[list[Record]] = []
    while left and (place := coordinates.find_place(left)):
        found.append([record for record in left if place in coordinates.places[record.cell.id]])
        left = [record for record in left if place not in coordinates.places[record.cell.id]]
    together = left and any(factor.whole for factor in coordinates.share(left))
    return [*found, left] if together else [*found, *_by_signature(left)]


def _by_signature(left: Iterable[Record]) -> list[list[Record]]:
    found: dict[object, list[Record]] = {}
    for record in left:
        found.setdefault(describe_difference(record).signature, []).append(record)
    return list(found.values())


def _join_small(groups: list[list[Record]]) -> list[list[Record]]:
    """Return the groups; those that are small beside one that differs in all their ways are part of it."""
    kept: list[tuple[list[Record], set[object]]] = []
    for own in sorted(groups, key=len, reverse=True):
        ways: set[object] = {describe_difference(record).signature for record in own}
        larger = next((one for one, known in kept if ways <= known and len(own) <= SMALL * len(one)), None)
        if larger is None:
            kept.append((list(own), ways))
        else:
            larger += own
    return [own for own, _ in kept]


def _count_differences(records: Iterable[Record]) -> tuple[DifferenceCount, ...]:
    """Return the differences of these cells, the most frequent first; owners of addresses only if all have the same."""
    found: dict[Difference, list[Record]] = {}
    for record in records:
        found.setdefault(describe_difference(record).generic, []).append(record)
    counts = []
    for generic, own in found.items():
        exact = {describe_difference(record) for record in own}
        counts.append(DifferenceCount(exact.pop() if len(exact) == 1 else generic, tuple(own)))
    return tuple(sorted(counts, key=lambda count: -len(count.records)))


def _by_trouble(records: Iterable[Record]) -> list[list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.verdict is Result.INCONCLUSIVE:
            found.setdefault(record.observed.trouble or record.headline, []).append(record)
    return list(found.values())
