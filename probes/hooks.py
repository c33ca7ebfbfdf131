"""The hooks that inform reports of a run's progress, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from probes.judging.run_judge import Judge
    from probes.observation import Observation
    from probes.plan.cell import Cell
    from probes.session import Answers


def pytest_hairpin_begins(config: pytest.Config) -> None:
    """Handle the beginning of a live run. Called in the one process that probes, like the next two."""


def pytest_hairpin_settled(config: pytest.Config, answers: Answers) -> None:
    """Handle a settled cluster: everything is known except the observations."""


def pytest_hairpin_observed(config: pytest.Config, observations: dict[str, Observation]) -> None:
    """Handle observations by cell id, each newer one in place of the older. Called from several threads."""


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """Handle the end of probing: all cells can be judged. Called in the one process that judges them."""


def pytest_hairpin_scenarios_settled(config: pytest.Config, answers: Answers) -> None:
    """Handle the settled cluster of scenarios, before any change. Called in the one process that runs them."""
