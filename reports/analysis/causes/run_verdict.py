"""The verdict on a whole run, in one line, with the causes that it rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.analysis.causes.common_factors import Coordinates, describe_factors
from reports.analysis.causes.failure_groups import group_failures
from reports.analysis.counts import count_verdicts
from reports.analysis.scenarios import ScenarioCounts
from reports.formatting import count_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.analysis.causes.failure_groups import FailureGroup
    from reports.records.run import Run
    from reports.records.schema import StoredExplanation

NAMED = 3  # scenarios that a headline names
WORDS = {Result.PASS: "PASS", Result.FAIL: "FAIL", Result.INCONCLUSIVE: "INCONCLUSIVE"}


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What a run has shown: the worst verdict, the counts, the causes and the explanations.

    A run without cells has the verdict of its scenarios.
    """

    result: Result
    counts: Mapping[Result, int]
    groups: tuple[FailureGroup, ...]
    explanations: tuple[StoredExplanation, ...]
    share: str
    """`65 of 618 cells`."""
    where: str
    """What the cells of the verdict have in common; empty if nothing."""
    why: str
    """The cause in words, or the number of causes; empty for a run that passed."""
    scenarios: ScenarioCounts

    @classmethod
    def of(cls, run: Run) -> RunVerdict:
        """Return the verdict on a run. A run that did not finish has not passed."""
        declared, explanations, scenarios = run.topology.declared, run.explanations, ScenarioCounts.of(run.scenarios)
        groups = group_failures(run.records, declared, explanations)
        counts = count_verdicts(run.records)
        unfinished = not run.complete and bool(run.unasked)
        empty = not (run.records or scenarios.total)
        result = _worst(counts, scenarios, unfinished=unfinished or empty)
        known = (result, counts, groups, explanations)
        chosen = [record for record in run.records if record.verdict is result]
        if scenarios.result is result is not Result.PASS and not chosen:
            return cls(*known, scenarios.share(result), "", _some(scenarios.of_result[result]), scenarios)
        share = _share(run, len(chosen), scenarios, result)
        if result is Result.PASS:
            return cls(*known, share, "", "", scenarios)
        if unfinished and not chosen:
            return cls(*known, _unfinished(run), "", "", scenarios)
        causes = sum(group.verdict is result for group in groups)
        factors = Coordinates.count(run.records, declared).share(chosen) if chosen else ()
        where = describe_factors([factor for factor in factors if factor.whole or causes == 1])
        return cls(*known, share, where, _why(groups, result), scenarios)

    @property
    def headline(self) -> str:
        """Return `FAIL: 65 of 618 cells, all asked from n1: n1 does not masquerade`."""
        text = ", ".join(filter(None, (f"{WORDS[self.result]}: {self.share}", self.where)))
        return f"{text}: {self.why}" if self.why else text

    @property
    def total(self) -> str:
        """Return `618 cells: 65 fail, 553 pass`, and the same of scenarios if there are any."""
        parts = [f"{self.counts[result]} {result}" for result in (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)]
        named = [part for part in parts if not part.startswith("0 ")]
        text = f"{count_cells(sum(self.counts.values()))}: {', '.join(named) or 'none probed'}"
        return f"{text}; {self.scenarios}" if str(self.scenarios) else text


def _worst(counts: Mapping[Result, int], scenarios: ScenarioCounts, *, unfinished: bool) -> Result:
    if counts[Result.FAIL] or scenarios.counts[Result.FAIL]:
        return Result.FAIL
    unclear = counts[Result.INCONCLUSIVE] or scenarios.counts[Result.INCONCLUSIVE] or unfinished
    return Result.INCONCLUSIVE if unclear else Result.PASS


def _share(run: Run, chosen: int, scenarios: ScenarioCounts, result: Result) -> str:
    """Return how many cells have a result; of a run that passed or that has no cells also how many scenarios."""
    cells = f"{chosen} of {count_cells(len(run.records))}"
    if not run.scenarios or (run.records and result is not Result.PASS):
        return cells
    return f"{cells}, {scenarios.share(result)}" if run.records else scenarios.share(result)


def _some(names: Sequence[str]) -> str:
    """Return the first few names, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _unfinished(run: Run) -> str:
    if run.scenarios and not run.records:  # the plan lists the cells of the matrix, which such a run does not probe
        return "the run did not finish"
    return f"the run did not finish, {len(run.unasked)} of {count_cells(len(run.plan))} have no result"


def _why(groups: Sequence[FailureGroup], result: Result) -> str:
    """Return the explanation or the headline of the only cause, or the number of causes."""
    own = [group for group in groups if group.verdict is result]
    if not own:
        return ""
    return (own[0].explanation or own[0].headline).rstrip(".") if len(own) == 1 else f"{len(own)} causes"
