"""Find the smallest changes of a cluster under which all cells, failed and passed, are as observed.

Consistency-based diagnosis (Reiter 1987) over single changes and pairs. A few failed cells of different kinds filter
all candidates; what is left is judged on all cells. Changes that predict the same for every cell are one class: this
run cannot distinguish them. Inconclusive cells count neither way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.hypothesis import ChangedJudge, Hypothesis, prediction_key
from probes.diagnosis.reads import CellReads, record_reads
from probes.diagnosis.time_budget import TRYING, TimeBudget
from probes.judging.compare import find_result
from probes.judging.verdict import Result
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probes.diagnosis.hypothesis import Changes
    from probes.judging.run_judge import Judge
    from probes.plan.cell import Cell

BUDGET_S = 2.0
ALWAYS = 4  # complete explanations that are judged on all cells even if the time is over
REPRESENTATIVES = 16  # failed cells that filter the candidates
PARTIAL = 8  # incomplete explanations that are judged on all cells
PAIRS = 200  # pairs that are judged on all cells
SHOWN = 5  # explanations that are returned
IMPOSSIBLE = (HairpinError, LookupError, TypeError, ValueError, NotImplementedError)
"""What a prediction may raise under a change that no cluster can have: such a change explains nothing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A class of changes that predict the same for every cell."""

    members: tuple[Changes, ...]
    """The changes of the class, the smallest first."""
    explained: tuple[str, ...]
    """The failed cells that are as expected under them."""
    contradicted: tuple[str, ...]
    """The passed cells that would fail under them."""
    changed: int
    """How many other cells have another expectation that the observations fit too."""

    @property
    def size(self) -> int:
        return sum(change.size for change in self.members[0])


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The explanations of a run's failed cells, best first."""

    red: tuple[str, ...]
    """The failed cells."""
    explanations: tuple[Explanation, ...] = ()
    complete: bool = True
    """Whether all candidates were tried within the time."""
    tried: int = 0
    """How many single changes were tried."""

    @property
    def fitting(self) -> tuple[Explanation, ...]:
        """The explanations of all failed cells that contradict no passed cell."""
        return tuple(one for one in self.explanations if len(one.explained) == len(self.red) and not one.contradicted)

    @property
    def is_certain(self) -> bool:
        """Whether exactly one class of changes fits, and all were tried."""
        return self.complete and len(self.fitting) == 1


def diagnose(judge: Judge, cells: Sequence[Cell], budget_s: float = BUDGET_S) -> Diagnosis:
    """Return what explains the failed cells of a judge's run.

    Args:
        judge: The judge of the run, under its own declaration.
        cells: All cells of the run.
        budget_s: Seconds of processor time after which the search ends with what it has found.

    """
    search = Search(judge, cells, TimeBudget(budget_s))
    return search.run() if search.red else Diagnosis(())


@dataclass(slots=True)
class Tried:
    """A single change and the representatives that it may affect, and that it explains, as bits."""

    hypothesis: Hypothesis
    affected: int
    explained: int


