"""Find the smallest changes of a cluster under which all cells, failed and passed, are as observed.

Consistency-based diagnosis (Reiter 1987) over single changes and pairs. A few failed cells of different kinds filter
the candidates; what is left is judged on all cells. Changes that predict the same for every cell are one class: this
run cannot distinguish them. Inconclusive cells count neither way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.change import PLAIN
from probes.diagnosis.hypothesis import ChangedJudge, Hypothesis, prediction_key
from probes.diagnosis.pairs import Example, Examples, Judged, Single, choose_examples
from probes.diagnosis.time_budget import TRYING, TimeBudget
from probes.judging.compare import find_plain_result
from probes.judging.verdict import Result
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.hypothesis import Changes
    from probes.diagnosis.reads import CellReads
    from probes.judging.run_judge import Judge
    from probes.plan.cell import Cell

BUDGET_S = 2.0  # for a run of up to BUDGET_CELLS cells, in proportion for a larger one
BUDGET_CELLS = 600
ALWAYS = 4  # complete explanations that are judged on all cells even if the time is over
REPRESENTATIVES = 12  # failed cells that filter the candidates first
PARTIAL = 8  # incomplete explanations that are judged on all cells
ROUNDS = 60  # times that a refuted pair may add an example
SHOWN = 5  # explanations that are returned
IMPOSSIBLE = (HairpinError, LookupError, TypeError, ValueError, NotImplementedError)
"""What a prediction may raise under a change that no cluster can have: such a change explains nothing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A class of changes that predict the same for every cell."""

    members: tuple[Changes, ...]
    """The changes of the class, the smallest first."""
    fits: bool
    """Whether no cell fails under them."""
    explained: tuple[str, ...]
    """The failed cells that are as expected under them."""
    contradicted: tuple[str, ...]
    """The passed cells that would fail under them."""
    changed: int
    """How many other cells have another expectation that the observations fit too."""

    @property
    def size(self) -> int:
        return sum(change.size for change in self.members[0])

    @property
    def has_rule(self) -> bool:
        """Whether a changed rule is part of it, which describes the observations and is no cause of them."""
        return any(change.size > PLAIN for change in self.members[0])


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The explanations of a run's failed cells, best first."""

    red: tuple[str, ...]
    """The failed cells."""
    explanations: tuple[Explanation, ...] = ()
    complete: bool = True
    """Whether all candidates were tried within the time."""
    tried: int = 0
    """How many single changes there were to try."""
    singles_tried: bool = True
    """Whether all of them were tried; if not, no pair was."""

    @property
    def fitting(self) -> tuple[Explanation, ...]:
        """The explanations under which no cell fails."""
        return tuple(one for one in self.explanations if one.fits)

    @property
    def is_certain(self) -> bool:
        """Whether exactly one class of changes fits, all were tried, and it is a cause: a changed rule is none."""
        return self.complete and len(self.fitting) == 1 and not self.fitting[0].has_rule


def find_budget(cells: int) -> float:
    """Return the seconds of processor time that a search over so many cells may take at the end of a run."""
    return BUDGET_S * max(1.0, cells / BUDGET_CELLS)


def diagnose(judge: Judge, cells: Sequence[Cell], budget_s: float | None = None) -> Diagnosis:
    """Return what explains the failed cells of a judge's run.

    Args:
        judge: The judge of the run, under its own declaration.
        cells: All cells of the run.
        budget_s: Seconds of processor time after which the search ends with what it has found. None: by the number of
            cells.

    """
    search = Search(judge, cells, TimeBudget(find_budget(len(cells)) if budget_s is None else budget_s))
    return search.run() if search.red else Diagnosis(())


