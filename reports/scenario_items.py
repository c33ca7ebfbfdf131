"""The tests of scenarios as pytest knows them: which scenario one runs, and the JUnit properties that it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.scenarios.plugin import SCENARIO
from probes.scenarios.results import FILE_NAME
from reports.analysis.convergence import measure_nodes
from reports.analysis.scenarios import describe_scenario
from reports.records.reading import read_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from reports.records.scenarios import StoredScenario


def scenario_of(item: pytest.Item) -> str:
    """Return the id of a test's scenario; an empty string if it has none."""
    return str(getattr(getattr(item, "callspec", None), "params", {}).get(SCENARIO, ""))


def scenario_properties(folder: Path, name: str) -> list[tuple[str, str]]:
    """Return the JUnit properties of a scenario's test; none if it was not run. `folder`: of the run."""
    results = read_scenarios(folder / FILE_NAME, [])
    return [pair for one in results if one.id == name for pair in _properties(one)]


def _properties(one: StoredScenario) -> Iterator[tuple[str, str]]:
    """Yield the verdict, and for each step and node the upper bound of its time in seconds, or `never`."""
    yield from (("scenario", one.id), ("scenario_verdict", describe_scenario(one)))
    for step in one.steps:
        for node in measure_nodes(step.checks):
            seconds = "never" if node.at_most_s is None else f"{node.at_most_s:.3f}"
            yield f"converged_s ({step.name}) {node.node or 'outside'}", seconds
