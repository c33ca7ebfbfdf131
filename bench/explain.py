"""`python -m bench.explain [TOPOLOGY]`: what explaining costs, compared with judging the same run.

Runs with one and with two injected changes are simulated; no lab is needed. Compare the ratios: both sides are measured
in one process on the same machine. Two changes that no single one explains are the longest search that can succeed.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from probes import session
from probes.diagnosis.faults import NoRules
from probes.diagnosis.masquerade_faults import NoMasquerade
from probes.diagnosis.network_faults import PodNetworkDown
from probes.diagnosis.packet_drops import DroppedConnections
from probes.diagnosis.search import diagnose
from probes.judging.run_judge import Judge
from probes.oracle.predict import expect
from probes.oracle.rule import replace_decisions
from probes.plan.plan import plan
from topologies.loading.load import load

if TYPE_CHECKING:
    from probes.diagnosis.hypothesis import Changes
    from probes.oracle.connection import Connection
    from probes.plan.cell import Cell
    from probes.session import Answers
    from topologies.schema.topology import Topology

ENDLESS_S = 600.0
INJECTED: tuple[Changes, ...] = (
    (NoRules("n1"),),
    (NoMasquerade("n1"),),
    (PodNetworkDown("n2"),),
    (DroppedConnections("n1"),),
    (NoMasquerade("n1"), NoRules("n2")),
    (PodNetworkDown("n2"), DroppedConnections("n1")),
)


def main(name: str) -> None:
    """Print a line for each set of injected changes."""
    topology = load(name)
    cells = plan(topology).cells
    sys.stdout.write(f"{name}: {len(cells)} cells\n  judge s  explain s  ratio  red  certain  injected\n")
    for changes in INJECTED:
        sys.stdout.write(f"  {measure(topology, cells, changes)}  {' and '.join(one.text for one in changes)}\n")


def measure(topology: Topology, cells: tuple[Cell, ...], changes: Changes) -> str:
    """Return the columns of a line: the times are processor time."""
    answers = simulate(topology, cells, changes)
    judge, fresh = (Judge.over(topology, answers, cells) for _ in range(2))
    began = time.process_time()
    for cell in cells:
        judge(cell)
    judged = time.process_time()
    found = diagnose(fresh, cells, ENDLESS_S)
    spent = time.process_time() - judged
    ratio = spent / (judged - began)
    certain = "yes" if found.is_certain else "no"
    return f"{judged - began:>7.2f} {spent:>10.2f} {ratio:>6.1f} {len(found.red):>4}  {certain:>7}"


def simulate(topology: Topology, cells: tuple[Cell, ...], changes: Changes) -> Answers:
    """Return the answers of a cluster that has the changes, and for the rest is as declared."""

    def bend(rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - a decision of any rule
        for change in changes:
            decision = change.bend(rule, decision, conn)
        return decision

    with replace_decisions(bend):
        return session.simulate(topology, cells, lambda cell, known: expect(topology, known, cell))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
