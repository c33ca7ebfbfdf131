"""The judge of a run in a cluster where kube-proxy does not serve: the contract decides, and no rule of kube-proxy.

A cell fails if it breaks a promise (a must). Whatever else happens is reported and passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.judging import ContractResult
from probes.contract.observed import ObservedContract
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result, Verdict
from probes.oracle.expectation import Expectation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.contract.judging import CellVerdict
    from probes.contract.model import ContractRow
    from probes.plan.cell import Cell
    from probes.session import Answers
    from topologies.schema.topology import Topology

FACETS = {"outcome": Facet.REACHABILITY, "source": Facet.SOURCE, "backend": Facet.BACKENDS}
NO_ROW = "free: no row of the API's contract is about this cell"


def judge_over(topology: Topology, answers: Answers, cells: Iterable[Cell], folder: str = "") -> Judge:
    """Return the judge of these cells: by kube-proxy's rules, or by the contract if another implementation serves."""
    judge = Judge if topology.proxy.is_kube_proxy else ContractOnlyJudge
    return judge.over(topology, answers, cells, folder)


@dataclass(frozen=True)
class ContractOnlyJudge(Judge):
    """A judge that predicts nothing and knows only the contract."""

    def __call__(self, cell: Cell, facet: Facet | None = None) -> Verdict:
        """Return the contract's verdict on one facet of a cell, or on all of them."""
        key = (cell.id, facet)
        if key not in self.verdicts:
            self.verdicts[key] = self._verdict(cell, facet)
        return self.verdicts[key]

    def expectation(self, cell: Cell) -> Expectation:
        """Return that nothing is predicted."""
        if cell.id not in self.derived:
            because = f"not predicted: {self.topology.proxy.kind} serves Services here"
            self.derived[cell.id] = Expectation((), (), because)
        return self.derived[cell.id]

    @cached_property
    def contract(self) -> ObservedContract:
        """The contract of all cells of the run."""
        return ObservedContract(self, tuple(cell for group in self.neighbours.values() for cell in group))

    @cached_property
    def of_cell(self) -> dict[str, list[tuple[ContractRow, CellVerdict]]]:
        """The rows that each cell asks, with their verdicts on it."""
        found: dict[str, list[tuple[ContractRow, CellVerdict]]] = {}
        for verdict in self.contract.verdicts():
            for one in verdict.cells:
                found.setdefault(one.cell, []).append((verdict.row, one))
        return found

    def _verdict(self, cell: Cell, facet: Facet | None) -> Verdict:
        case, verdicts = self.case(cell), self.of_cell.get(cell.id, [])
        lines = tuple(("contract", f"row {row.number} {row.id}: {_describe(one)}") for row, one in verdicts)
        account = tuple(line for line in case.account if line[0] not in {"because", "expected"}) + lines
        if unknown := self.contract.unknown(cell):
            return Verdict(cell.id, Result.INCONCLUSIVE, f"the cell could not be asked: {unknown}", account, facet)
        broken = [(row, one) for row, one in verdicts if one.result is ContractResult.BROKEN]
        mine = [(row, one) for row, one in broken if facet in {None, FACETS[one.facet]}]
        if mine:
            headline = "; ".join(f"broken promise: row {row.number} {row.id}: {one.text}" for row, one in mine)
            return Verdict(cell.id, Result.FAIL, headline, account, facet)
        return Verdict(cell.id, Result.PASS, _pass_headline(verdicts), account, facet)


def _describe(verdict: CellVerdict) -> str:
    return f"{verdict.result}, {verdict.text}" if verdict.text else str(verdict.result)


def _pass_headline(verdicts: list[tuple[ContractRow, CellVerdict]]) -> str:
    named = ", ".join(f"{one.result} (row {row.number})" for row, one in verdicts)
    return named or NO_ROW