@dataclass
class Search:
    """One search. Predictions and reads are made when they are needed, once."""

    judge: Judge
    cells: Sequence[Cell]
    budget: TimeBudget
    complete: bool = True

    @cached_property
    def known_reads(self) -> dict[str, CellReads]:
        """What the prediction of each cell reads under the declaration."""
        found, judge = {}, ChangedJudge.recording(self.judge)
        for cell in self.cells:
            with record_reads(with_facts=not judge.topology.unknown) as reads:
                self.judge.derived[cell.id] = judge.expectation(cell)
            found[cell.id] = reads
        return found

    @cached_property
    def verdicts(self) -> dict[str, Result]:
        """The verdict on each cell under the declaration."""
        return {cell.id: find_result(self.judge.case(cell))[0] for cell in self.cells if self.known_reads}

    @cached_property
    def red(self) -> tuple[Cell, ...]:
        """The failed cells."""
        return tuple(cell for cell in self.cells if self.verdicts[cell.id] is Result.FAIL)

    @cached_property
    def green(self) -> tuple[Cell, ...]:
        """The passed cells."""
        return tuple(cell for cell in self.cells if self.verdicts[cell.id] is Result.PASS)

    def reads(self, cell: Cell) -> CellReads:
        """Return what the prediction of a cell reads under the declaration."""
        return self.known_reads[cell.id]

    def run(self) -> Diagnosis:
        """Return the explanations: the single changes that fit, else the pairs, else the best incomplete ones."""
        tried = list(self._try_all())
        found = self._fitting(one.hypothesis for one in self._complete_singles(tried))
        if not found:
            found = self._fitting(self._pairs(tried))
        if not found:
            found = self._partial(tried)
        return Diagnosis(tuple(cell.id for cell in self.red), tuple(found[:SHOWN]), self.complete, len(tried))

    @cached_property
    def representatives(self) -> tuple[Cell, ...]:
        """Failed cells that differ in what decides them: one of each group in turn."""
        groups: dict[tuple[object, ...], list[Cell]] = {}
        for cell in self.red:
            rules = self.judge.expectation(cell).rules
            groups.setdefault((rules, cell.frontend.kind, cell.vantage.node, cell.frontend.node), []).append(cell)
        turns = (group[turn] for turn in range(len(self.red)) for group in groups.values() if turn < len(group))
        return tuple(cell for cell, _ in zip(turns, range(REPRESENTATIVES), strict=False))

    def _try_all(self) -> Iterator[Tried]:
        """Yield every candidate with the representatives that it explains."""
        chosen = [self.reads(cell) for cell in self.representatives]
        for change in list_candidates(self.judge.topology, [self.reads(cell) for cell in self.red]):
            affected = sum(1 << bit for bit, reads in enumerate(chosen) if change.may_affect(reads))
            if not affected:
                continue
            if self.budget.is_over(TRYING):
                self.complete = False
                return
            if (one := self._try((change,), affected)) and one.explained:
                yield one

    def _try(self, changes: Changes, affected: int) -> Tried | None:
        """Return the changes with the representatives that they explain; None if no cluster can have them."""
        try:
            hypothesis = self._suppose(changes)
            explained = sum(
                1 << bit
                for bit, cell in enumerate(self.representatives)
                if affected >> bit & 1 and hypothesis.result(cell) is not Result.FAIL
            )
        except IMPOSSIBLE:
            return None
        return Tried(hypothesis, affected, explained)

    def _suppose(self, changes: Changes) -> Hypothesis:
        return Hypothesis(changes, ChangedJudge.under(self.judge, changes, self.reads))

    @property
    def _all(self) -> int:
        return (1 << len(self.representatives)) - 1

    def _complete_singles(self, tried: Iterable[Tried]) -> Iterator[Tried]:
        return (one for one in tried if one.explained == self._all)

    def _pairs(self, tried: Sequence[Tried]) -> Iterator[Hypothesis]:
        """Yield the pairs that may explain every representative, the smallest first: alone, or both together."""
        pairs = [
            (one.hypothesis.size + other.hypothesis.size, index, place)
            for index, one in enumerate(tried)
            for place, other in enumerate(tried[:index])
            if (one.explained | other.explained | (one.affected & other.affected)) == self._all
        ]
        if len(pairs) > PAIRS:
            self.complete = False
        for _, index, place in sorted(pairs)[:PAIRS]:
            yield self._suppose((*tried[place].hypothesis.changes, *tried[index].hypothesis.changes))

    def _fitting(self, hypotheses: Iterable[Hypothesis]) -> list[Explanation]:
        """Return the classes of those under which no cell fails."""
        fitting = []
        for number, one in enumerate(hypotheses):
            if number >= ALWAYS and self.budget.is_over():
                self.complete = False
                break
            if self._fits(one):
                fitting.append(one)
        return self._classes(fitting)

    def _fits(self, one: Hypothesis) -> bool:
        try:
            return all(one.result(cell) is not Result.FAIL for cell in (*self.red, *self._affected_green(one)))
        except IMPOSSIBLE:
            return False

    def _affected_green(self, one: Hypothesis) -> Iterator[Cell]:
        return (cell for cell in self.green if one.judge.is_affected(cell))

    def _partial(self, tried: Iterable[Tried]) -> list[Explanation]:
        """Return the best explanations of some failed cells."""
        best = sorted(tried, key=lambda one: (-one.explained.bit_count(), one.hypothesis.size))[:PARTIAL]
        found: list[Explanation] = []
        for one in best:
            if found and self.budget.is_over():
                self.complete = False
                break
            try:
                found.append(self._explain((one.hypothesis,)))
            except IMPOSSIBLE:
                continue
        return sorted(found, key=_rank)

    def _classes(self, fitting: Sequence[Hypothesis]) -> list[Explanation]:
        """Return the hypotheses in classes with the same predictions."""
        classes: dict[object, list[Hypothesis]] = {}
        for one in fitting:
            classes.setdefault(self._signature(one), []).append(one)
        return sorted((self._explain(members) for members in classes.values()), key=_rank)

    def _signature(self, one: Hypothesis) -> frozenset[tuple[str, object]]:
        """Return the predictions that differ from the declaration's."""
        return frozenset((cell.id, prediction_key(one.judge.expectation(cell))) for cell in self._changed(one))

    def _changed(self, one: Hypothesis) -> Iterator[Cell]:
        for cell in (*self.red, *self._affected_green(one)):
            if prediction_key(one.judge.expectation(cell)) != prediction_key(self.judge.expectation(cell)):
                yield cell

    def _explain(self, members: Sequence[Hypothesis]) -> Explanation:
        first, *_ = ranked = sorted(members, key=lambda one: one.size)
        explained = tuple(cell.id for cell in self.red if first.result(cell) is Result.PASS)
        contradicted = tuple(cell.id for cell in self._affected_green(first) if first.result(cell) is Result.FAIL)
        changed = sum(self.verdicts[cell.id] is Result.PASS for cell in self._changed(first))
        return Explanation(tuple(one.changes for one in ranked), explained, contradicted, changed)


def _rank(one: Explanation) -> tuple[int, int]:
    """Return the sort key: cells explained without those contradicted, then the size of the change."""
    return len(one.contradicted) - len(one.explained), one.size


__all__ = ["Diagnosis", "Explanation", "diagnose"]
