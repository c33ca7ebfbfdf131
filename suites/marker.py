"""`judge_cells` turns a sentence into a test: one item per selected cell, whose verdict must be a pass."""

from __future__ import annotations

import inspect
from functools import update_wrapper
from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.judging.verdict import Facet
    from probes.plan.cell import Cell
    from probes.plugin import Judging


def judge_cells(facet: Facet, **selectors: object) -> Callable[[Callable[[], None]], Callable[[Cell, Judging], None]]:
    """Return a decorator that makes a test of a function whose docstring is the promise.

    Args:
        facet: What is judged of each cell.
        selectors: Which cells, and with `expects` the promise; see `probes/judging/suite.py`.

    """

    def decorate(sentence: Callable[[], None]) -> Callable[[Cell, Judging], None]:
        def test(cell: Cell, judge: Judging) -> None:
            verdict = judge(cell)

            assert verdict.result is Result.PASS, str(verdict)

        signature = inspect.signature(test)
        update_wrapper(test, sentence)  # pytest follows `__wrapped__` to the test's file and line
        vars(test)["__signature__"] = signature  # and must still see the fixtures that the body takes
        return pytest.mark.cells(facet, **selectors)(test)

    return decorate
