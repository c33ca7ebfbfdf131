"""The hooks by which reports hear of a run while it comes to be, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from probes.judging.run_judge import Judge
    from probes.observation import Observation
    from probes.plan.cell import Cell
    from probes.session import Answers


def pytest_hairpin_begins(config: pytest.Config) -> None:
    """A live run begins; called in the one process that asks, as are the next two."""


def pytest_hairpin_settled(config: pytest.Config, answers: Answers) -> None:
    """The cluster is settled: all is known but the observations."""


def pytest_hairpin_heard(config: pytest.Config, observations: dict[str, Observation]) -> None:
    """A vantage was asked: observations by cell id, each newer one in place of the older; from several threads."""


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """All cells can be judged. Called in the one process that judges them."""
