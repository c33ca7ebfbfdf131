"""The observed answers of a run's cells in the terms of the contract, and the rows held against them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.answers import CellAnswers, ContractAnswer
from probes.contract.judging import ContractJudge
from probes.contract.load import rows
from probes.contract.predicted import predicted_answers
from probes.contract.selecting import cells_of_row
from probes.judging.compare import OVERLOADED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from probes.contract.judging import RowVerdict
    from probes.contract.model import ContractRow
    from probes.judging.run_judge import Judge
    from probes.observation import Attempt
    from probes.plan.cell import Cell
    from topologies.common.addresses import IPAddress


@dataclass(frozen=True)
class ObservedContract:
    """The rows, the cells of a run, and its observations. The rules of the run's judge decide nothing here."""

    judge: Judge
    cells: tuple[Cell, ...]

    def verdicts(self) -> Iterator[RowVerdict]:
        """Yield the verdict of every row, by number."""
        for row in rows():
            yield self.verdict(row)

    def verdict(self, row: ContractRow) -> RowVerdict:
        """Return the verdict of a row by what was observed."""
        return self._observed.judge(row, self.cells_of(row))

    def predicted(self, row: ContractRow) -> RowVerdict:
        """Return the verdict of a row by what kube-proxy's rules predict."""
        return self._predicted.judge(row, self.cells_of(row))

    def cells_of(self, row: ContractRow) -> list[Cell]:
        """Return the cells of the run that ask a row."""
        return cells_of_row(row, self.cells, self.judge.topology)

    @cached_property
    def _observed(self) -> ContractJudge:
        return self._over(self._observe)

    @cached_property
    def _predicted(self) -> ContractJudge:
        return self._over(
            lambda cell: predicted_answers(cell, self.judge.expectation(cell), self.judge.own_address(cell))
        )

    def _over(self, answer: Callable[[Cell], CellAnswers]) -> ContractJudge:
        topology = self.judge.topology
        return ContractJudge(topology, {cell.id: answer(cell) for cell in self.cells}, topology.proxy_version)

    def _observe(self, cell: Cell) -> CellAnswers:
        case, own = self.judge.case(cell), self.judge.own_address(cell)
        answers = tuple(self._answer(attempt, own, cell) for attempt in case.observation.counted)
        return CellAnswers(cell, answers, self.unknown(cell), limited=case.limited)

    def unknown(self, cell: Cell) -> str:
        """Return why nothing is known of a cell, or an empty string."""
        seen = self.judge.case(cell).observation
        if missing := seen.trouble or self.judge.lacking.reason(cell.vantage, cell.frontend):
            return missing
        if seen.counted:
            return ""
        return f"{OVERLOADED}: {seen.load}" if seen.attempts else "no attempt was made"

    def _answer(self, attempt: Attempt, own: IPAddress | None, cell: Cell) -> ContractAnswer:
        """Return an attempt. Its source is kept if it is the client's own address or that of its socket."""
        socket, source = attempt.local.rpartition(":")[0], attempt.source
        kept = source is not None and (source == own or str(source) == socket)
        name = self.judge.short_name(source, cell) if source else ""
        return ContractAnswer(attempt.outcome, source, kept, attempt.backend, name=name)
