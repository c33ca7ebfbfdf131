"""The classes of change between two sides of a diff, worst first, and which one a pair of answers falls into. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from probes.observation import Outcome
from reports.analysis.samples import Likelihood

if TYPE_CHECKING:
    from reports.analysis.diff_side import Reply, SideAnswer

NEVER, SOMETIMES, ALWAYS = range(3)
LITTLE = 0.0005  # shares are sums of fractions
SAME = Likelihood()


class Kind(StrEnum):
    """How a cell changes, worst first. The first five compare the verdicts of two runs, the others the answers."""

    NEWLY_FAILING = "newly-failing"
    STILL_FAILING = "still-failing"
    NEWLY_INCONCLUSIVE = "newly-inconclusive"
    FIXED = "fixed"
    NO_LONGER_INCONCLUSIVE = "no-longer-inconclusive"
    LOST_REACHABILITY = "lost-reachability"
    INTERMITTENT = "intermittent"
    GAINED_REACHABILITY = "gained-reachability"
    WRONG_BACKEND = "wrong-backend"
    FEWER_BACKENDS = "fewer-backends"
    LOST_SOURCE = "lost-source"
    CHANGED_SOURCE = "changed-source"
    GAINED_SOURCE = "gained-source"
    CHANGED_REFUSAL = "changed-refusal"
    CHANGED_SHARE = "changed-share"
    UNPROVEN_SHARE = "unproven-share"
    CHANGED_BECAUSE = "changed-because"


OF_VERDICTS = frozenset(
    {Kind.NEWLY_FAILING, Kind.STILL_FAILING, Kind.NEWLY_INCONCLUSIVE, Kind.FIXED, Kind.NO_LONGER_INCONCLUSIVE}
)
MEANINGS = {
    Kind.NEWLY_FAILING: "passed or was inconclusive, then fails",
    Kind.STILL_FAILING: "fails in both runs",
    Kind.NEWLY_INCONCLUSIVE: "passed or failed, then could not be tested",
    Kind.FIXED: "failed, then passes",
    Kind.NO_LONGER_INCONCLUSIVE: "could not be tested, then passes",
    Kind.LOST_REACHABILITY: "reachable, then not",
    Kind.INTERMITTENT: "reachable, then only sometimes",
    Kind.GAINED_REACHABILITY: "not always reachable, then more often or always",
    Kind.WRONG_BACKEND: "answered by a backend that did not answer before",
    Kind.FEWER_BACKENDS: "no longer answered by some backend",
    Kind.LOST_SOURCE: "the backend saw the client's own address, then another",
    Kind.CHANGED_SOURCE: "the backend sees another address",
    Kind.GAINED_SOURCE: "the backend saw another address, then the client's own",
    Kind.CHANGED_REFUSAL: "unreachable both times, in another way (refused, timeout ...)",
    Kind.CHANGED_SHARE: "the same answers, with other probabilities",
    Kind.UNPROVEN_SHARE: "the same answers; the share in the sample is unlikely (p <= 0.01), but within chance",
    Kind.CHANGED_BECAUSE: "the same answer, by other rules",
}


def classify_verdicts(before: Result, after: Result) -> Kind | None:
    """Return how the verdict of a cell changes from one run to another; None if it passes in both, or neither knows."""
    if after is Result.FAIL:
        return Kind.STILL_FAILING if before is Result.FAIL else Kind.NEWLY_FAILING
    if before is after:
        return None
    if after is Result.INCONCLUSIVE:
        return Kind.NEWLY_INCONCLUSIVE
    return Kind.FIXED if before is Result.FAIL else Kind.NO_LONGER_INCONCLUSIVE


def classify_answers(before: SideAnswer, after: SideAnswer, statistics: Likelihood = SAME) -> Kind | None:
    """Return how the answer of a cell changes; None if it does not, as far as both sides can show."""
    if _differ(before, after):
        return _difference(before, after)
    if statistics.refuted:
        return _refuted(before, after)
    if _predicted_differently(before, after):
        return Kind.CHANGED_SHARE
    if statistics.doubtful:
        return Kind.UNPROVEN_SHARE
    return Kind.CHANGED_BECAUSE if set(before.rules) != set(after.rules) else None


def _difference(before: SideAnswer, after: SideAnswer) -> Kind:
    was, now = _level(before), _level(after)
    if was != now:
        lost = Kind.LOST_REACHABILITY if now == NEVER else Kind.INTERMITTENT
        return lost if now < was else Kind.GAINED_REACHABILITY
    return Kind.CHANGED_REFUSAL if was == NEVER else _different_answer(before, after)


def _refuted(before: SideAnswer, after: SideAnswer) -> Kind:
    """Classify a change in which every answer was possible, but the sample is too unlikely."""
    kind = _difference(before, after)
    return Kind.CHANGED_SHARE if kind is Kind.CHANGED_REFUSAL else kind


def _predicted_differently(before: SideAnswer, after: SideAnswer) -> bool:
    both = before.predicted and after.predicted
    return both and any(abs(before.shares[one] - after.shares[one]) > LITTLE for one in before.shown)


def _differ(before: SideAnswer, after: SideAnswer) -> bool:
    """Whether one side shows what the other cannot. What a failing observation did not show is not held against it."""
    return any(
        one.shown - other.may and not (one.predicted and not other.predicted and other.may == other.shown)
        for one, other in ((before, after), (after, before))
    )


def _level(answer: SideAnswer) -> int:
    outcomes = {reply.outcome for reply in answer.may}
    if Outcome.OK not in outcomes:
        return NEVER
    return ALWAYS if outcomes == {Outcome.OK} else SOMETIMES


def _different_answer(before: SideAnswer, after: SideAnswer) -> Kind:
    """Classify a change of a cell that is as reachable as before, by backends, sources and refusals."""
    old_backends, new_backends = ({reply.backend for reply in _answered(one)} for one in (before, after))
    old_sources, new_sources = ({reply.source for reply in _answered(one)} for one in (before, after))
    if new_backends - old_backends:
        return Kind.WRONG_BACKEND
    if old_sources != new_sources:
        return _source_kind(kept=old_sources == {"kept"}, keeps=new_sources == {"kept"})
    if old_backends != new_backends:
        return Kind.FEWER_BACKENDS
    return Kind.CHANGED_SOURCE if _answered(before) != _answered(after) else Kind.CHANGED_REFUSAL


def _answered(answer: SideAnswer) -> set[Reply]:
    return {reply for reply in answer.may if reply.outcome is Outcome.OK}


def _source_kind(*, kept: bool, keeps: bool) -> Kind:
    if kept:
        return Kind.LOST_SOURCE
    return Kind.GAINED_SOURCE if keeps else Kind.CHANGED_SOURCE