@dataclass
class Search:
    """One search. Predictions and reads are made when they are needed, once."""

    judge: Judge
    cells: Sequence[Cell]
    budget: TimeBudget
    complete: bool = True
    singles_tried: bool = True
    supposed: dict[Changes, Hypothesis] = field(default_factory=dict)

    @cached_property
    def unchanged(self) -> ChangedJudge:
        """The judge of the run, which also records what predictions read."""
        return ChangedJudge.under(self.judge, (), None)

    @cached_property
    def known_reads(self) -> dict[str, CellReads]:
        """What the prediction of each cell reads under the declaration."""
        found = {cell.id: self.unchanged.record(cell) for cell in self.cells}
        self.judge.derived.update(self.unchanged.derived)
        return found

    @cached_property
    def verdicts(self) -> dict[str, Result]:
        """The verdict on each cell under the declaration."""
        return {cell.id: find_plain_result(self.judge.case(cell)) for cell in self.cells if self.known_reads}

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
        found = self._fitting(self.suppose((change,)) for change in self.candidates if self._affects_all(change))
        if not found:
            examples = self._examples()
            found = self._classes(self._fitting_pairs(examples)) or self._partial(examples)
        number = len(self.candidates)
        red = tuple(cell.id for cell in self.red)
        return Diagnosis(red, tuple(found[:SHOWN]), self.complete, number, self.singles_tried)

    @cached_property
    def candidates(self) -> tuple[ClusterChange, ...]:
        """Every single change that may explain failed cells."""
        return list_candidates(self.judge.topology, [self.reads(cell) for cell in self.red])

    @cached_property
    def representatives(self) -> tuple[Cell, ...]:
        """Failed cells that differ in what decides them."""
        return choose_examples(self.red, self._group, REPRESENTATIVES)

    def _group(self, cell: Cell) -> object:
        return (self.judge.expectation(cell).rules, cell.frontend.kind, cell.vantage.node, cell.frontend.node)

    def _affects_all(self, change: ClusterChange) -> bool:
        """Return whether a change may affect every failed cell; the first few decide quickly."""
        return all(change.may_affect(self.reads(cell)) for cell in self.representatives)

    def suppose(self, changes: Changes) -> Hypothesis:
        """Return the hypothesis of some changes. What was judged under it is kept."""
        if changes not in self.supposed:
            parts = tuple(self.suppose((change,)) for change in changes) if len(changes) > 1 else ()
            self.supposed[changes] = Hypothesis(changes, self.unchanged, self.reads, parts=parts)
        return self.supposed[changes]

    def _examples(self) -> Examples:
        """Return the representatives as examples, judged under each single change."""
        examples = Examples([Single(change) for change in self.candidates], self._judge_single)
        for cell in self.representatives:
            examples.add(Example(cell, self.reads(cell), red=True))
        return examples

    def _judge_single(self, change: ClusterChange, cell: Cell) -> Judged | None:
        """Return the result of a cell under one change; None if no cluster can have it, or if the time is over."""
        if self.budget.is_over(TRYING):
            self.complete = False
            return None
        one = self.suppose((change,))
        try:
            reads = one.judge.record(cell)
            return Judged(one.result(cell), reads)
        except IMPOSSIBLE:
            return None

    def _fitting_pairs(self, examples: Examples) -> list[Hypothesis]:
        """Return the pairs that fit all cells. A cell that refutes a pair becomes an example for the others."""
        fitting: dict[Changes, Hypothesis] = {}
        refuted: set[Changes] = set()
        for _ in range(ROUNDS):
            for one, other in examples.pairs():
                changes = (one.change, other.change)
                if changes in refuted or changes in fitting:
                    continue
                if self.budget.is_over():
                    self.complete = False
                    return list(fitting.values())
                against = self._refute(self.suppose(changes))
                if against is None:
                    fitting[changes] = self.suppose(changes)
                    continue
                refuted.add(changes)
                if against.id not in {known.cell.id for known in examples.cells}:
                    red = self.verdicts[against.id] is Result.FAIL
                    examples.add(Example(against, self.reads(against), red=red))
                    break
            else:
                return list(fitting.values())
        self.complete = False
        return list(fitting.values())

    def _refute(self, one: Hypothesis) -> Cell | None:
        """Return a cell that fails under a hypothesis; None if none does. An impossible one fails at the first cell."""
        try:
            cells = chain(self.representatives, self.red, self._affected_green(one))
            against = next((cell for cell in cells if one.result(cell) is Result.FAIL), None)
            return against if against or one.is_possible else self.representatives[0]
        except IMPOSSIBLE:
            return self.representatives[0]

    def _fitting(self, hypotheses: Iterable[Hypothesis]) -> list[Explanation]:
        """Return the classes of those under which no cell fails."""
        fitting = []
        for number, one in enumerate(hypotheses):
            if number >= ALWAYS and self.budget.is_over():
                self.complete = self.singles_tried = False
                break
            if self._fits(one):
                fitting.append(one)
        return self._classes(fitting)

    def _fits(self, one: Hypothesis) -> bool:
        return self._refute(one) is None and any(one.result(cell) is Result.PASS for cell in self.red)

    def _affected_green(self, one: Hypothesis) -> Iterator[Cell]:
        return (cell for cell in self.green if one.judge.is_affected(cell))

    def _partial(self, examples: Examples) -> list[Explanation]:
        """Return the best explanations of some failed cells."""
        red = examples.red
        useful = sorted(examples.explaining(), key=lambda one: (-(one.passed & red).bit_count(), one.change.size))
        found: list[Explanation] = []
        for one in useful[:PARTIAL]:
            if found and self.budget.is_over():
                self.complete = False
                break
            found.append(self._explain((self.suppose((one.change,)),)))
        return sorted((one for one in found if one.explained), key=_rank)

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
        smallest = min(one.size for one in members)
        first, *_ = ranked = [one for one in members if one.size == smallest]
        explained = tuple(cell.id for cell in self.red if first.result(cell) is Result.PASS)
        contradicted = tuple(cell.id for cell in self._affected_green(first) if first.result(cell) is Result.FAIL)
        changed = sum(self.verdicts[cell.id] is Result.PASS for cell in self._changed(first))
        fits = not contradicted and self._fits(first)
        return Explanation(tuple(one.changes for one in ranked), fits, explained, contradicted, changed)


def _rank(one: Explanation) -> tuple[int, int]:
    """Return the sort key: cells explained without those contradicted, then the size of the change."""
    return len(one.contradicted) - len(one.explained), one.size


__all__ = ["Diagnosis", "Explanation", "diagnose"]
