"""Allure labels and parameters, and JUnit properties, of a cell's test. Attaches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure

if TYPE_CHECKING:
    from reports.records.record import Record


def describe(record: Record, topology: str) -> None:
    """Label the running test: epic topology, feature Service, story frontend. Does nothing without `--alluredir`."""
    cell = record.cell
    allure.dynamic.epic(topology)  # type: ignore[no-untyped-call]
    allure.dynamic.feature(cell.service)  # type: ignore[no-untyped-call]
    allure.dynamic.story(cell.frontend)  # type: ignore[no-untyped-call]
    for rule in record.rules:
        allure.dynamic.tag(rule)  # type: ignore[no-untyped-call]
    asked = {
        "cell": cell.id,
        "vantage": cell.vantage,
        "from": cell.vantage_kind,
        "node": cell.vantage_node or "outside",
    }
    results = {"target": record.target, "expected": record.expected.summary, "observed": record.observed.summary}
    for name, value in {**asked, "family": cell.family, "protocol": cell.protocol}.items():
        allure.dynamic.parameter(name, value)
    for name, value in results.items():
        allure.dynamic.parameter(name, value, excluded=True)  # may differ between runs: no part of the history's key


def properties(record: Record) -> list[tuple[str, str]]:
    """Return the JUnit properties of a cell's test case, as (name, value) pairs for `user_properties`."""
    return [
        ("cell", record.cell.id),
        ("verdict", record.verdict.value),
        ("rules", " ".join(record.rules)),
        ("because", record.because),
        ("expected", record.expected.summary),
        ("observed", record.observed.summary),
    ]
