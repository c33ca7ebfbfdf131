"""The qualification of a release as data: each changed cell, predicted and observed, by class and cause.

The JSON schema is made from these models: `python -m reports.analysis.release.story > docs/qualify.schema.json`.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Literal

from pydantic import Field

from probes.judging.verdict import Result
from reports.analysis.change_classes import Kind
from reports.analysis.diff import NotCompared, RuleText
from reports.analysis.release.change_class import ChangeClass
from reports.records.schema import ReportModel, write_schema


class ReleaseVerdict(StrEnum):
    """The answer to the question whether the release can be rolled out."""

    QUALIFIED = "qualified"
    NOT_QUALIFIED = "not qualified"
    INCONCLUSIVE = "inconclusive"
    PREDICTED = "predicted"


class QualifiedCell(ReportModel):
    """One cell. `predicted` and `observed` are how it changes; None if it does not, or if a side was not observed.

    `predicted_before` … `observed_after`: the answers in words; empty if there is none. `expected`: what the rules
    expect of a cell that fails. `rule`: the rule that decides after the change, or the expectation of a cell that
    fails; `instead_of`: the one that decided before. `reason`: why it was not tested, or what its class rests on.
    """

    cell: str
    change_class: ChangeClass
    predicted: Kind | None = None
    observed: Kind | None = None
    answer: Kind | None = None
    predicted_before: str = ""
    predicted_after: str = ""
    observed_before: str = ""
    observed_after: str = ""
    before_verdict: Result | None = None
    after_verdict: Result | None = None
    expected: str = ""
    rule: str = ""
    instead_of: str = ""
    reason: str = ""

    @property
    def worst_kind(self) -> Kind | None:
        """How it changes: what was observed of a cell that fails, else what was predicted."""
        fails = Result.FAIL in {self.before_verdict, self.after_verdict}
        return (self.observed or self.predicted) if fails else (self.predicted or self.observed)


class QualifiedGroup(ReportModel):
    """The cells of one class and one cause. `kinds`: how many of them change in which way, worst first.

    `rule`: decides after the change; of cells that fail, it decides what is expected. `instead_of`: the rules that
    decided before, the most common one first.
    """

    change_class: ChangeClass
    kinds: dict[Kind, int] = Field(default_factory=dict)
    rule: RuleText | None = None
    instead_of: tuple[RuleText, ...] = ()
    cells: tuple[QualifiedCell, ...]


class QualifiedSide(ReportModel):
    """One side. `name`: as given. `about`: topology and kube-proxy. `predicted`: cells with a prediction.

    `run`: the folder of its run; empty if it was not observed, with the reason in `note`. `simulated`: no cluster was
    asked. `complete`: the run came to its end.
    """

    name: str
    about: str
    predicted: int
    run: str = ""
    simulated: bool = False
    complete: bool = True
    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    unasked: int = 0
    note: str = ""


class PhaseTime(ReportModel):
    """Wall time of one phase, in seconds. `parts`: those of a run that were measured."""

    phase: str
    seconds: float
    parts: dict[str, float] = Field(default_factory=dict)


class Qualification(ReportModel):
    """What a release changes. `counts` has every class; `groups` all cells but the unchanged ones, worst first.

    `by_other_rules`: unchanged cells whose answer other rules give. `one_sided`: cells that only one side has.
    `gate`: the kinds of --fail-on that occur, with their numbers.
    """

    schema_version: Literal["1"] = "1"
    kind: Literal["qualification"] = "qualification"
    verdict: ReleaseVerdict
    headline: str
    before: QualifiedSide
    after: QualifiedSide
    cells: int
    counts: dict[ChangeClass, int] = Field(default_factory=dict)
    by_other_rules: int = 0
    groups: tuple[QualifiedGroup, ...] = ()
    one_sided: tuple[NotCompared, ...] = ()
    gate: tuple[str, ...] = ()
    phases: tuple[PhaseTime, ...] = ()


def schema() -> str:
    """Return the JSON schema of a qualification, ending in a newline."""
    return write_schema(Qualification, "A Hairpin qualification")


if __name__ == "__main__":
    sys.stdout.write(schema())
