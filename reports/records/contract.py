"""The contract as part of a stored run: the verdict of every row, and the cells that differ from it."""

from __future__ import annotations

from pydantic import Field

from probes.contract.judging import ContractResult
from probes.contract.sources import Level
from reports.records.schema import ReportModel


class DifferingCell(ReportModel):
    """A cell that differs from a row.

    `predicted`: whether kube-proxy's rules predict that it differs, null where kube-proxy does not serve. `rules`:
    which of them.
    """

    cell: str
    result: ContractResult
    text: str
    predicted: bool | None = None
    rules: tuple[str, ...] = ()


class StoredRow(ReportModel):
    """A row of the contract and what a run shows of it.

    `level`: the one in the cluster's version. `counts`: cells by verdict. `differing`: the cells that break the
    promise. `free`: what happens where nothing is promised, each with the number of cells. `not_asked`: the reasons,
    each with the number of cells, 0 if the row has none in this run.
    """

    row: str
    number: int
    sentence: str
    level: Level
    result: ContractResult
    counts: dict[ContractResult, int] = Field(default_factory=dict)
    differing: tuple[DifferingCell, ...] = ()
    free: dict[str, int] = Field(default_factory=dict)
    not_asked: dict[str, int] = Field(default_factory=dict)
