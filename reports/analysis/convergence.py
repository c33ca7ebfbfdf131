"""How long until a change took effect at each node, as bounds. Pure.

An attempt that begins before the change took effect fails, and one that begins after it succeeds. So the change took
effect after the last attempt that failed had begun, and no later than the first of those began that all succeed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

from probes.contract.judging import ContractResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reports.records.scenarios import StoredCheck

TIMELESS = frozenset({ContractResult.NOT_ASKED, ContractResult.FREE})  # no promise was checked, so none can hold late
TENTH = 0.1  # of a second; shorter times have two decimals
OUTSIDE = "outside"
NODES = 6  # nodes of a step that are listed; the others are counted


@dataclass(frozen=True, slots=True)
class Convergence:
    """When all promises of a change held at a node: more than `more_than_s` and at most `at_most_s` after the change.

    `more_than_s`: 0 if every attempt succeeded. `at_most_s`: None if a promise never held.
    """

    node: str
    more_than_s: float
    at_most_s: float | None

    @classmethod
    def of(cls, node: str, checks: Sequence[StoredCheck]) -> Convergence:
        """Return the convergence of a node: that of the check of it that held last."""
        more_than = max((check.not_before_s or 0.0 for check in checks), default=0.0)
        if any(check.converged_s is None for check in checks):
            return cls(node, more_than, None)
        return cls(node, more_than, max(check.converged_s or 0.0 for check in checks))

    @property
    def place(self) -> str:
        """Return the name of the node; `outside` where a load balancer decides."""
        return self.node or OUTSIDE

    @property
    def rank(self) -> float:
        """Return the upper bound, to compare nodes; a promise that never held is the slowest."""
        return float("inf") if self.at_most_s is None else self.at_most_s

    @property
    def bounds(self) -> tuple[str, str]:
        """Return both bounds in seconds, rounded outwards so that they stay true. Only if the promises held."""
        lower = format_bound(self.more_than_s, floor) if self.more_than_s else "0"
        return lower, format_bound(self.at_most_s or 0.0, ceil)

    def __str__(self) -> str:
        """Return `0.2 to 0.4 s`, `at most 0.1 s` or `never`."""
        if self.at_most_s is None:
            return "never"
        lower, upper = self.bounds
        return f"{lower} to {upper} s" if self.more_than_s else f"at most {upper} s"


def measure_nodes(checks: Iterable[StoredCheck]) -> tuple[Convergence, ...]:
    """Return the convergence of each node with a check that was asked and promises something, by name."""
    found: dict[str, list[StoredCheck]] = {}
    for check in checks:
        if check.result not in TIMELESS:
            found.setdefault(check.node, []).append(check)
    return tuple(Convergence.of(node, found[node]) for node in sorted(found))


def describe_check(check: StoredCheck) -> str:
    """Return when a promise began to hold: `0.2 to 0.4 s`; empty if none was checked."""
    return "" if check.result in TIMELESS else str(Convergence.of(check.node, [check]))


def describe_nodes(nodes: Sequence[Convergence], limit: int | None = NODES) -> str:
    """Return `within 0.4 s: n1 0.2-0.4, n2 0-0.1; slowest n1`, `never at n2; within 0.6 s: n1 0.3-0.6`, or nothing.

    Args:
        nodes: the nodes of a step.
        limit: how many are listed, the slowest if there are more; None: all.

    """
    late = [one.place for one in nodes if one.at_most_s is None]
    timed = sorted((one for one in nodes if one.at_most_s is not None), key=lambda one: one.rank)
    never = f"never at {', '.join(late)}" if late else ""
    return "; ".join(filter(None, [never, _within(timed, limit), "" if late else _slowest(timed)]))


def _within(timed: Sequence[Convergence], limit: int | None) -> str:
    """Return the times of nodes, given from the fastest to the slowest."""
    if not timed:
        return ""
    shown = timed[-limit:] if limit else timed
    more = f", {len(timed) - len(shown)} faster nodes" if len(timed) > len(shown) else ""
    listed = ", ".join(f"{one.place} {'-'.join(one.bounds)}" for one in sorted(shown, key=lambda one: one.node))
    return f"within {timed[-1].bounds[1]} s: {listed}{more}"


def _slowest(timed: Sequence[Convergence]) -> str:
    """Return which node was the last, if the bounds show it."""
    *others, last = timed or [Convergence("", 0.0, 0.0)]
    return f"slowest {last.place}" if others and all(last.more_than_s >= one.rank for one in others) else ""


def format_bound(value: float, to_integer: Callable[[float], int]) -> str:
    """Return seconds with one decimal, or with two below 0.1: `12.3`, `0.4`, `0.04`.

    Args:
        value: a bound of a time.
        to_integer: how it is rounded: a lower bound down, an upper bound up, so that both stay true.

    """
    digits = 1 if value >= TENTH else 2
    return f"{to_integer(round(value * 10**digits, 6)) / 10**digits:.{digits}f}"
