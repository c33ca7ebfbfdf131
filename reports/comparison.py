"""What changes from one side to another, cell by cell, grouped by the rules that differ, worst first. Pure data.

The JSON schema is made from these models: `python -m reports.comparison > docs/diff.schema.json`.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from probes.observation import Outcome
from probes.oracle.rules import CATALOGUE, versions
from reports.parts import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reports.answers import Answer, Reply, Side

NEVER, SOMETIMES, ALWAYS = range(3)
LITTLE = 0.0005  # shares are sums of fractions


class Kind(StrEnum):
    """How a cell's answer changes, worst first."""

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
    CHANGED_BECAUSE = "changed-because"


MEANINGS = {
    Kind.LOST_REACHABILITY: "reachable, then not",
    Kind.INTERMITTENT: "reachable, then only sometimes",
    Kind.GAINED_REACHABILITY: "not always reachable, then more often or always",
    Kind.WRONG_BACKEND: "answered by a backend that did not answer before",
    Kind.FEWER_BACKENDS: "no longer answered by some backend",
    Kind.LOST_SOURCE: "the backend saw the client's own address, then another",
    Kind.CHANGED_SOURCE: "the backend sees another address",
    Kind.GAINED_SOURCE: "the backend saw another address, then the client's own",
    Kind.CHANGED_REFUSAL: "unreachable both times, told otherwise (refused, timeout ...)",
    Kind.CHANGED_SHARE: "the same answers, with other probabilities",
    Kind.CHANGED_BECAUSE: "the same answer, by other rules",
}


class RuleTold(Told):
    """A rule as the catalogue has it; only the id for a rule the catalogue no longer has."""

    id: str
    sentence: str = ""
    versions: str = ""
    citation: str = ""


class ReplyTold(Told):
    """What a share of a cell's connections gets. `source`, `backend`: None unless ok."""

    outcome: Outcome
    source: str | None = None
    backend: str | None = None
    share: float


class Change(Told):
    """One cell's answer on both sides, in words and by reply, with the rules that made it in the packet's order."""

    cell: str
    kind: Kind
    before: str
    after: str
    before_replies: tuple[ReplyTold, ...] = ()
    after_replies: tuple[ReplyTold, ...] = ()
    before_rules: tuple[str, ...] = ()
    after_rules: tuple[str, ...] = ()
    before_because: str = ""
    after_because: str = ""


class Group(Told):
    """Changes of one kind from one cause: the first rule that only one side has; what differs after it follows.

    None on both sides: the same rules decide, and the cluster they decide in differs.
    """

    kind: Kind
    gone: RuleTold | None = None
    come: RuleTold | None = None
    changes: tuple[Change, ...]


class SideTold(Told):
    """What was compared: its name as given, predicted or observed, and what it is."""

    name: str
    kind: str
    about: str
    cells: int


class NotCompared(Told):
    """A cell without an answer on one side at least, and why."""

    cell: str
    reason: str


class Comparison(Told):
    """Everything that changes. `counts` has every kind; `same`: cells that answer alike."""

    schema_version: Literal["1"] = "1"
    kind: Literal["comparison"] = "comparison"
    before: SideTold
    after: SideTold
    compared: int
    same: int
    counts: dict[Kind, int] = Field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()


def compare(before: Side, after: Side, chosen: Callable[[str], bool] = lambda _: True) -> Comparison:
    """Compare the chosen cells that both sides answer; say which could not be compared, and why."""
    common = [name for name in before.answers if name in after.answers and chosen(name)]
    changes = [change for name in common if (change := changed(before.answers[name], after.answers[name]))]
    counts = {kind: sum(change.kind is kind for change in changes) for kind in Kind}
    return Comparison(
        before=_told(before),
        after=_told(after),
        compared=len(common),
        same=len(common) - len(changes),
        counts=counts,
        groups=_grouped(changes),
        not_compared=tuple(one for one in _not_compared(before, after) if chosen(one.cell)),
    )


def changed(before: Answer, after: Answer) -> Change | None:
    """How one cell's answer changes; None if it does not, as far as both sides can tell."""
    kind = _kind(before, after)
    if kind is None:
        return None
    return Change(
        cell=before.cell.id,
        kind=kind,
        before=before.told,
        after=after.told,
        before_replies=_replies(before),
        after_replies=_replies(after),
        before_rules=before.rules,
        after_rules=after.rules,
        before_because=before.because,
        after_because=after.because,
    )


