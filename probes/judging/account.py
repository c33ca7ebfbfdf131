"""The account of a judged cell: the lines that justify its verdict. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from probes.observation import LOST, Outcome, count_limited_refusals

if TYPE_CHECKING:
    from probes.judging.compare import JudgedCell

MIXED_UP = (
    "the kernel's ipvs distinguishes connections by client address, client port and endpoint alone, and may have taken "
    "this one for another; if so, the cell passes when it is asked again (docs/observations.md)"
)


def list_account(case: JudgedCell) -> tuple[tuple[str, str], ...]:
    """Return the lines of an account, without those that do not apply."""
    cell, observation = case.cell, case.observation
    asked = f"{len(observation.attempts)} x {cell.protocol}"
    lines = [
        (
            "asked",
            f"{asked}  {cell.vantage.name} -> {cell.frontend.service}.{cell.frontend.label} {observation.target}",
        ),
        ("because", f"{' '.join(case.expectation.rules)} {case.expectation.because}"),
        ("expected", _expected(case)),
        ("observed", _observed(case)),
    ]
    if observation.load:
        lost = len(observation.attempts) - len(observation.counted)
        lines.append(("load", f"asked again at low load; before, {observation.load}, so {lost} lost do not count"))
    if case.mixes and _one_lost(case):
        lines.append(("perhaps", MIXED_UP))
    if case.evidence:
        lines.append(("evidence", case.evidence))
    return tuple(lines)


def _one_lost(case: JudgedCell) -> bool:
    """Return whether a single connection of several was lost although all must be answered."""
    outcomes = case.observation.outcomes
    lost = [outcome for outcome in outcomes if outcome is not Outcome.OK]
    return len(lost) == 1 < len(outcomes) and lost[0] in LOST and case.expectation.outcomes == {Outcome.OK}


def _expected(case: JudgedCell) -> str:
    ways = []
    for path in case.expectation.paths:
        sources = " or ".join(sorted(case.naming(source) for source in path.sources))
        ways.append(f"ok, answered by {path.backend}, source {sources}" if path.backend else path.outcome.value)
    return "; or ".join(dict.fromkeys(ways))


def _observed(case: JudgedCell) -> str:
    observation = case.observation
    if observation.trouble:
        return f"nothing: {observation.trouble}"
    counts: Counter[str] = Counter()
    for attempt in observation.counted:
        seen = case.naming(attempt.source) if attempt.source else "?"
        result = f"ok by {attempt.backend}, source {seen}" if attempt.outcome is Outcome.OK else attempt.outcome.value
        if attempt.outcome is Outcome.WRONG_BACKEND and attempt.message:
            result += f" ({attempt.message})"
        counts[result] += 1
    total, outcomes = counts.total(), observation.outcomes
    all_results = "; ".join(f"{times} of {total} {result}" for result, times in counts.most_common())
    limited = count_limited_refusals(outcomes, by_icmp=case.expectation.refused_by_icmp) != outcomes
    return f"{all_results} (of the same refusal: kernels limit ICMP errors)" if limited else all_results
