"""Check that the workload did not change while cells were probed. If it did, its cells are inconclusive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from topologies.cluster.client import Cluster, ClusterError
from topologies.cluster_state.shortfalls import Shortfalls, changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probes.observation import Observation
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot


def look_again(
    cluster: Cluster, before: Snapshot, progress: Callable[[str], None]
) -> tuple[Shortfalls, tuple[str, ...]]:
    """Return what changed since `before`, and notes: each change, or that the API can no longer be read."""
    try:
        changed = changes(cluster.topology, before, cluster.snapshot())
        notes = changed.reasons
    except ClusterError as error:
        changed = Shortfalls(cluster.topology)
        notes = (f"whether the cluster changed while cells were asked is not known: {error}",)
    for note in notes:
        progress(note)
    return changed, notes


def spoiled(
    cells: Iterable[Cell], observations: Mapping[str, Observation], changed: Shortfalls
) -> dict[str, Observation]:
    """Return the observations that a change spoils, with the reason; what was not asked keeps its own."""
    found = {}
    for cell in cells:
        seen, reason = observations.get(cell.id), changed.reason(cell.vantage, cell.frontend)
        if reason and seen is not None and not seen.trouble:
            found[cell.id] = replace(seen, trouble=reason)
    return found