def _replies(answer: Answer) -> tuple[ReplyTold, ...]:
    return tuple(
        ReplyTold(outcome=reply.outcome, source=reply.source or None, backend=reply.backend or None, share=share)
        for reply, share in sorted(answer.shares.items())
    )


def _kind(before: Answer, after: Answer) -> Kind | None:
    if not _differ(before, after):
        both_predicted = before.predicted and after.predicted
        if both_predicted and any(abs(before.shares[one] - after.shares[one]) > LITTLE for one in before.shown):
            return Kind.CHANGED_SHARE
        return Kind.CHANGED_BECAUSE if set(before.rules) != set(after.rules) else None
    was, now = _level(before), _level(after)
    if was != now:
        lost = Kind.LOST_REACHABILITY if now == NEVER else Kind.INTERMITTENT
        return lost if now < was else Kind.GAINED_REACHABILITY
    return Kind.CHANGED_REFUSAL if was == NEVER else _answered_otherwise(before, after)


def _differ(before: Answer, after: Answer) -> bool:
    """Whether one side shows what the other cannot. What a failing observation did not show is not held against it."""
    return any(
        one.shown - other.may and not (one.predicted and not other.predicted and other.may == other.shown)
        for one, other in ((before, after), (after, before))
    )


def _level(answer: Answer) -> int:
    outcomes = {reply.outcome for reply in answer.may}
    if Outcome.OK not in outcomes:
        return NEVER
    return ALWAYS if outcomes == {Outcome.OK} else SOMETIMES


def _answered_otherwise(before: Answer, after: Answer) -> Kind:
    """Reachable as before: other backends, other sources, or (intermittent both times) otherwise refused."""
    old_backends, new_backends = ({reply.backend for reply in _answered(one)} for one in (before, after))
    old_sources, new_sources = ({reply.source for reply in _answered(one)} for one in (before, after))
    if new_backends - old_backends:
        return Kind.WRONG_BACKEND
    if old_sources != new_sources:
        return _source_kind(kept=old_sources == {"kept"}, keeps=new_sources == {"kept"})
    if old_backends != new_backends:
        return Kind.FEWER_BACKENDS
    return Kind.CHANGED_SOURCE if _answered(before) != _answered(after) else Kind.CHANGED_REFUSAL


def _answered(answer: Answer) -> set[Reply]:
    return {reply for reply in answer.may if reply.outcome is Outcome.OK}


def _source_kind(*, kept: bool, keeps: bool) -> Kind:
    if kept:
        return Kind.LOST_SOURCE
    return Kind.GAINED_SOURCE if keeps else Kind.CHANGED_SOURCE


def _grouped(changes: Iterable[Change]) -> tuple[Group, ...]:
    found: dict[tuple[Kind, str, str], list[Change]] = {}
    for change in changes:
        gone = _first_only(change.before_rules, change.after_rules)
        come = _first_only(change.after_rules, change.before_rules)
        found.setdefault((change.kind, gone, come), []).append(change)
    worst = list(Kind)
    ranked = sorted(found.items(), key=lambda item: (worst.index(item[0][0]), -len(item[1])))
    return tuple(
        Group(kind=kind, gone=_rule(gone), come=_rule(come), changes=tuple(same)) for (kind, gone, come), same in ranked
    )


def _first_only(rules: tuple[str, ...], others: tuple[str, ...]) -> str:
    return next((rule for rule in rules if rule not in others), "")


_KNOWN = {rule.id: rule for rule in CATALOGUE}


def _rule(name: str) -> RuleTold | None:
    if not name or name not in _KNOWN:
        return RuleTold(id=name) if name else None
    rule = _KNOWN[name]
    return RuleTold(id=name, sentence=rule.sentence, versions=versions(rule), citation=rule.citation)


def _told(side: Side) -> SideTold:
    return SideTold(name=side.name, kind=side.kind, about=side.about, cells=len(side.answers))


def _not_compared(before: Side, after: Side) -> Iterable[NotCompared]:
    for name in dict.fromkeys((*before.answers, *after.answers)):
        reasons = [
            f"{place}: {side.missing.get(name, 'not planned there')}"
            for place, side in (("before", before), ("after", after))
            if name not in side.answers
        ]
        if reasons:
            yield NotCompared(cell=name, reason="; ".join(reasons))


def schema() -> str:
    """The JSON schema of a comparison, ending in a newline."""
    written: dict[str, Any] = Comparison.model_json_schema(mode="validation")
    written["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    written["title"] = "A Hairpin comparison"
    return json.dumps(written, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
