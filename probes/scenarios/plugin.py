"""The pytest plugin of the scenarios: one item a scenario, run once for all processes of a run.

Scenarios are collected only with `--scenarios`, or if a path inside `suites/scenarios` is on the command line. The
first item runs all selected scenarios, one after the other, and the others read the file of results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes import options
from probes.scenarios.asking import TimeLimits
from probes.scenarios.catalogue import ContractScenario, scenarios
from probes.scenarios.engine import run_scenarios
from probes.scenarios.results import FILE_NAME, ScenarioResult, read_results
from probes.shared_answers import (
    RUN,
    begin_shutdown,
    locked,
    print_progress,
    run_id,
    run_options,
    stop,
    stopping,
    why_not,
)
from topologies.plugin import TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from probes.scenarios.cluster import ScenarioCluster

RESULTS = pytest.StashKey[dict[str, ScenarioResult]]()
SCENARIO = "contract_scenario"  # the parameter of a test
FOLDER = ("suites", "scenarios")
BEGUN = ".scenarios-begun"  # in the run's folder: a worker runs them, or has
NOT_SHARED = (
    "the scenarios could not be judged: another worker of this run began them and has not shared their results "
    "(it was killed, or the disk is full). `hairpin clean` removes what it may have left"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of scenarios."""
    group = parser.getgroup("hairpin: how to ask")
    group.addoption(
        "--scenarios", action="store_true", help="also run the scenarios: changes of Services and pods while asking"
    )
    group.addoption(
        "--scenario-timeout",
        type=options.seconds,
        default=TimeLimits().limit_s,
        metavar="S",
        help=f"seconds after a change in which its promises should hold (default {TimeLimits().limit_s:g})",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the scenarios out, unless they are asked for."""
    folder = config.rootpath.joinpath(*FOLDER)
    inside = collection_path == folder or folder in collection_path.parents
    return True if inside and not _wants_scenarios(config) else None


def _wants_scenarios(config: pytest.Config) -> bool:
    folder = config.rootpath.joinpath(*FOLDER)
    base = config.invocation_params.dir
    named = ((base / argument.split("::", maxsplit=1)[0]).resolve() for argument in config.args)
    return config.getoption("--scenarios") or any(one == folder or folder in one.parents for one in named)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item a scenario."""
    if SCENARIO in metafunc.fixturenames:
        metafunc.parametrize(SCENARIO, scenarios(), ids=str)


@pytest.fixture
def scenario_result(request: pytest.FixtureRequest) -> Callable[[ContractScenario], ScenarioResult]:
    """Return the results of scenarios. The first use runs all selected ones, in one process for all workers."""
    config = request.config
    if config.getoption("--simulate"):
        pytest.skip("scenarios change a live cluster, and a simulated one has no API")
    if RESULTS not in config.stash:
        chosen = [one.callspec.params[SCENARIO] for one in request.session.items if _has_scenario(one)]  # type: ignore[attr-defined]
        config.stash[RESULTS] = {one.id: one for one in _results(config, chosen)}
    return lambda scenario: config.stash[RESULTS][scenario.id]


def _has_scenario(item: pytest.Item) -> bool:
    return SCENARIO in getattr(getattr(item, "callspec", None), "params", {})


def _results(config: pytest.Config, chosen: list[ContractScenario]) -> tuple[ScenarioResult, ...]:
    folder = config.stash[RUN]
    with locked(folder, ".scenarios"), stopping(config, "the scenarios could not be run"):
        if failed := why_not(folder):
            stop(config, failed)
        if (folder / BEGUN).exists():
            return _shared(config)
        (folder / BEGUN).touch()
        return _run(config, chosen)


def _shared(config: pytest.Config) -> tuple[ScenarioResult, ...]:
    folder = config.stash[RUN]
    if not (folder / FILE_NAME).exists():
        stop(config, NOT_SHARED)
    return read_results(folder)


def _run(config: pytest.Config, chosen: list[ContractScenario]) -> tuple[ScenarioResult, ...]:
    used, shutdown = run_options(config), begin_shutdown(config)

    def begun(cluster: ScenarioCluster) -> None:
        if not used.keep:
            shutdown.watch(cluster)

    try:
        return run_scenarios(
            config.stash[TOPOLOGY],
            chosen,
            run_id(config.stash[RUN]),
            used,
            TimeLimits(config.getoption("--scenario-timeout")),
            config.stash[RUN],
            progress=lambda line: print_progress(config, line),
            begun=begun,
            settled=lambda known: config.hook.pytest_hairpin_scenarios_settled(config=config, answers=known),
        )
    finally:
        if not shutdown.interrupted:
            shutdown.spare()
