"""Run scenarios on a live cluster: deploy their workload in one namespace, change, ask, remove. Imports no pytest.

Deploying and removing are those of a run of the matrix (probes/session.py). An error of the API ends a scenario: what
it has not asked is `not asked`. Results are written after every scenario.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from probes import session as sessions
from probes.asking import curl
from probes.asking.batch import ClientHost
from probes.contract.sources import Level
from probes.lifecycle.probers import Probers
from probes.scenarios.asking import Asker, Asking, TimeLimits
from probes.scenarios.baseline import find_excuse
from probes.scenarios.catalogue.common import WEB as STEADY
from probes.scenarios.cluster import ScenarioCluster
from probes.scenarios.later_service import LaterService
from probes.scenarios.results import BROKEN, ScenarioResult, ScenarioStep, write_results
from probes.scenarios.stage import Stage
from probes.scenarios.verdicts import judge, level_of, predict_checks, unasked
from topologies.cluster.inventory import refuse_missing_rights
from topologies.cluster_state.shortfalls import shortfalls
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from probes.asking.vantages.base import Prober
    from probes.scenarios.model import ContractScenario, Step
    from probes.scenarios.verdicts import PredictedCheck
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

SUFFIX = "-s"  # of the run's id in the name of the namespace, beside that of the same run's matrix


@dataclass(frozen=True)
class ScenarioRun:
    """The scenarios of one run in a cluster that has their workload."""

    cluster: ScenarioCluster
    stage: Stage
    snapshot: Snapshot
    prober_at: Callable[[str], Prober]
    patience: TimeLimits
    progress: Callable[[str], None]
    ports: dict[str, curl.Ports] = field(default_factory=dict)

    @cached_property
    def later(self) -> LaterService:
        """Creates Services after a change."""
        return LaterService(self.cluster, frozenset(self.stage.backings) - {one.name for one in STEADY})

    def run(self, scenario: ContractScenario) -> ScenarioResult:
        """Return the result of one scenario."""
        began, steps = time.monotonic(), list[ScenarioStep]()
        trouble = self._lacking(scenario)
        planned = scenario.steps(self.stage)
        try:
            if not trouble:
                self.cluster.learn()
                for step in self._take(planned):
                    steps.append(step)  # what was taken before an error stays
        except HairpinError as error:
            trouble = str(error)
        steps += [_not_taken(one, trouble) for one in planned[len(steps) :]]
        return ScenarioResult(
            scenario.id, scenario.title, scenario.rows, tuple(steps), round(time.monotonic() - began, 2), trouble
        )

    def _lacking(self, scenario: ContractScenario) -> str:
        """Return which of the scenario's pods or Services never became what it needs, or an empty string."""
        names = {one.name for one in scenario.backings}
        services = {one["name"] for one in scenario.services}
        found = shortfalls(self.stage.topology, self.snapshot).found
        reasons = [one.reason for one in found if one.pod in names or one.service in services]
        return "; ".join(dict.fromkeys(reasons))

    def _take(self, planned: Iterable[Step]) -> Iterator[ScenarioStep]:
        state: Topology | None = self.stage.topology
        for step in planned:
            state = step.change.declare(state) if state else None
            yield self._take_step(step, state)

    def _take_step(self, step: Step, state: Topology | None) -> ScenarioStep:
        topology = state or self.stage.topology
        step.change.apply(self.cluster)
        accepted, at = time.monotonic(), dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        free = {one: level_of(one, topology) is Level.UNSPECIFIED for one in step.checks}
        askings = [Asking(one, topology, free=free[one]) for one in step.checks]
        asker = Asker(self._host_of, self.cluster.resolve, self.patience)
        asker.ask(askings, accepted)
        predicted = tuple(predict_checks(step.checks, state))
        late = self._ask_late(asker, askings, predicted, accepted)
        excuses = (_describe_late(one, late) or find_excuse(one, self.cluster.pod_addresses, asker) for one in askings)
        checks = tuple(judge(*three) for three in zip(askings, predicted, excuses, strict=True))
        return ScenarioStep(step.name, step.change.text, at, checks)

    def _ask_late(
        self, asker: Asker, askings: Iterable[Asking], predicted: Iterable[PredictedCheck], accepted: float
    ) -> frozenset[str]:
        """Ask again what does not hold against the rules, where a later Service is served. Return the other nodes."""
        late = [one for one, known in zip(askings, predicted, strict=True) if one.is_late and known.result != BROKEN]
        if not late:
            return frozenset()
        nodes = self.later.find_late_nodes(self.patience.later_s)
        asker.ask([one for one in late if not _describe_late(one, nodes)], accepted)
        return nodes

    def _host_of(self, client: str) -> ClientHost:
        vantage = next(one for one in self.stage.topology.workload.vantages if one.name == client)
        return ClientHost(self.prober_at(client), self.ports.setdefault(vantage.host, curl.Ports()))


