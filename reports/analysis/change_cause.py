"""Which rule causes a change of a cell: of the rules that only AFTER applies, the one that decides its result. Pure.

One rule may replace several rules of BEFORE. They are listed, but do not separate its cells into several causes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from probes.observation import Outcome
from probes.oracle.catalogue import STEPS
from reports.analysis.change_classes import Kind

if TYPE_CHECKING:
    from reports.analysis.diff_side import SideAnswer

Rules = tuple[str, ...]
Order = tuple[tuple[str, ...], ...]

ARRIVAL = ("Processing node",)
READINESS = ("Usable endpoints",)
SELECTION = (
    "Endpoint selection",
    "loadBalancerSourceRanges",
    "Direct connections",
    "Packets to the node itself",
    "Ports of the node itself",
)
BALANCER = ("Node selection", "From the load balancer", "Untranslated packets", "Source address after")
MARK = ("Mark for masquerade",)
SOURCE = ("Source address at the endpoint",)
RETURN = ("Return path",)
BY_RESULT = (READINESS, SELECTION, BALANCER, ARRIVAL, MARK, SOURCE, RETURN)
BY_SOURCE = (MARK, SOURCE, ARRIVAL, BALANCER, SELECTION, RETURN)
OF_SOURCE = frozenset({Kind.LOST_SOURCE, Kind.CHANGED_SOURCE, Kind.GAINED_SOURCE})


class Cause(NamedTuple):
    """The rule that decides after the change, and the one that decided before; empty if all its rules still apply."""

    come: str = ""
    gone: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What all cells of one cause share: the rule that decides after, or else the one that no longer applies."""
        return (self.come, "") if self.come else ("", self.gone)


def find_cause(kind: Kind, before: SideAnswer, after: SideAnswer) -> Cause:
    """Return the cause of a change of this kind.

    A changed source address is decided by the mark for masquerade, if that is what differs. So is a reply that only one
    side loses on its way back. Any other change is decided by the rule that selects the endpoints or ends the packet.
    """
    come, gone = _only(after, before), _only(before, after)
    of_source = kind in OF_SOURCE or _loses_reply(before) != _loses_reply(after)
    order: Order = BY_RESULT
    if of_source and _first(SOURCE, come) and _first(SOURCE, gone):
        order = BY_SOURCE
    elif kind in OF_SOURCE:
        order = (ARRIVAL, *BY_RESULT)
    return Cause(_decide(order, come), _decide(order, gone))


def _only(side: SideAnswer, other: SideAnswer) -> Rules:
    """Return the rules that only this side applies: those of the replies that only it shows, if there are any."""
    shown = [side.ways.get(reply, ()) for reply in sorted(side.shown - other.may)]
    new = tuple(dict.fromkeys(rule for way in shown for rule in way if rule not in other.rules))
    return new or tuple(rule for rule in side.rules if rule not in other.rules)


def _loses_reply(answer: SideAnswer) -> bool | None:
    """Return whether replies are lost on the way back; None if no packet reaches an endpoint."""
    lost = any(
        reply.outcome is not Outcome.OK and way and _stage(way[-1]).startswith(RETURN)
        for reply, way in answer.ways.items()
    )
    return True if lost else False if any(reply.outcome is Outcome.OK for reply in answer.ways) else None


def _decide(order: Order, rules: Rules) -> str:
    return next((found for titles in order if (found := _first(titles, rules))), rules[0] if rules else "")


def _first(titles: tuple[str, ...], rules: Rules) -> str:
    return next((rule for rule in rules if _stage(rule).startswith(titles)), "")


def _stage(rule: str) -> str:
    return _stages().get(rule, "")


@cache
def _stages() -> dict[str, str]:
    return {rule.id: title for title, chain in reversed(STEPS) for rule in chain}
