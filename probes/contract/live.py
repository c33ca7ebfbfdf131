"""The verdicts of the contract in recorded live runs of kube-proxy: live.json, written by `tests.truth.contract`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from probes.contract.judging import ContractResult
from topologies.schema.network import Model
from topologies.schema.scalars import KubernetesVersion

if TYPE_CHECKING:
    from collections.abc import Container

LIVE = Path(__file__).with_name("live.json")  # written by tests/truth/contract.py

PROMISED = (ContractResult.KEPT, ContractResult.BROKEN, ContractResult.UNUSUAL)


class LiveRun(Model):
    """One recorded run of kube-proxy with default flags."""

    mode: str
    version: KubernetesVersion
    topology: str
    network: str
    date: dt.date
    cells: int = Field(description="cells of the rows")
    rows: dict[ContractResult, tuple[int, ...]] = Field(description="verdict -> numbers of rows")

    def result(self, number: int) -> ContractResult:
        """Return the verdict on a row; not asked if no cell of the run asks it."""
        return next((result for result, rows in self.rows.items() if number in rows), ContractResult.NOT_ASKED)


class LiveRuns(Model):
    """All recorded runs."""

    runs: tuple[LiveRun, ...]

    def describe(self, row: int, mode: str, networks: Container[str]) -> str:
        """Return `live: kept in 1.20, 1.37`, or an empty string if no run in this mode asks the row.

        Releases in which nothing is promised are left out.

        Args:
            row: The row's number.
            mode: kube-proxy's mode.
            networks: The kinds of pod network that count. One is named if it decides the verdict.

        """
        found: dict[int, dict[ContractResult, set[str]]] = {}
        for run in self.runs:
            result = run.result(row)
            if run.mode == mode and run.network in networks and result in PROMISED:
                found.setdefault(run.version.minor, {}).setdefault(result, set()).add(run.network)
        texts = [_describe_result(result, found) for result in PROMISED]
        return f"live: {'; '.join(filter(None, texts))}" if found else ""


def _describe_result(result: ContractResult, found: dict[int, dict[ContractResult, set[str]]]) -> str:
    """Return `unusual in 1.20, 1.37 on eni`, or an empty string if no run shows it."""
    minors = [
        f"1.{minor}" + (f" on {', '.join(sorted(shown[result]))}" if len(shown) > 1 else "")
        for minor, shown in sorted(found.items())
        if result in shown
    ]
    return f"{result} in {', '.join(minors)}" if minors else ""


def read_live() -> LiveRuns:
    """Return what live.json has."""
    return LiveRuns.model_validate_json(LIVE.read_bytes())
