"""The promises of the API's contract that need a change while they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import DIFFERS, ContractResult
from probes.judging.run_judge import NotTestedError
from probes.scenarios.results import BROKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.scenarios.model import ContractScenario
    from probes.scenarios.results import ScenarioCheck, ScenarioResult


def test_every_promise_holds_after_each_change(
    contract_scenario: ContractScenario, scenario_result: Callable[[ContractScenario], ScenarioResult]
) -> None:
    """After each change, the cluster keeps what the API's contract promises."""
    result = scenario_result(contract_scenario)

    if result.skipped:
        pytest.skip(f"scenario {result.id}: {result.skipped}")
    unforeseen = [one for one in result.checks if one.result is ContractResult.BROKEN and one.predicted != BROKEN]
    assert not unforeseen, _describe(result, ContractResult.BROKEN)
    if any(one.result is ContractResult.NOT_ASKED for one in result.checks):
        raise NotTestedError(_describe(result, ContractResult.NOT_ASKED))
    if result.result in DIFFERS:
        pytest.xfail(_describe(result, *DIFFERS))


def _describe(result: ScenarioResult, *kinds: ContractResult) -> str:
    lines = [
        f"    {step.name}: {_describe_check(check)}"
        for step in result.steps
        for check in step.checks
        if check.result in kinds
    ]
    trouble = f": {result.trouble}" if result.trouble else ""
    return "\n".join([f"scenario {result.id}{trouble}", *lines])


def _describe_check(check: ScenarioCheck) -> str:
    rules = f", predicted by {', '.join(check.rules)}" if check.predicted == BROKEN else ""
    took = "" if check.converged_s is None else f", from {check.converged_s:.1f} s after the change on"
    where = f"{check.client} -> {check.frontend}: {check.promise}"
    return f"{check.result}: row {check.row}: {where}: {check.text}{took}{rules}"
