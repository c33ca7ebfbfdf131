"""What changes from one side to another, cell by cell, grouped by the rule that decides after, worst first. Pure data.

The JSON schema is made from these models: `python -m reports.analysis.diff > docs/diff.schema.json`.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from probes.judging.verdict import Result
from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE, versions
from reports.analysis.change_cause import Cause, find_cause
from reports.analysis.change_classes import MEANINGS, SAME, Kind, classify_answers, classify_verdicts
from reports.analysis.samples import Samples
from reports.records.schema import ReportModel, write_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reports.analysis.diff_side import Side, SideAnswer
    from reports.analysis.samples import Likelihood

__all__ = ["MEANINGS", "Change", "ChangeGroup", "Comparison", "Kind", "compare", "compare_cell"]


OBSERVED = "observed"


class RuleText(ReportModel):
    """A rule as the catalogue has it; only the id for a rule the catalogue no longer has."""

    id: str
    sentence: str = ""
    versions: str = ""
    citation: str = ""


class ReplyShare(ReportModel):
    """What a share of a cell's connections gets. `source`, `backend`: None unless ok."""

    outcome: Outcome
    source: str | None = None
    backend: str | None = None
    share: float


class Change(ReportModel):
    """One cell's answer on both sides, in words and by reply, with the rules that made it in the packet's order.

    `answer`: between two runs, how the answer changes besides the verdict; None if it does not, or if one is not known.
    `before_verdict`, `after_verdict`: of a run. `expected`: what the rules of AFTER expect of a cell that fails in it.
    `likely`: the probability that chance makes the difference of shares. `come`: the rule that decides after and does
    not apply before; `gone`: the rule that decided before and does not apply after; empty if there is none.
    """

    cell: str
    kind: Kind
    answer: Kind | None = None
    before_verdict: Result | None = None
    after_verdict: Result | None = None
    expected: str = ""
    likely: float | None = None
    before: str
    after: str
    before_replies: tuple[ReplyShare, ...] = ()
    after_replies: tuple[ReplyShare, ...] = ()
    before_rules: tuple[str, ...] = ()
    after_rules: tuple[str, ...] = ()
    before_because: str = ""
    after_because: str = ""
    come: str = ""
    gone: str = ""


class ChangeGroup(ReportModel):
    """Changes of one kind from one cause: the rule that decides after the change.

    `gone`: the rules that decided before, the most common one first. If no rule decides that did not apply before,
    `come` is None, and `gone` has the rule that no longer applies; none: the same rules decide in different clusters.
    """

    kind: Kind
    gone: tuple[RuleText, ...] = ()
    come: RuleText | None = None
    changes: tuple[Change, ...]


class SideSummary(ReportModel):
    """What was compared: its name as given, predicted or observed, and what it is."""

    name: str
    kind: str
    about: str
    cells: int


class NotCompared(ReportModel):
    """A cell without an answer on one side at least, and why."""

    cell: str
    reason: str


