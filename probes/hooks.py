"""The hook by which reports hear of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from probes.cell import Cell
    from probes.judging import Judge


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """The answers of a run are there; called once in every process that judges."""
