"""Runs of a simulated cluster that differs from its declaration: by wrong facts, by faults, or by both."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probes import session
from probes.diagnosis.search import diagnose
from probes.judging.run_judge import Judge
from probes.oracle.predict import expect
from probes.oracle.rule import replace_decisions
from probes.plan.plan import plan
from topologies.loading import overrides

if TYPE_CHECKING:
    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.search import Diagnosis
    from probes.oracle.connection import Connection
    from probes.plan.cell import Cell

FINALLY = 60.0  # seconds for a search on a busy machine: the test looks at its result, and prints its time


@dataclass(frozen=True)
class Injected:
    """What is wrong: the declaration, or the cluster."""

    name: str
    topology: str
    wrong: dict[str, Any] = field(default_factory=dict)
    """Overrides of the declaration. The cluster has the topology's own values, which explain the run."""
    real: dict[str, Any] = field(default_factory=dict)
    """Overrides of the cluster, which explain the run."""
    faults: tuple[ClusterChange, ...] = ()
    both: dict[str, Any] = field(default_factory=dict)
    """Overrides of the declaration and the cluster."""

    @property
    def truth(self) -> frozenset[tuple[str, str]]:
        """The path and the value of each change that explains the run."""
        own = overrides.declared(self.topology, self.both)
        facts = {(path, str(_value(own, path))) for path in self.wrong} | {(p, str(v)) for p, v in self.real.items()}
        return frozenset(facts | {(fault.path, str(fault.value)) for fault in self.faults})

    def run(self) -> tuple[Judge, tuple[Cell, ...]]:
        """Return a judge of the run by the declaration."""
        cluster = overrides.declared(self.topology, {**self.both, **self.real})
        declared = overrides.declared(self.topology, {**self.both, **self.wrong})
        cells = plan(declared).cells
        with replace_decisions(self._bend):
            answers = session.simulate(cluster, cells, lambda cell, known: expect(cluster, known, cell))
        return Judge.over(declared, answers, cells), cells

    def _bend(self, rule: str, decision: Any, conn: Connection) -> Any:
        for fault in self.faults:
            decision = fault.bend(rule, decision, conn)
        return decision

    def diagnose(self) -> tuple[Diagnosis, float]:
        """Return the diagnosis of the run and its seconds of processor time."""
        judge, cells = self.run()
        fresh = Judge.over(judge.topology, judge.answers, cells)
        began = time.process_time()
        return diagnose(fresh, cells, FINALLY), time.process_time() - began


def _value(topology: Any, path: str) -> object:
    for key in path.split("."):
        topology = getattr(topology, key)
    return topology


def rank(diagnosis: Diagnosis, truth: frozenset[tuple[str, str]]) -> int:
    """Return the place of the class that has the truth, from 1; 0 if none has."""
    for place, one in enumerate(diagnosis.explanations, start=1):
        if truth in {frozenset((change.path, str(change.value)) for change in member) for member in one.members}:
            return place
    return 0
