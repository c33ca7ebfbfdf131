"""Records the decisions of the oracle for a cell: every path with its rules and their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.oracle import pipeline
from probes.oracle.predict import flow_of, world_of
from probes.oracle.rule import bent

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from probes.oracle.expectation import Path
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology


@dataclass(frozen=True, slots=True)
class Taken:
    """One decision of a path: the rule, its value, and the connection before the decision."""

    rule: str
    value: Any
    flow: Flow


@dataclass(frozen=True, slots=True)
class Way:
    """One path before merging, with its decisions in the order in which a packet meets them."""

    path: Path
    decisions: tuple[Taken, ...]


def ways(topology: Topology, snapshot: Snapshot, cell: Cell) -> tuple[Way, ...]:
    """Return every path of a cell.

    Raises:
        UnresolvedError: The cluster gives the frontend no address.

    """
    heard: list[Taken] = []

    def listen(name: str, value: Any, flow: Flow) -> Any:  # noqa: ANN401 - rules return values of different types
        heard.append(Taken(name, value, flow))
        return value

    flow = flow_of(world_of(topology, snapshot), cell)
    with bent(listen):
        paths = pipeline.paths(flow)
    return _told(paths, heard)


def _told(paths: tuple[Path, ...], heard: list[Taken]) -> tuple[Way, ...]:
    """Return each path with its decisions. Paths are in the order of their decisions."""
    found: list[Way] = []
    last = -1
    for path in paths:
        twin = bool(found) and found[-1].path.rules == path.rules and found[-1].path.backend == path.backend is None
        last = _next(heard, path.rules[-1], last if twin and _forks(heard, last) else last + 1)
        found.append(Way(path, _back(heard, path.rules, last)))
    return tuple(found)


def _forks(heard: list[Taken], index: int) -> bool:
    """Return whether one decision ends in several results."""
    endings = getattr(heard[index].value, "paths", None) if 0 <= index < len(heard) else None
    return endings is not None and len(endings()) > 1


def _next(heard: list[Taken], name: str, start: int) -> int:
    return next((at for at in range(start, len(heard)) if heard[at].rule == name), len(heard) - 1)


def _back(heard: list[Taken], names: tuple[str, ...], last: int) -> tuple[Taken, ...]:
    """Return the decisions of a path, searched backwards from its last one."""
    taken: list[Taken] = []
    at = last
    for name in reversed(names):
        at = next((index for index in range(at, -1, -1) if heard[index].rule == name), -1)
        if at < 0:
            break
        taken.append(heard[at])
        at -= 1
    return tuple(reversed(taken))
