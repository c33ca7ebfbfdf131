"""What failed cells have in common: node, client, Service, kind of frontend, policy. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.columns import declared_services, split_place
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reports.records.record import Record

MOST = 0.75  # of the failed cells: from there on a factor of not all of them is mentioned
NARROWS = 0.8  # a second factor leaves at most this part of the first one's cells
LOCAL = 0.5  # failures outside a place are at least this much rarer than in it
_ALL = {1: "", 2: "both "}
_KINDS = {
    FrontendKind.CLUSTER_IP: "at ClusterIPs",
    FrontendKind.DNS_NAME: "by their DNS names",
    FrontendKind.NODE_PORT: "at NodePorts",
    FrontendKind.LOAD_BALANCER: "at load balancer addresses",
    FrontendKind.EXTERNAL_IP: "at externalIPs",
    FrontendKind.ENDPOINT: "at pod addresses",
}


@dataclass(frozen=True, slots=True)
class Factor:
    """One property that failed cells share."""

    text: str
    """`asked from n1`, `of Service web-np`, `at NodePorts of n2`."""
    failed: int
    """How many of these failed cells have it."""
    of: int
    """The number of these failed cells."""
    cells: int
    """How many cells of the run have it."""

    @property
    def whole(self) -> bool:
        """Whether all of the failed cells have it."""
        return self.failed == self.of

    def __str__(self) -> str:
        """Return `all asked from n1`, `46 of 50 at NodePorts of n2`; of one cell without a count."""
        if self.whole:
            return f"{_ALL.get(self.of, 'all ')}{self.text}"
        return f"{self.failed} of {self.of} {self.text}"


Coordinate = tuple[str, str]  # its kind and its text


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of every cell of a run, and how many cells have each."""

    of: Mapping[str, tuple[Coordinate, ...]]
    places: Mapping[str, tuple[Coordinate, ...]]
    """Those at which one repair is made: a node, a client, a Service."""
    totals: Counter[Coordinate]
    cells: int

    @classmethod
    def count(cls, records: Sequence[Record], declared: Mapping[str, Any]) -> Coordinates:
        """Count the coordinates of these records, of the topology `declared`."""
        services = declared_services(declared)
        places = {record.cell.id: tuple(_read(_PLACES, record)) for record in records}
        kinds = {record.cell.id: _kinds(record, services) for record in records}
        of = {cell: (*places[cell], *kinds[cell]) for cell in places}
        return cls(of, places, Counter(one for found in of.values() for one in found), len(of))

    def share(self, failed: Sequence[Record]) -> tuple[Factor, ...]:
        """Return what these failed cells have in common, the most specific first: at most two factors.

        A factor of all of them comes before one of most of them. What all cells of the run have is no factor.
        """
        found = Counter(one for record in failed for one in self.of[record.cell.id])
        known = [one for one in found if self.totals[one] < self.cells]
        whole = sorted((one for one in known if found[one] == len(failed)), key=self._size)
        if not whole:
            most = [one for one in known if found[one] >= MOST * len(failed)]
            most.sort(key=lambda one: found[one] / self.totals[one])
            return tuple(self._factor(one, found[one], len(failed)) for one in most[-1:])
        first, *others = whole
        mine = {cell for cell, has in self.of.items() if first in has}
        for other in others:
            if sum(other in self.of[cell] for cell in mine) <= NARROWS * len(mine):
                return self._factor(first, len(failed), len(failed)), self._factor(other, len(failed), len(failed))
        return (self._factor(first, len(failed), len(failed)),)

    def find_place(self, failed: Sequence[Record]) -> Coordinate | None:
        """Return the node, client or Service that fails most and where failures concentrate; None without one."""
        found = Counter(one for record in failed for one in self.places[record.cell.id])
        scores = {one: self._excess(one, found[one], len(failed)) * found[one] for one in found}
        best = max(scores, key=lambda one: (scores[one], -self.totals[one]), default=None)
        if best is None or found[best] < 2 or scores[best] < LOCAL * found[best]:  # noqa: PLR2004 - one cell is no place
            return None
        return best

    def _size(self, one: Coordinate) -> tuple[int, bool]:
        return self.totals[one], one[0] not in _PLACES

    def _excess(self, one: Coordinate, inside: int, failed: int) -> float:
        """Return how much rarer failures are outside: 1 if there are none, 0 if they are as frequent or more."""
        outside = self.cells - self.totals[one]
        if not outside:
            return 0.0
        return max(0.0, 1 - ((failed - inside) / outside) / (inside / self.totals[one]))

    def _factor(self, one: Coordinate, failed: int, of: int) -> Factor:
        return Factor(one[1], failed, of, self.totals[one])


def describe_factors(factors: Sequence[Factor]) -> str:
    """Return `all asked from n1, at NodePorts`; empty without factors."""
    return ", ".join([*map(str, factors[:1]), *(other.text for other in factors[1:])])


def asked_node(record: Record) -> str:
    """Return the node whose NodePort was probed: that of the label, or for 127.0.0.1 the client's own."""
    kind, _, place = record.cell.frontend.partition(".")
    if kind != FrontendKind.NODE_PORT:
        return ""
    return (record.cell.vantage_node or "") if place == At.LOOPBACK else split_place(place)[0]


_PLACES: dict[str, tuple[str, Callable[[Record], str]]] = {
    "node": ("asked from", lambda record: record.cell.vantage_node or record.cell.vantage),
    "asked": ("at NodePorts of", asked_node),
    "service": ("of Service", lambda record: record.cell.service),
    "client": ("asked from", lambda record: record.cell.vantage),
}


def _read(coordinates: Mapping[str, tuple[str, Callable[[Record], str]]], record: Record) -> Iterable[Coordinate]:
    for name, (words, value) in coordinates.items():
        if found := value(record):
            yield name, f"{words} {found}"


def _kinds(record: Record, services: Mapping[str, Mapping[str, Any]]) -> tuple[Coordinate, ...]:
    """Return the coordinates that are no place: the kind of frontend and of client, the Service's policy."""
    cell, found = record.cell, []
    if words := _KINDS.get(FrontendKind(cell.frontend_kind)) if cell.frontend_kind in set(FrontendKind) else None:
        found.append(("kind", words))
    service = services.get(cell.service, {})
    if service.get("type", "ClusterIP") != "ClusterIP":
        policy = service.get("external_traffic_policy", "Cluster")
        found.append(("policy", f"with externalTrafficPolicy: {policy}"))
    side = "outside" if cell.vantage_node is None else "inside"
    found.append(("side", f"asked from {side} the cluster"))
    return tuple(found)
