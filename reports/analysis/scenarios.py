"""The verdict on each scenario of a run, and what of it was not kept, in words. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.contract.judging import DIFFERS, WORST_FIRST, ContractResult
from probes.judging.verdict import Result
from reports.analysis.contract import describe_prediction
from reports.analysis.scenario_rows import to_differing
from reports.formatting import MARKS, count_things

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.contract import DifferingCell
    from reports.records.scenarios import StoredCheck, StoredScenario

SKIPPED = "-"
DIFFERENT = "!"  # a should was not kept, or a broken promise was predicted
WORST_RESULTS = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


def judge_scenario(one: StoredScenario) -> Result | None:
    """Return the verdict on a scenario, None if it was skipped.

    A must that is not kept fails, unless kube-proxy's rules predict it. A scenario with a check that could not be asked
    is inconclusive.
    """
    if any(check.result is ContractResult.BROKEN and not check.is_predicted for check in one.checks):
        return Result.FAIL
    if one.skipped:
        return None
    missing = not one.checks or any(check.result is ContractResult.NOT_ASKED for check in one.checks)
    return Result.INCONCLUSIVE if missing or one.trouble else Result.PASS


def mark_scenario(one: StoredScenario) -> str:
    """Return the sign of a scenario. One that passed although a promise was not kept has its own."""
    verdict = judge_scenario(one)
    if verdict is Result.PASS and worst_result(one) in DIFFERS:
        return DIFFERENT
    return MARKS[verdict] if verdict else SKIPPED


def worst_result(one: StoredScenario) -> ContractResult:
    """Return the worst result of a scenario's checks; not asked without checks."""
    return min((check.result for check in one.checks), key=WORST_FIRST.index, default=ContractResult.NOT_ASKED)


def describe_scenario(one: StoredScenario) -> str:
    """Return the verdict in words: `kept in 12 checks`, `broken promise in 1 of 6 checks`, `skipped: one node only`."""
    if one.skipped:
        return f"skipped: {one.skipped}"
    trouble = f"; not finished: {one.trouble}" if one.trouble else ""
    return f"{_describe_checks(one)}{trouble}"


def _describe_checks(one: StoredScenario) -> str:
    counts = Counter(check.result for check in one.checks)
    asked = counts.total() - counts[ContractResult.NOT_ASKED]
    result = worst_result(one)
    if not asked:
        reasons = dict.fromkeys(check.text for check in one.checks if check.text)
        return f"not asked{f': {next(iter(reasons))}' if reasons else ''}"
    of = count_things(asked, "check")
    words = f"{result} in {of if counts[result] == asked else f'{counts[result]} of {of}'}"
    prediction = describe_prediction([cell for group in group_differing(one) for cell in group.cells])
    missing = counts[ContractResult.NOT_ASKED]
    return ", ".join(filter(None, [words, prediction, f"{missing} not asked" if missing else ""]))


@dataclass(frozen=True, slots=True)
class DifferingGroup:
    """Checks of one step that are not kept and that show the same at one frontend, from several clients."""

    scenario: str
    step: str
    checks: tuple[StoredCheck, ...]

    @property
    def cells(self) -> list[DifferingCell]:
        """Return the checks as a row has them."""
        return [to_differing(self.scenario, self.step, check) for check in self.checks]


def group_differing(one: StoredScenario) -> list[DifferingGroup]:
    """Return the checks of a scenario that are not kept, in groups, broken promises first."""
    found: dict[tuple[object, ...], list[StoredCheck]] = {}
    for step in one.steps:
        for check in step.checks:
            if check.result in DIFFERS:
                seen = (check.promise, check.text, check.predicted, check.rules)
                found.setdefault((step.name, check.row, check.frontend, *seen), []).append(check)
    groups = [DifferingGroup(one.id, str(name), tuple(checks)) for (name, *_), checks in found.items()]
    return sorted(groups, key=lambda group: WORST_FIRST.index(group.checks[0].result))


@dataclass(frozen=True, slots=True)
class ScenarioCounts:
    """How many scenarios of a run have each verdict. `of_result`: their ids."""

    counts: dict[Result, int]
    skipped: int
    of_result: dict[Result, tuple[str, ...]]

    @classmethod
    def of(cls, scenarios: Iterable[StoredScenario]) -> ScenarioCounts:
        """Count the scenarios of a run."""
        verdicts = [(judge_scenario(one), one.id) for one in scenarios]
        of_result = {result: tuple(name for found, name in verdicts if found is result) for result in WORST_RESULTS}
        counts = {result: len(names) for result, names in of_result.items()}
        return cls(counts, len(verdicts) - sum(counts.values()), of_result)

    @property
    def result(self) -> Result | None:
        """Return the worst verdict, None if no scenario was run."""
        return next((result for result in WORST_RESULTS if self.counts[result]), None)

    @property
    def total(self) -> int:
        """Return the number of scenarios, without those that were skipped."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        """Return `14 scenarios: 1 fail, 11 pass, 2 skipped`; empty without scenarios."""
        every = [*((self.counts[result], str(result)) for result in WORST_RESULTS), (self.skipped, "skipped")]
        named = ", ".join(f"{count} {name}" for count, name in every if count)
        return f"{count_things(self.total + self.skipped, 'scenario')}: {named}" if named else ""

    def share(self, result: Result) -> str:
        """Return `1 of 12 scenarios`, with the number of skipped ones: `12 of 12 scenarios (2 skipped)`."""
        skipped = f" ({self.skipped} skipped)" if self.skipped else ""
        return f"{self.counts[result]} of {count_things(self.total, 'scenario')}{skipped}"
