"""What a run's page shows of its scenarios: a row for each step, a column for each node, and every check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.contract.judging import DIFFERS, ContractResult
from probes.judging.verdict import Result
from reports.analysis.convergence import Convergence, describe_check, measure_nodes
from reports.analysis.scenarios import describe_scenario, judge_scenario, mark_scenario, worst_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.records.contract import StoredRow
    from reports.records.scenarios import StoredCheck, StoredScenario, StoredStep

TONES = {
    ContractResult.KEPT: "pass",
    ContractResult.BROKEN: "fail",
    ContractResult.UNUSUAL: "inconclusive",
    ContractResult.FREE: "plain",
    ContractResult.NOT_ASKED: "plain",
}


@dataclass(frozen=True, slots=True)
class TimeBar:
    """The convergence of a node as a bar, in percent: where the time in which it took effect begins, and its width."""

    text: str
    begins: float
    width: float
    never: bool

    @classmethod
    def of(cls, one: Convergence, longest_s: float) -> TimeBar:
        """Return the bar on a scale that ends at `longest_s`."""
        if one.at_most_s is None:
            return cls(str(one), 0, 100, never=True)
        bounds = (one.more_than_s, one.at_most_s)
        begins, ends = (round(100 * min(max(value, 0.0), longest_s) / longest_s, 1) for value in bounds)
        return cls(str(one), begins, round(max(ends - begins, 0.0), 1), never=False)


@dataclass(frozen=True, slots=True)
class StepView:
    """A step with the bar of each node, None where nothing was checked, and its checks, those not kept first."""

    step: StoredStep
    bars: tuple[TimeBar | None, ...]
    checks: tuple[CheckView, ...]
    differing: int


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check with the number of its row, its tone, and when it held, in words."""

    check: StoredCheck
    number: int | None
    tone: str
    held: str


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """A scenario with its verdict in words."""

    scenario: StoredScenario
    mark: str
    tone: str
    text: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class ScenarioTable:
    """All scenarios of a run. `longest_s`: where the bars end."""

    nodes: tuple[str, ...]
    longest_s: float
    scenarios: tuple[ScenarioView, ...]
    failed: int

    @classmethod
    def of(cls, scenarios: Iterable[StoredScenario], rows: Iterable[StoredRow]) -> ScenarioTable:
        """Return the table of a run's scenarios. `rows`: the contract of the run, for the numbers of rows."""
        every, numbers = list(scenarios), {row.row: row.number for row in rows}
        measured = [node for one in every for step in one.steps for node in measure_nodes(step.checks)]
        longest = max((node.at_most_s for node in measured if node.at_most_s), default=1.0)
        nodes = tuple(sorted({node.node for node in measured}))
        views = tuple(_view(one, nodes, longest, numbers) for one in every)
        return cls(nodes, longest, views, sum(view.tone == "fail" for view in views))


def _view(one: StoredScenario, nodes: tuple[str, ...], longest_s: float, numbers: Mapping[str, int]) -> ScenarioView:
    verdict, worst = judge_scenario(one), worst_result(one)
    tone = "plain" if verdict is None else str(verdict)
    if verdict is Result.PASS and worst in DIFFERS:
        tone = "inconclusive"
    steps = tuple(_step(step, nodes, longest_s, numbers) for step in one.steps)
    return ScenarioView(one, mark_scenario(one), tone, describe_scenario(one), steps)


def _step(step: StoredStep, nodes: tuple[str, ...], longest_s: float, numbers: Mapping[str, int]) -> StepView:
    of_node = {one.node: TimeBar.of(one, longest_s) for one in measure_nodes(step.checks)}
    checks = [CheckView(one, numbers.get(one.row), TONES[one.result], describe_check(one)) for one in step.checks]
    checks.sort(key=lambda view: view.check.result not in DIFFERS)
    differing = sum(one.result in DIFFERS for one in step.checks)
    return StepView(step, tuple(of_node.get(node) for node in nodes), tuple(checks), differing)
