"""Judges cells as if the cluster had some changes. Cells that the changes cannot affect keep their verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from probes.diagnosis.reads import RecordingEnvironment, find_current_reads, record_reads
from probes.judging.compare import find_result
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.rule import replace_decisions
from topologies.cluster_state.declared_workload import declared_workload
from topologies.schema.validation import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.reads import CellReads
    from probes.oracle.connection import ClusterModel, Connection
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.cluster_state.shortfalls import Shortfalls
    from topologies.cluster_state.snapshot import Snapshot

Changes = tuple["ClusterChange", ...]
Key = tuple[object, ...]
DIGITS = 6  # of a share that two predictions must have in common to be the same


def prediction_key(expectation: Expectation) -> Key:
    """Return what two expectations have in common if no observation can distinguish them."""
    return (frozenset(map(_key, expectation.possible)),)


def _key(expectation: Expectation) -> Key:
    ways = {(one.outcome, one.sources, one.backend, round(one.share, DIGITS)) for one in expectation.paths}
    return (frozenset(ways), expectation.sticky)


def record_model(model: ClusterModel) -> ClusterModel:
    """Return the model of a cluster whose environments record what is read; of one with unknown facts, the same."""
    if model.topology.unknown:
        return model
    recording = {name: RecordingEnvironment.around(one, name) for name, one in model.environments.items()}
    return replace(model, environments=recording)


@dataclass(frozen=True)
class ChangedJudge(Judge):
    """A judge of the same observations under changes of the cluster."""

    base: Judge | None = None
    changes: Changes = ()
    reads: Callable[[Cell], CellReads] | None = None
    """Returns what the prediction of a cell reads without the changes."""

    @classmethod
    def under(cls, base: Judge, changes: Changes, reads: Callable[[Cell], CellReads] | None) -> ChangedJudge:
        """Return a judge under these changes."""
        topology = base.topology
        for change in changes:
            topology = change.declare(topology)
        return cls(
            topology,
            base.answers,
            refusals=base.refusals,
            neighbours=base.neighbours,
            observed=base.observed,
            base=base,
            changes=changes,
            reads=reads,
        )

    @cached_property
    def recorder(self) -> ChangedJudge:
        """The same judge with a model that records what is read; both keep their predictions in one place."""
        recorder = replace(self, derived=self.derived)
        recorder.__dict__["model"] = record_model(self.model)
        return recorder

    def record(self, cell: Cell) -> CellReads:
        """Predict a cell and return what its prediction reads under the changes."""
        with record_reads(with_facts=not self.topology.unknown) as reads:
            self.derived[cell.id] = self.recorder._changed(cell)  # noqa: SLF001 - its own class
        return reads

    @cached_property
    def lacking(self) -> Shortfalls:
        """The shortfalls of the run itself: what was missing was not probed."""
        return self._base.lacking

    @cached_property
    def reference(self) -> Snapshot:
        """The declared workload; only another status of the balancer changes it."""
        same = self.topology.load_balancer == self._base.topology.load_balancer
        return self._base.reference if same else declared_workload(self.topology, self.answers.snapshot)

    @property
    def _base(self) -> Judge:
        if self.base is None:
            message = "a changed judge needs the judge of the run"
            raise LookupError(message)
        return self.base

    def is_affected(self, cell: Cell) -> bool:
        """Return whether the changes may affect the prediction of a cell."""
        return self.reads is None or any(change.may_affect(self.reads(cell)) for change in self.changes)

    def expectation(self, cell: Cell) -> Expectation:
        """Return the expectation under the changes."""
        if cell.id not in self.derived:
            self.derived[cell.id] = self._changed(cell) if self.is_affected(cell) else self._base.expectation(cell)
        return self.derived[cell.id]

    def _changed(self, cell: Cell) -> Expectation:
        with replace_decisions(self._bend):
            return self._derive(cell)

    def _bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - a decision of any rule
        for change in self.changes:
            decision = change.bend(rule, decision, conn)
        reads = find_current_reads()
        return decision if reads is None else reads.note(rule, decision, conn)


@dataclass(slots=True)
class Hypothesis:
    """Some changes, and how the cells of a run would be judged under them."""

    changes: Changes
    base: Judge
    reads: Callable[[Cell], CellReads]
    results: dict[str, Result] = field(default_factory=dict)
    made: ChangedJudge | None = None

    @property
    def judge(self) -> ChangedJudge:
        """The judge under the changes, made at its first use: no cluster may have them."""
        if self.made is None:
            self.made = ChangedJudge.under(self.base, self.changes, self.reads)
        return self.made

    @property
    def size(self) -> int:
        """How much it changes."""
        return sum(change.size for change in self.changes)

    @property
    def is_possible(self) -> bool:
        """Whether a topology with these changes would be accepted."""
        return not rules.complaints(self.judge.topology)

    def result(self, cell: Cell) -> Result:
        """Return the verdict on a cell under the changes. A cell for which nothing could be expected fails."""
        if cell.id not in self.results:
            case = self.judge.case(cell)
            self.results[cell.id] = find_result(case)[0] if case.expectation.paths else Result.FAIL
        return self.results[cell.id]
