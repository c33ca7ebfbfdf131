"""Judges cells as if the cluster had some changes. Cells that the changes cannot affect keep their verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from probes.diagnosis.reads import RecordingEnvironment, find_current_reads, record_reads
from probes.judging.compare import find_plain_result
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.predict import model_cluster
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
    from topologies.schema.topology import Topology

Changes = tuple["ClusterChange", ...]
Key = tuple[object, ...]
DIGITS = 6  # of a share that two predictions must have in common to be the same


def prediction_key(expectation: Expectation) -> Key:
    """Return what two expectations have in common if no observation can distinguish them."""
    return (frozenset(map(_key, expectation.possible)),)


def _key(expectation: Expectation) -> Key:
    ways = {(one.outcome, one.sources, one.backend, round(one.share, DIGITS)) for one in expectation.paths}
    return (frozenset(ways), expectation.sticky, round(expectation.sticky_per_node, DIGITS))


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
    parts: tuple[ChangedJudge, ...] = ()
    """For two changes the judges under each of them alone, whose predictions are reused."""
    affected: dict[str, bool] = field(default_factory=dict)
    """By cell id: whether the changes may affect its prediction."""
    recorded: dict[str, CellReads] = field(default_factory=dict)
    """By cell id: what its prediction reads under the changes."""

    @classmethod
    def under(
        cls,
        base: Judge,
        changes: Changes,
        reads: Callable[[Cell], CellReads] | None,
        parts: tuple[ChangedJudge, ...] = (),
    ) -> ChangedJudge:
        """Return a judge under these changes."""
        return cls(
            _declare(base, changes, parts),
            base.answers,
            refusals=base.refusals,
            neighbours=base.neighbours,
            observed=base.observed,
            base=base,
            changes=changes,
            reads=reads,
            parts=parts,
        )

    @cached_property
    def model(self) -> ClusterModel:
        """The cluster with the changes; a fault is not part of it, so many judges share one."""
        known = next((one for one in (self._base, *self.parts) if one.topology is self.topology), None)
        return known.model if known else model_cluster(self.topology, self.reference)

    @cached_property
    def recording_model(self) -> ClusterModel:
        """The same cluster with environments that record what is read."""
        judges = (one for one in (self._base, *self.parts) if isinstance(one, ChangedJudge))
        known = next((one for one in judges if one.topology is self.topology), None)
        return known.recording_model if known else record_model(self.model)

    @cached_property
    def recorder(self) -> ChangedJudge:
        """The same judge with a model that records what is read; both keep their predictions in one place."""
        recorder = replace(self, derived=self.derived)
        recorder.__dict__["model"] = self.recording_model
        return recorder

    def record(self, cell: Cell) -> CellReads:
        """Predict a cell and return what its prediction reads under the changes."""
        if not self.is_affected(cell) and self.reads:
            return self.reads(cell)
        if cell.id not in self.recorded:
            with record_reads(with_facts=not self.topology.unknown) as reads:
                self.derived[cell.id] = self.recorder._changed(cell)  # noqa: SLF001 - its own class
            self.recorded[cell.id] = reads
        return self.recorded[cell.id]

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
        if self.reads is None:
            return True
        if self.parts:
            return any(one.is_affected(cell) for one in self.parts)
        if cell.id not in self.affected:
            self.affected[cell.id] = self.changes_any(self.reads(cell))
        return self.affected[cell.id]

    def expectation(self, cell: Cell) -> Expectation:
        """Return the expectation under the changes."""
        if cell.id not in self.derived:
            same = self._find_same(cell)
            self.derived[cell.id] = same.expectation(cell) if same else self._changed(cell)
        return self.derived[cell.id]

    def _find_same(self, cell: Cell) -> Judge | None:
        """Return a judge without one or all of the changes that expects the same: what it reads is not changed."""
        if not self.is_affected(cell):
            return self._base
        both = zip(self.parts, reversed(self.parts), strict=True)
        return next((one for one, other in both if not other.changes_any(one.record(cell))), None)

    def changes_any(self, reads: CellReads) -> bool:
        """Return whether the changes may affect a prediction that reads this."""
        return any(change.may_affect(reads) for change in self.changes)

    def _changed(self, cell: Cell) -> Expectation:
        with replace_decisions(self._bend):
            return self._derive(cell)

    def _bend(self, rule: str, decision: Any, conn: Connection) -> Any:  # noqa: ANN401 - a decision of any rule
        for change in self.changes:
            decision = change.bend(rule, decision, conn)
        reads = find_current_reads()
        return decision if reads is None else reads.note(rule, decision, conn)


def _declare(base: Judge, changes: Changes, parts: tuple[ChangedJudge, ...]) -> Topology:
    """Return the topology with the changes; the very one of a judge that declares no less."""
    if parts and parts[0].topology is base.topology:
        return parts[-1].topology
    topology, pending = (parts[0].topology, changes[1:]) if parts else (base.topology, changes)
    for change in pending:
        topology = change.declare(topology)
    return topology


@dataclass(slots=True)
class Hypothesis:
    """Some changes, and how the cells of a run would be judged under them."""

    changes: Changes
    base: Judge
    reads: Callable[[Cell], CellReads]
    results: dict[str, Result] = field(default_factory=dict)
    parts: tuple[Hypothesis, ...] = ()
    """For two changes the hypotheses of each of them alone."""
    made: ChangedJudge | None = None

    @property
    def judge(self) -> ChangedJudge:
        """The judge under the changes, made at its first use: no cluster may have them."""
        if self.made is None:
            parts = tuple(one.judge for one in self.parts)
            self.made = ChangedJudge.under(self.base, self.changes, self.reads, parts)
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
            self.results[cell.id] = find_plain_result(case) if case.expectation.paths else Result.FAIL
        return self.results[cell.id]
