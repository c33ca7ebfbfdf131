"""`@pytest.mark.cells(...)` -> cells. A misspelt selector is an error, never an empty choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.frontends import At, FrontendKind
from topologies.model import ServiceType, SessionAffinity, TrafficPolicy, VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probes.cell import Cell
    from topologies.model import Topology


class SelectionError(ValueError):
    """A selector that no cell could ever answer to: which one, what was given, what is possible."""


def _exposed(cell: Cell, topology: Topology) -> bool:
    return bool(topology.backends_of(topology.service(cell.frontend.service)))


READERS: dict[str, tuple[Callable[[Cell, Topology], object], frozenset[object]]] = {
    "vantage": (lambda cell, _: cell.vantage.kind, frozenset(VantageKind)),
    "frontend": (lambda cell, _: cell.frontend.kind, frozenset(FrontendKind)),
    "at": (lambda cell, _: cell.frontend.at, frozenset(At)),
    "declared": (lambda cell, _: cell.frontend.declared, frozenset({True, False})),
    "endpoints": (_exposed, frozenset({True, False})),
    "type": (lambda cell, topology: topology.service(cell.frontend.service).type, frozenset(ServiceType)),
    "policy": (
        lambda cell, topology: topology.service(cell.frontend.service).external_traffic_policy,
        frozenset(TrafficPolicy),
    ),
    "affinity": (
        lambda cell, topology: topology.service(cell.frontend.service).session_affinity,
        frozenset(SessionAffinity),
    ),
}


def select(cells: Iterable[Cell], topology: Topology, wanted: Mapping[str, object]) -> list[Cell]:
    """The cells that have every wanted property; a property may be one value or a tuple of values."""
    choices = {key: _checked(key, value) for key, value in wanted.items()}
    return [cell for cell in cells if all(READERS[key][0](cell, topology) in values for key, values in choices.items())]


def _checked(key: str, value: object) -> tuple[object, ...]:
    if key not in READERS:
        message = f"@pytest.mark.cells: got the selector {key!r}, want one of {sorted(READERS)}"
        raise SelectionError(message)
    values = value if isinstance(value, tuple) else (value,)
    possible = READERS[key][1]
    if strangers := [one for one in values if one not in possible]:
        message = f"@pytest.mark.cells({key}=...): got {strangers}, want some of {sorted(map(str, possible))}"
        raise SelectionError(message)
    return values
