"""The one rule that decides what a cell must show: what a reader of a failure looks up first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE, STEPS, versions
from reports.analysis.causes.differences import OF_SOURCE, describe_difference

if TYPE_CHECKING:
    from reports.records.record import Record

DOCUMENT = "docs/rules.md"
_SOURCE = ("Source address at the endpoint", "Source address after the load balancer")
_ARRIVAL = ("Processing node and source address on arrival", "Untranslated packets to the load balancer")
_MARK = ("Mark for masquerade",)
_SELECTION = ("Endpoint selection", "Direct connections", "Node selection")
_PASSIVE = {"R10.6", "R11.5"}  # no rule matches: the source is preserved; the reply arrives


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule with what reports show of it; only the id if this version does not know it."""

    id: str
    sentence: str = ""
    versions: str = ""
    citation: str = ""

    def __str__(self) -> str:
        """Return `R4.4 With externalTrafficPolicy: Local …`."""
        return f"{self.id} {self.sentence}".rstrip()


def name_rule(rule: str) -> NamedRule:
    """Return a rule by its id."""
    return _by_id().get(rule, NamedRule(rule))


def find_deciding_rule(record: Record) -> NamedRule | None:
    """Return the rule that decides the part of the expectation that failed; None if no rule was applied.

    For a source it is the rule that sets the source address or does not mark the packet for masquerade, for a cell
    without an answer the rule that ends the packet, for all others the rule that selects the endpoints.
    """
    rules = record.rules
    if not rules:
        return None
    candidates: tuple[str | None, ...]
    if describe_difference(record).direction in OF_SOURCE:
        kept = any(one.kept for one in record.expected.sources)  # a packet that is not marked keeps its source
        candidates = (_last(rules, _SOURCE), _last(rules, _MARK if kept else _ARRIVAL), _last(rules, _ARRIVAL))
    elif Outcome.OK in record.expected.outcomes:
        candidates = (_last(rules, _SELECTION), _last(rules, _ARRIVAL))
    else:
        candidates = (rules[-1],)
    active = [one for one in candidates if one and one not in _PASSIVE]
    return name_rule(next(iter(active), candidates[0] or rules[-1]))


def _last(rules: tuple[str, ...], steps: tuple[str, ...]) -> str | None:
    """Return the last of the rules that is in one of these steps."""
    return next((rule for rule in reversed(rules) if _step_of().get(rule, "").startswith(steps)), None)


@cache
def _step_of() -> dict[str, str]:
    return {rule.id: title for title, chain in reversed(STEPS) for rule in chain}


@cache
def _by_id() -> dict[str, NamedRule]:
    return {rule.id: NamedRule(rule.id, rule.sentence, versions(rule), rule.citation) for rule in CATALOGUE}
