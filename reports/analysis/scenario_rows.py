"""Add the checks of a run's scenarios to the rows of its contract. Pure.

A row has its worst verdict of cells and checks.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.contract.judging import DIFFERS, WORST_FIRST, ContractResult
from probes.contract.load import rows
from reports.records.contract import DifferingCell, StoredRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.scenarios import StoredCheck, StoredScenario
    from topologies.schema.topology import Version

WANTED = ", want "  # what breaks a promise is named with what is expected
UNTIL = re.compile(r" \(still \d+ s after the change\)$")  # differs between equal runs; the times are in convergence
NO_CELLS = "this run asked no cell of the matrix"


@dataclass(slots=True)
class RowChecks:
    """What scenarios show of one row: its checks with their scenario and step, and why some are missing."""

    scenarios: list[str] = field(default_factory=list)
    checks: list[tuple[str, str, StoredCheck]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def texts(self, result: ContractResult) -> Counter[str]:
        """Return how often each text occurs among the checks with a result."""
        return Counter(check.text for _, _, check in self.checks if check.result is result)


def add_checks(stored: Iterable[StoredRow], scenarios: Iterable[StoredScenario]) -> tuple[StoredRow, ...]:
    """Return the rows with the checks of scenarios. Rows that no scenario asks stay as they are."""
    found = collect_checks(scenarios)
    return tuple(_add(row, found[row.row]) if row.row in found else row for row in stored)


def collect_checks(scenarios: Iterable[StoredScenario]) -> dict[str, RowChecks]:
    """Return what the scenarios show, by the id of a row."""
    found: dict[str, RowChecks] = {}
    for one in scenarios:
        for name in dict.fromkeys((*one.rows, *(check.row for check in one.checks))):
            row = found.setdefault(name, RowChecks())
            row.scenarios.append(one.id)
            if why := one.skipped or one.trouble:
                row.missing.append(f"scenario {one.id}: {why}")
        for step in one.steps:
            for check in step.checks:
                found[check.row].checks.append((one.id, step.name, check))
    return found


def _add(row: StoredRow, found: RowChecks) -> StoredRow:
    counts = Counter(check.result for _, _, check in found.checks)
    result = min((row.result, *counts), key=WORST_FIRST.index)
    differing = [to_differing(*one) for one in found.checks if one[2].result in DIFFERS]
    free = Counter(row.free) + found.texts(ContractResult.FREE)
    return row.model_copy(
        update={
            "result": result,
            "differing": (*row.differing, *differing),
            "free": dict(free.most_common()),
            "not_asked": _reasons(row, found, result),
            "scenarios": tuple(found.scenarios),
            "checks": {one: counts[one] for one in WORST_FIRST if counts[one]},
        }
    )


def _reasons(row: StoredRow, found: RowChecks, result: ContractResult) -> dict[str, int]:
    """Return why checks are missing. Why the matrix asks none counts only if no scenario was there to ask."""
    of_cells = {text: count for text, count in row.not_asked.items() if count}
    of_checks = dict(found.texts(ContractResult.NOT_ASKED).most_common())
    missing = dict.fromkeys(found.missing, 0)
    reasons = {**of_cells, **missing, **of_checks}
    return reasons if reasons or result is not ContractResult.NOT_ASKED else row.not_asked


def to_differing(scenario: str, step: str, check: StoredCheck) -> DifferingCell:
    """Return a check that is not kept as the row has it."""
    return DifferingCell(
        cell=check.name,
        scenario=scenario,
        step=step,
        result=check.result,
        text=_describe(check),
        predicted=check.is_predicted,
        rules=check.rules,
    )


def _describe(check: StoredCheck) -> str:
    text = UNTIL.sub("", check.text)
    return text if not check.promise or WANTED in text else f"{text}{WANTED}{check.promise}"


def rows_without_cells(version: Version) -> tuple[StoredRow, ...]:
    """Return every row as a run without cells shows it: not asked, with the reason."""
    return tuple(
        StoredRow(
            row=row.id,
            number=row.number,
            sentence=row.sentence,
            level=row.level_at(version),
            result=ContractResult.NOT_ASKED,
            not_asked={row.why_no_cells or NO_CELLS: 0},
        )
        for row in rows()
    )
