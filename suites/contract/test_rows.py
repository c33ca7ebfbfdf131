"""The rows of the API's contract that cells of the matrix can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import DIFFERS, ContractResult
from probes.contract.load import rows

if TYPE_CHECKING:
    from probes.contract.judging import RowVerdict
    from probes.contract.model import ContractRow
    from probes.plugin import ContractJudging

ROWS = [pytest.param(row, id=row.id) for row in rows() if row.asks]


@pytest.mark.parametrize("contract_row", ROWS)
def test_the_row_is_kept(contract_row: ContractRow, judge_row: ContractJudging) -> None:
    """The cluster keeps what this row of the API's contract promises."""
    verdict, fails = judge_row(contract_row)

    if verdict.result is ContractResult.NOT_ASKED:
        pytest.skip(f"contract row {contract_row.number}: {_first(verdict)}")
    if verdict.result in DIFFERS and not fails:
        pytest.xfail(_describe(verdict))

    assert verdict.result in {ContractResult.KEPT, ContractResult.FREE}, _describe(verdict)


def _first(verdict: RowVerdict) -> str:
    return verdict.cells[0].text if verdict.cells else verdict.why_not


def _describe(verdict: RowVerdict) -> str:
    cells = [one for one in verdict.cells if one.result is verdict.result]
    lines = "\n".join(f"    {one.cell}: {one.text}" for one in cells)
    return f"{verdict.result}: row {verdict.row.number}: {verdict.row.sentence}\n{lines}"
