"""Groups failed and inconclusive cells by cause, so that one fault is reported once. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.judging.verdict import Facet, Result
from reports.columns import split_place
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reports.records.record import Record


Totals = dict[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Records with the same deviation at the same kind of frontend. Reports show the account of the first."""

    verdict: Result
    headline: str
    records: tuple[Record, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """Return the rules that all of them have in common, in the order of the first."""
        first, *others = self.records
        return tuple(rule for rule in first.rules if all(rule in record.rules for record in others))

    @property
    def where(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return each frontend in the group, `web-np.nodeport.n2`, and the vantages of its cells, in order."""
        found: dict[str, list[str]] = {}
        for record in self.records:
            found.setdefault(f"{record.cell.service}.{record.cell.frontend}", []).append(record.cell.vantage)
        return tuple((frontend, tuple(dict.fromkeys(vantages))) for frontend, vantages in found.items())

    def shared(self, totals: Totals) -> tuple[str, ...]:
        """Return what all of them have in common: `Service web-np (9 of its 42 cells)`.

        Args:
            totals: `count_coordinates` of all records of the run.

        """
        found = []
        for name, coordinate in _COORDINATES:
            values = {coordinate(record) for record in self.records}
            value = values.pop()
            if value and not values:
                found.append(f"{name} {value} ({len(self.records)} of its {totals[name][value]} cells)")
        return tuple(found)


def count_coordinates(records: Iterable[Record]) -> Totals:
    """Return how many records there are of each Service, vantage, node and NodePort's node."""
    totals: Totals = {name: Counter() for name, _ in _COORDINATES}
    for record in records:
        for name, coordinate in _COORDINATES:
            totals[name][coordinate(record)] += 1
    return totals


def group_failures(records: Iterable[Record]) -> tuple[FailureGroup, ...]:
    """Group failed and inconclusive records by cause: failed ones first, then by size.

    Failures share the kind of frontend, the facets that failed, and how they deviate: unexpected outcomes,
    kinds of unexpected source addresses, backends that never answered. Inconclusive ones share their
    trouble and where they were asked from.
    """
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        if record.verdict is not Result.PASS:
            found.setdefault(_cause(record), []).append(record)
    made = (FailureGroup(same[0].verdict, same[0].headline, tuple(same)) for same in found.values())
    return tuple(sorted(made, key=lambda group: (group.verdict is not Result.FAIL, -len(group.records))))


def _cause(record: Record) -> tuple[object, ...]:
    if record.verdict is Result.INCONCLUSIVE:
        return record.verdict, record.cell.vantage, record.observed.trouble or record.headline
    facets = frozenset(facet for facet, found in record.facets.items() if found is Result.FAIL)
    due, came = frozenset(record.expected.outcomes), frozenset(record.observed.outcomes)
    return record.verdict, record.cell.frontend_kind, facets, came - due, _strange(record), _absent(record, facets)


def _strange(record: Record) -> frozenset[str]:
    """Return the kinds of observed sources that were not expected: `cni0`, `kept`, or a bare address."""
    allowed = {source.address for source in record.expected.sources}
    return frozenset(seen.label.partition("(")[0] for seen in record.observed.sources if seen.address not in allowed)


def _absent(record: Record, facets: frozenset[Facet]) -> frozenset[str]:
    if Facet.BACKENDS not in facets:
        return frozenset()
    return frozenset(record.expected.backends) - frozenset(record.observed.backends)


def _asked_at(record: Record) -> str:
    """Return the node whose NodePort was probed: that of the label, or for 127.0.0.1 the client's own."""
    kind, _, place = record.cell.frontend.partition(".")
    if kind != FrontendKind.NODE_PORT:
        return ""
    return (record.cell.vantage_node or "") if place == At.LOOPBACK else split_place(place)[0]


_COORDINATES: tuple[tuple[str, Callable[[Record], str]], ...] = (
    ("Service", lambda record: record.cell.service),
    ("from", lambda record: record.cell.vantage),
    ("from node", lambda record: record.cell.vantage_node or ""),
    ("NodePorts at", _asked_at),
)
