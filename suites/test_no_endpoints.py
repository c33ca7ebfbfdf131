"""Services without any endpoint: a client is told at once, or never gets through, by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(endpoints=False)
def test_nobody_answers_where_there_is_no_endpoint(cell: Cell, judge: Judging) -> None:
    """No backend ever answers for a Service that has none, and nobody's address is shown to anyone."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)