class Comparison(ReportModel):
    """Everything that changes. `counts` has every kind; `same`: cells with the same answer."""

    schema_version: Literal["2"] = "2"
    kind: Literal["comparison"] = "comparison"
    before: SideSummary
    after: SideSummary
    compared: int
    same: int
    counts: dict[Kind, int] = Field(default_factory=dict)
    groups: tuple[ChangeGroup, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()


def compare(before: Side, after: Side, chosen: Callable[[str], bool] = lambda _: True) -> Comparison:
    """Compare the chosen cells that both sides answer, and list those that cannot be compared.

    Between two runs a cell that only one of them could test is compared, too: its verdict changes.
    """
    pairs = {name: pair for name, pair in _pairs(before, after).items() if chosen(name)}
    samples = Samples({name: pair for name, pair in pairs.items() if not any(one.trouble for one in pair)})
    statistics = {name: samples.likelihood(name) for name in samples.pairs}
    changes = [
        change for name, pair in pairs.items() if (change := compare_cell(*pair, statistics=statistics.get(name, SAME)))
    ]
    return Comparison(
        before=_summarize_side(before),
        after=_summarize_side(after),
        compared=len(pairs),
        same=len(pairs) - len(changes),
        counts={kind: sum(change.kind is kind for change in changes) for kind in Kind},
        groups=_grouped(changes),
        not_compared=tuple(one for one in _not_compared(before, after, pairs) if chosen(one.cell)),
    )


def _pairs(before: Side, after: Side) -> dict[str, tuple[SideAnswer, SideAnswer]]:
    """Both answers of each cell that can be compared, in the order of `before`."""
    if before.kind != OBSERVED or after.kind != OBSERVED:
        return {name: (one, after.answers[name]) for name, one in before.answers.items() if name in after.answers}
    old, new = before.judged, after.judged
    return {
        name: (one, new[name]) for name, one in old.items() if name in new and not (one.trouble and new[name].trouble)
    }


def compare_cell(before: SideAnswer, after: SideAnswer, statistics: Likelihood = SAME) -> Change | None:
    """Return how one cell's answer changes; None if it does not, as far as both sides show."""
    known = not (before.trouble or after.trouble)
    answer = classify_answers(before, after, statistics) if known else None
    verdict = classify_verdicts(before.verdict, after.verdict) if before.verdict and after.verdict else None
    kind = verdict or answer
    if kind is None:
        return None
    cause = find_cause(kind, before, after)
    return Change(
        cell=before.cell.id,
        kind=kind,
        answer=answer if verdict else None,
        before_verdict=before.verdict,
        after_verdict=after.verdict,
        expected=after.expected if after.verdict is Result.FAIL else "",
        likely=statistics.likely if Kind.UNPROVEN_SHARE in {kind, answer} else None,
        before=before.summary,
        after=after.summary,
        before_replies=_replies(before),
        after_replies=_replies(after),
        before_rules=before.rules,
        after_rules=after.rules,
        before_because=before.because,
        after_because=after.because,
        come=cause.come,
        gone=cause.gone,
    )


def _replies(answer: SideAnswer) -> tuple[ReplyShare, ...]:
    return tuple(
        ReplyShare(outcome=reply.outcome, source=reply.source or None, backend=reply.backend or None, share=share)
        for reply, share in sorted(answer.shares.items())
    )


def _grouped(changes: Iterable[Change]) -> tuple[ChangeGroup, ...]:
    found: dict[tuple[Kind, str, str], list[Change]] = {}
    for change in changes:
        found.setdefault((change.kind, *Cause(change.come, change.gone).key), []).append(change)
    worst = list(Kind)
    ranked = sorted(found.items(), key=lambda item: (worst.index(item[0][0]), -len(item[1])))
    return tuple(
        ChangeGroup(
            kind=kind,
            gone=describe_rules(change.gone for change in same),
            come=describe_rule(come),
            changes=tuple(same),
        )
        for (kind, come, _), same in ranked
    )


def describe_rules(names: Iterable[str]) -> tuple[RuleText, ...]:
    """Return the rules of these ids, the most common one first."""
    return tuple(one for name, _ in Counter(names).most_common() if (one := describe_rule(name)))


_KNOWN = {rule.id: rule for rule in CATALOGUE}


def describe_rule(name: str) -> RuleText | None:
    """Return the rule of this id; None for no id."""
    if not name or name not in _KNOWN:
        return RuleText(id=name) if name else None
    rule = _KNOWN[name]
    return RuleText(id=name, sentence=rule.sentence, versions=versions(rule), citation=rule.citation)


def _summarize_side(side: Side) -> SideSummary:
    return SideSummary(name=side.name, kind=side.kind, about=side.about, cells=len(side.answers))


def _not_compared(before: Side, after: Side, pairs: Iterable[str]) -> Iterable[NotCompared]:
    compared = set(pairs)
    for name in dict.fromkeys((*before.judged, *after.judged)):
        reasons = [
            f"{place}: {side.missing.get(name, 'not planned there')}"
            for place, side in (("before", before), ("after", after))
            if name not in side.answers
        ]
        if reasons and name not in compared:
            yield NotCompared(cell=name, reason="; ".join(reasons))


def schema() -> str:
    """Return the JSON schema of a comparison, ending in a newline."""
    return write_schema(Comparison, "A Hairpin comparison")


if __name__ == "__main__":
    sys.stdout.write(schema())
