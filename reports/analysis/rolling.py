"""What an exchange of kube-proxy, node by node, did to connections: per node and phase, cells and held connections.

Pure. The reference of a cell is what it got before the first step: a break is an attempt that ends in another way. What
was not asked in time is not known: it is listed as unmeasured and never counts as a break, and an attempt that timed
out while its vantage was late counts neither way.

The JSON schema is made from these models: `python -m reports.analysis.rolling > docs/rolling.schema.json`.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from probes.asking.continuous.events import group_by_cell
from probes.observation import Outcome
from reports.analysis.held_connections import HeldFate, follow_connections
from reports.analysis.measured import Interval, find_gaps, overlap
from reports.records.schema import ReportModel, Seconds, write_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from probes.asking.continuous.events import TimedAttempt, VantageEvents

PHASES = ("stopped", "cleaned", "started", "synced")
LATE = frozenset({Outcome.TIMEOUT, Outcome.HANG})
"""The outcomes that a client which is late can cause by itself."""


class LeftOnNode(ReportModel):
    """What kube-proxy has written on a node, at the end of a phase. `unread`: listing -> why it is not known."""

    chains: tuple[str, ...] = ()
    rules: int = 0
    ipsets: tuple[str, ...] = ()
    virtual_servers: int = 0
    addresses: int = 0
    nft_tables: tuple[str, ...] = ()
    unread: dict[str, str] = Field(default_factory=dict)


class ExchangePhase(ReportModel):
    """One phase of a step. Times in seconds since the first step began. `left`: None if it was not read.

    `unsure`: attempts that timed out while their vantage was late.
    """

    name: str
    began_s: Seconds
    ended_s: Seconds
    attempts: int = 0
    failed: int = 0
    unsure: int = 0
    cells: int = 0
    """How many cells had an attempt that failed."""
    left: LeftOnNode | None = None


class BrokenCell(ReportModel):
    """A cell that got other results than before. From its first failed to its last failed attempt, within one step.

    `outcomes`: of the failed attempts; `ok`: attempts in between that got what the cell got before.
    """

    cell: str
    before: Outcome
    first_s: Seconds
    last_s: Seconds
    lasted_s: Seconds
    outcomes: dict[Outcome, int]
    ok: int
    phases: tuple[str, ...]


class Unmeasured(ReportModel):
    """A time in which a vantage did not ask."""

    vantage: str
    from_s: Seconds
    to_s: Seconds


class ExchangeStep(ReportModel):
    """One node: its phases, and what happened in them. `cleanup_error`: how `kube-proxy --cleanup` failed.

    `left_behind`: what the old mode left on the node after the new kube-proxy had synced, in words; empty if nothing
    or if both modes are the same.
    """

    node: str
    before: str
    after: str
    phases: tuple[ExchangePhase, ...]
    broken: tuple[BrokenCell, ...] = ()
    connections: tuple[HeldFate, ...] = ()
    unmeasured: tuple[Unmeasured, ...] = ()
    left_behind: tuple[str, ...] = ()
    cleanup_error: str = ""


class NotJudged(ReportModel):
    """A cell without a reference: it got nothing, or several results, before the first step."""

    cell: str
    reason: str


class RollingExchange(ReportModel):
    """A whole exchange. `complete`: every node was exchanged; if not, it was interrupted after the last step.

    `cells`: each judged cell with what it got before the first step. Times in seconds; `interval_s` is the resolution.
    """

    version: Literal["1"] = "1"
    topology: str
    before: str
    after: str
    cleanup: bool
    interval_s: Seconds
    timeout_s: Seconds
    hold_s: Seconds
    cells: dict[str, Outcome]
    not_judged: tuple[NotJudged, ...] = ()
    steps: tuple[ExchangeStep, ...] = ()
    complete: bool = False
    notes: tuple[str, ...] = ()

    @property
    def broke(self) -> bool:
        """Whether a cell broke or a held connection did not survive."""
        return any(step.broken or any(one.is_lost for one in step.connections) for step in self.steps)

    @property
    def unmeasured(self) -> str:
        """Why this shows nothing, for a message: no cell is judged, or a phase has no attempt. Empty if it does."""
        if not self.cells:
            return "got no cell with one result before the first step"
        empty = [f"{step.node} {one.name}" for step in self.steps for one in step.phases if not one.attempts]
        return f"got no attempt in {', '.join(empty)}" if empty else ""


@dataclass(slots=True)
class ObservedStep:
    """What the exchange itself has recorded of a step: monotonic times of the phases, and what was on the node."""

    node: str
    before: str
    after: str
    modes: tuple[str, str]
    phases: dict[str, tuple[float, float]]
    left: dict[str, LeftOnNode] = field(default_factory=dict)
    cleanup_error: str = ""


def find_references(
    cells: Iterable[str], events: Sequence[VantageEvents], until: float
) -> tuple[dict[str, Outcome], tuple[NotJudged, ...]]:
    """Return what each cell got before a time, and the cells that have no single result."""
    attempts = group_by_cell(one for vantage in events for one in vantage.attempts if one.ended <= until)
    found: dict[str, Outcome] = {}
    without: list[NotJudged] = []
    for cell in cells:
        outcomes = Counter(one.outcome for one in attempts.get(cell, ()))
        if len(outcomes) == 1:
            found[cell] = next(iter(outcomes))
        else:
            listed = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
            without.append(NotJudged(cell=cell, reason=f"before the first step: got {listed or 'no attempt'}"))
    return found, tuple(without)


def analyse_step(
    step: ObservedStep,
    references: Mapping[str, Outcome],
    events: Sequence[VantageEvents],
    interval_s: float,
    zero: float,
) -> ExchangeStep:
    """Return what happened in the phases of one step.

    Args:
        step: Its times and what was on the node.
        references: What each cell got before the first step.
        events: Of all vantages.
        interval_s: Between two attempts of a cell.
        zero: The monotonic time that becomes 0.

    """
    whole = Interval(min(one[0] for one in step.phases.values()), max(one[1] for one in step.phases.values()))
    gaps = {one.vantage: find_gaps(one.attempts, whole, interval_s) for one in events}
    judged = [
        (attempt, _judge(attempt, references[attempt.cell], gaps[one.vantage]))
        for one in events
        for attempt in one.attempts
        if attempt.cell in references and whole.began <= find_moment(attempt) < whole.ended
    ]
    return ExchangeStep(
        node=step.node,
        before=step.before,
        after=step.after,
        phases=tuple(_phase(name, Interval(*times), judged, step, zero) for name, times in step.phases.items()),
        broken=tuple(_broken(judged, references, step, zero)),
        connections=follow_connections(
            events, whole, {name: Interval(*one) for name, one in step.phases.items()}, zero
        ),
        unmeasured=tuple(
            Unmeasured(vantage=vantage, from_s=gap.began - zero, to_s=gap.ended - zero)
            for vantage, found in gaps.items()
            for gap in found
        ),
        left_behind=describe_left_behind(step),
        cleanup_error=step.cleanup_error,
    )


_Judged = tuple["TimedAttempt", bool | None]


def find_moment(attempt: TimedAttempt) -> float:
    """Return the time that an attempt shows something of: its end if something refused it, else its beginning.

    A first SYN that was dropped is sent again after 1 s, and that one may be refused.
    """
    return attempt.began if attempt.outcome is Outcome.OK or attempt.outcome in LATE else attempt.ended


def _judge(attempt: TimedAttempt, reference: Outcome, gaps: Sequence[Interval]) -> bool | None:
    """Return whether an attempt got what its cell got before; None if it timed out while its vantage was late."""
    if attempt.outcome is reference:
        return True
    late = attempt.outcome in LATE and overlap(Interval(attempt.began, attempt.ended), gaps)
    return None if late else False


def _phase(name: str, times: Interval, judged: Sequence[_Judged], step: ObservedStep, zero: float) -> ExchangePhase:
    inside = [(attempt, good) for attempt, good in judged if times.began <= find_moment(attempt) < times.ended]
    return ExchangePhase(
        name=name,
        began_s=times.began - zero,
        ended_s=times.ended - zero,
        attempts=len(inside),
        failed=sum(good is False for _, good in inside),
        unsure=sum(good is None for _, good in inside),
        cells=len({attempt.cell for attempt, good in inside if good is False}),
        left=step.left.get(name),
    )


def _broken(
    judged: Sequence[_Judged], references: Mapping[str, Outcome], step: ObservedStep, zero: float
) -> Iterable[BrokenCell]:
    failed = group_by_cell(attempt for attempt, good in judged if good is False)
    fine = group_by_cell(attempt for attempt, good in judged if good)
    for cell, attempts in failed.items():
        moments = sorted(map(find_moment, attempts))
        first, last = moments[0], moments[-1]
        yield BrokenCell(
            cell=cell,
            before=references[cell],
            first_s=first - zero,
            last_s=last - zero,
            lasted_s=last - first,
            outcomes=dict(Counter(one.outcome for one in attempts)),
            ok=sum(first < one.began < last for one in fine.get(cell, ())),
            phases=tuple(
                name
                for name, (began, ended) in step.phases.items()
                if any(began <= moment < ended for moment in moments)
            ),
        )


def describe_left_behind(step: ObservedStep) -> tuple[str, ...]:
    """Return what the old mode left on the node after the new kube-proxy had synced, in words."""
    old, new = step.modes
    left = step.left.get(PHASES[-1])
    if left is None or old == new:
        return ()
    counts = {
        "iptables chains": 0 if new == "iptables" else len(left.chains),
        "rules in them": 0 if new == "iptables" else left.rules,
        "ipsets": 0 if new == "ipvs" else len(left.ipsets),
        "virtual servers": 0 if new == "ipvs" else left.virtual_servers,
        "addresses of kube-ipvs0": 0 if new == "ipvs" else left.addresses,
        "nftables tables": 0 if new == "nftables" else len(left.nft_tables),
    }
    unread = tuple(f"{name}: not known ({reason})" for name, reason in left.unread.items())
    return (*(f"{count} {what}" for what, count in counts.items() if count), *unread)


def schema() -> str:
    """Return the JSON schema of a rolling exchange, ending in a newline."""
    return write_schema(RollingExchange, "A Hairpin rolling exchange of kube-proxy")


if __name__ == "__main__":
    sys.stdout.write(schema())