def _describe_late(asking: Asking, nodes: frozenset[str]) -> str:
    """Return why a promise that does not hold shows nothing at these late nodes; an empty string if it does."""
    node = asking.check.node
    concerned = nodes & {node} if node else nodes
    if not concerned:
        return ""
    return f"{', '.join(sorted(concerned))} did not serve a Service that was created later either"


def _not_taken(step: Step, trouble: str) -> ScenarioStep:
    return ScenarioStep(step.name, step.change.text, "", tuple(unasked(one, trouble) for one in step.checks))


def run_scenarios(  # noqa: PLR0913, PLR0917 - the one place where all the parts of a run of scenarios meet
    topology: Topology,
    scenarios: Iterable[ContractScenario],
    run: str,
    options: sessions.Options,
    patience: TimeLimits,
    folder: Path,
    *,
    progress: Callable[[str], None],
    begun: Callable[[ScenarioCluster], None] = lambda _: None,
    settled: Callable[[sessions.Answers], object] = lambda _: None,
) -> tuple[ScenarioResult, ...]:
    """Run these scenarios, and write their results into a folder after each.

    Args:
        topology: The declared cluster.
        scenarios: What to run.
        run: The id of the run.
        options: As for a run of the matrix.
        patience: How long promises may take.
        folder: Of the run.
        progress: Gets the progress, a line at a time.
        begun: Called before anything is created, with the cluster whose `remove` removes it.
        settled: Called before the first change, with what is known of the cluster.

    Raises:
        ClusterError: The cluster cannot be tested at all.

    """
    chosen = tuple(scenarios)
    every = Stage.build(topology, chosen)
    reasons = {one.id: every.why_not(one) for one in chosen}
    results = [_skipped(one, reasons[one.id]) for one in chosen if reasons[one.id]]
    able = [one for one in chosen if not reasons[one.id]]
    write_results(folder, results)
    if not able:
        return tuple(results)
    stage = Stage.build(topology, able)
    make = partial(ScenarioCluster, backings=stage.backings)
    cluster = sessions.connect_run(stage.topology, f"{run}{SUFFIX}", options, make)
    refuse_missing_rights(cluster)
    begun(cluster)
    with sessions.deployed(cluster, options, progress) as known:
        settled(known)
        taken = ScenarioRun(cluster, stage, known.snapshot, _probers(cluster, options), patience, progress)
        for scenario in able:
            progress(f"scenario {scenario.id}: {scenario.title}")
            results.append(taken.run(scenario))
            write_results(folder, results)
    return tuple(results)


def _probers(cluster: ScenarioCluster, options: sessions.Options) -> Callable[[str], Prober]:
    vantages = {one.name: one for one in cluster.topology.workload.vantages}
    probers = Probers(cluster, options.ssh)
    made = {name: probers.at(vantage) for name, vantage in vantages.items()}
    return made.__getitem__


def _skipped(scenario: ContractScenario, reason: str) -> ScenarioResult:
    return ScenarioResult(scenario.id, scenario.title, scenario.rows, (), 0.0, skipped=reason)
