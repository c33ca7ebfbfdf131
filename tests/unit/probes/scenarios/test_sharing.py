"""Workers of pytest-xdist: one runs the scenarios, the others read its results."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from probes.scenarios import plugin
from probes.scenarios.catalogue import scenarios
from probes.scenarios.results import ScenarioResult, write_results
from probes.shared_answers import NOT_TESTABLE, RUN
from topologies.cluster.api import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

    from probes.scenarios.model import ContractScenario

CHOSEN = list(scenarios()[:2])


class Worker:
    """The part of pytest's config that the plugin uses, in one process of a run."""

    def __init__(self, folder: Path) -> None:
        self.stash: dict[Any, Any] = {RUN: folder}
        self.pluginmanager = SimpleNamespace(getplugin=lambda _: None)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scenarios that were run, in all workers."""
    found: list[str] = []

    def run(config: Any, chosen: list[ContractScenario]) -> tuple[ScenarioResult, ...]:
        found.extend(one.id for one in chosen)
        results = tuple(ScenarioResult(one.id, one.title, one.rows, (), 0.5, skipped="x") for one in chosen)
        write_results(config.stash[RUN], results)
        return results

    monkeypatch.setattr(plugin, "_run", run)
    return found


def results(folder: Path) -> tuple[ScenarioResult, ...]:
    config: Any = Worker(folder)
    return plugin._results(config, CHOSEN)


def test_one_worker_runs_them_for_all(tmp_path: Path, ran: list[str]) -> None:
    first, second = results(tmp_path), results(tmp_path)

    assert first == second
    assert ran == [one.id for one in CHOSEN]


def test_a_worker_that_was_killed_ends_the_others(tmp_path: Path, ran: list[str]) -> None:
    (tmp_path / plugin.BEGUN).touch()

    with pytest.raises(pytest.exit.Exception, match="another worker of this run began them") as ended:
        results(tmp_path)

    assert ended.value.returncode == NOT_TESTABLE
    assert ran == []


def test_a_cluster_that_cannot_be_tested_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        message = "no right to patch services"
        raise ClusterError(message)

    monkeypatch.setattr(plugin, "_run", refuse)
    for _ in range(2):
        with pytest.raises(pytest.exit.Exception, match="the scenarios could not be run: no right to patch services"):
            results(tmp_path)
        monkeypatch.setattr(plugin, "_run", lambda *_: pytest.fail("run again"))
