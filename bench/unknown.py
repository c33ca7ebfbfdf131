"""`python -m bench.unknown [TOPOLOGY]`: what unknown facts cost, in seconds of prediction and in sharp cells.

Every cell is predicted with all facts declared, with each fact unknown, and with all of them unknown. No lab is needed.
Compare the ratios: both sides are measured in one process on the same machine.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology


def main(name: str) -> None:
    """Print a line for each set of unknown facts."""
    topology = load(name)
    cells = plan(topology).cells
    listed = [fact.path for fact in facts.FACTS if fact.path not in facts.ONLY_AT_NODES]
    base, _, _ = measure(topology, (), cells)
    sys.stdout.write(f"{name}: {len(cells)} cells, all facts declared: {base:.2f} s\n")
    for unknown in (*((path,) for path in listed), tuple(listed)):
        spent, sharp, predicted = measure(topology, unknown, cells)
        what = unknown[0] if len(unknown) == 1 else f"all {len(unknown)}"
        sys.stdout.write(
            f"  {what} unknown: {spent:.2f} s (x {spent / base:.1f}), {sharp} of {predicted} cells sharp, "
            f"{len(cells) - predicted} without an expectation\n"
        )


def measure(topology: Topology, unknown: Iterable[str], cells: Iterable[Cell]) -> tuple[float, int, int]:
    """Return the processor time in seconds, the number of sharp cells, and of cells with an expectation."""
    model = model_cluster(topology.model_copy(update={"unknown": frozenset(unknown)}), declared(topology))
    start = time.process_time()
    found = [one for one in (predict(model, cell) for cell in cells) if one.paths]
    return time.process_time() - start, sum(not one.alternatives for one in found), len(found)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
