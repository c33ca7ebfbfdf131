"""The verdict on a whole run, in one line, with the causes that it rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.analysis.causes.common_factors import Coordinates, describe_factors
from reports.analysis.causes.failure_groups import group_failures
from reports.analysis.counts import count_verdicts
from reports.formatting import count_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.analysis.causes.failure_groups import FailureGroup
    from reports.records.run import Run
    from reports.records.schema import StoredExplanation

WORDS = {Result.PASS: "PASS", Result.FAIL: "FAIL", Result.INCONCLUSIVE: "INCONCLUSIVE"}


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What a run has shown: the worst verdict, the counts, the causes and the explanations."""

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

    @classmethod
    def of(cls, run: Run) -> RunVerdict:
        """Return the verdict on a run. A run that did not finish has not passed."""
        declared, explanations = run.topology.declared, run.explanations
        groups = group_failures(run.records, declared, explanations)
        counts = count_verdicts(run.records)
        unfinished = not run.complete and bool(run.unasked)
        result = _worst(counts, unfinished=unfinished or not run.records)
        chosen = [record for record in run.records if record.verdict is result]
        share = f"{len(chosen)} of {count_cells(len(run.records))}"
        if result is Result.PASS:
            return cls(result, counts, groups, explanations, share, "", "")
        if unfinished and not chosen:
            return cls(result, counts, groups, explanations, _unfinished(run), "", "")
        causes = sum(group.verdict is result for group in groups)
        factors = Coordinates.count(run.records, declared).share(chosen) if chosen else ()
        where = describe_factors([factor for factor in factors if factor.whole or causes == 1])
        return cls(result, counts, groups, explanations, share, where, _why(groups, result))

    @property
    def headline(self) -> str:
        """Return `FAIL: 65 of 618 cells, all asked from n1: n1 does not masquerade`."""
        text = ", ".join(filter(None, (f"{WORDS[self.result]}: {self.share}", self.where)))
        return f"{text}: {self.why}" if self.why else text

    @property
    def total(self) -> str:
        """Return `618 cells: 65 fail, 553 pass`."""
        parts = [f"{self.counts[result]} {result}" for result in (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)]
        named = [part for part in parts if not part.startswith("0 ")]
        return f"{count_cells(sum(self.counts.values()))}: {', '.join(named) or 'none probed'}"


def _worst(counts: Mapping[Result, int], *, unfinished: bool) -> Result:
    if counts[Result.FAIL]:
        return Result.FAIL
    return Result.INCONCLUSIVE if counts[Result.INCONCLUSIVE] or unfinished else Result.PASS


def _unfinished(run: Run) -> str:
    return f"the run did not finish, {len(run.unasked)} of {count_cells(len(run.plan))} have no result"


def _why(groups: Sequence[FailureGroup], result: Result) -> str:
    """Return the explanation or the headline of the only cause, or the number of causes."""
    own = [group for group in groups if group.verdict is result]
    if not own:
        return ""
    return (own[0].explanation or own[0].headline).rstrip(".") if len(own) == 1 else f"{len(own)} causes"
