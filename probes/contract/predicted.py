"""The contract held against kube-proxy's rules: which rows a mode and version keep, and which rules break the others.

The rules do not decide a verdict on a cluster. They show where kube-proxy itself differs from what the API promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.answers import CellAnswers, ContractAnswer
from probes.contract.judging import ContractJudge, RowVerdict
from probes.contract.load import rows
from probes.contract.selecting import cells_of_row
from probes.observation import Outcome
from probes.oracle.client import client_address
from probes.oracle.predict import DECISIVE, POOLS, READY, model_cluster, predict
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.frontends import FrontendKind, UnresolvedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.contract.model import ContractRow
    from probes.oracle.expectation import Expectation, Path
    from probes.plan.cell import Cell
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology


@dataclass(frozen=True)
class AskedRows:
    """Rows with the cells of a topology that ask them. They do not depend on kube-proxy's mode and version."""

    rows: tuple[ContractRow, ...]
    cells: tuple[Cell, ...]
    """The cells of all rows, and the direct connections to endpoints that separate the network from the proxy."""
    of_row: dict[str, list[Cell]]
    """The cells of each row, by its id."""

    @classmethod
    def of(cls, topology: Topology, chosen: tuple[ContractRow, ...] = ()) -> AskedRows:
        """Return the chosen rows, or all, with their cells of a topology's plan."""
        planned, judged = plan(topology).cells, chosen or rows()
        of_row = {row.id: cells_of_row(row, planned, topology) for row in judged}
        wanted = {cell.id for cells in of_row.values() for cell in cells}
        cells = (cell for cell in planned if cell.id in wanted or cell.frontend.kind is FrontendKind.ENDPOINT)
        return cls(judged, tuple(cells), of_row)


@dataclass(frozen=True)
class PredictedContract:
    """The verdict of every row on the cells of a topology, by the answers that its kube-proxy's rules predict."""

    topology: Topology
    asked: AskedRows
    """The rows, and the cells that ask them."""

    @cached_property
    def judge(self) -> ContractJudge:
        """The judge of the predicted answers."""
        answers = {cell.id: answer for cell, answer in zip(self.asked.cells, self._answers(), strict=True)}
        return ContractJudge(self.topology, answers, self.topology.proxy_version)

    def verdict(self, row: ContractRow) -> RowVerdict:
        """Return the verdict of one row."""
        return self.judge.judge(row, self.asked.of_row[row.id])

    def verdicts(self) -> Iterator[RowVerdict]:
        """Yield the verdict of every row, by number."""
        for row in self.asked.rows:
            yield self.verdict(row)

    def _answers(self) -> Iterator[CellAnswers]:
        snapshot = declared(self.topology)
        model = model_cluster(self.topology, snapshot)
        for cell in self.asked.cells:
            own = client_address(cell.vantage, self.topology, snapshot)
            try:
                yield predicted_answers(cell, predict(model, cell), own)
            except UnresolvedError as error:
                yield CellAnswers(cell, unknown=str(error))


def predicted_answers(cell: Cell, expectation: Expectation, own: IPAddress | None) -> CellAnswers:
    """Return the answers that an expectation allows, one for each path and source.

    Args:
        cell: The cell.
        expectation: Its expectation.
        own: The client's own address.

    """
    found = tuple(answer for path in expectation.paths for answer in _of_path(path, own))
    unknown = "" if found else expectation.because
    return CellAnswers(cell, found, unknown, sticky=expectation.sticky, exhaustive=True)


def _of_path(path: Path, own: IPAddress | None) -> Iterator[ContractAnswer]:
    sources: tuple[IPAddress | None, ...] = tuple(sorted(path.sources)) or (None,)
    for source in sources:
        yield ContractAnswer(path.outcome, source, source is not None and source == own, path.backend, _decisive(path))


def _decisive(path: Path) -> tuple[str, ...]:
    """Return the rules that decided a path: endpoint selection and mark, or selection and the rule that ended it."""
    if path.outcome is Outcome.OK:
        return tuple(rule for rule in path.rules if rule in DECISIVE)
    return tuple(dict.fromkeys([*(rule for rule in path.rules if rule in POOLS | READY), *path.rules[-1:]]))
