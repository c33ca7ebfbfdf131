"""Traces a cell: every path that its connections may take, before merging, with the decisions of the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle import pipeline
from probes.oracle.predict import model_cluster, start_connection

if TYPE_CHECKING:
    from probes.oracle.pipeline import TracedPath
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology


def trace_paths(topology: Topology, snapshot: Snapshot, cell: Cell) -> tuple[TracedPath, ...]:
    """Return every path of a cell.

    Raises:
        UnresolvedError: The cluster gives the frontend no address.

    """
    return pipeline.paths(start_connection(model_cluster(topology, snapshot), cell))
