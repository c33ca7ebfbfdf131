"""The contract as part of a stored run: the verdict of every row, and the cells that differ from it."""

from __future__ import annotations

from pydantic import Field

from probes.contract.judging import ContractResult
from probes.contract.sources import Level
from reports.records.schema import ReportModel, is_empty


class DifferingCell(ReportModel):
    """A cell, or a check of a scenario, that differs from a row.

    `cell`: of a check its client and its frontend, `pod-n1-to-s-web.clusterip`. `scenario`, `step`: of a check;
    the keys are missing for a cell. `predicted`: whether kube-proxy's rules predict that it differs, null where
    kube-proxy does not serve, or if a check is not predicted. `rules`: which of them.
    """

    cell: str
    scenario: str = Field(default="", exclude_if=is_empty)
    step: str = Field(default="", exclude_if=is_empty)
    result: ContractResult
    text: str
    predicted: bool | None = None
    rules: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Return the cell; of a check also its scenario and step: `scaled, to zero: pod-n1-to-s-web.clusterip`."""
        return f"{self.scenario}, {self.step}: {self.cell}" if self.scenario else self.cell


class StoredRow(ReportModel):
    """A row of the contract and what a run shows of it.

    `level`: the one in the cluster's version. `counts`: cells by verdict. `differing`: the cells and the checks of
    scenarios that break the promise. `free`: what happens where nothing is promised, each with the number of cells.
    `not_asked`: the reasons, each with the number of cells, 0 if the row has none in this run. `scenarios`: the ids of
    the scenarios that ask it, and `checks`: their checks by verdict; both keys are missing without scenarios.
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
    scenarios: tuple[str, ...] = Field(default=(), exclude_if=is_empty)
    checks: dict[ContractResult, int] = Field(default_factory=dict, exclude_if=is_empty)
