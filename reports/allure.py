"""Allure labels and parameters, and JUnit properties, of a cell's test. Attaches nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import allure

from reports.formatting import count_cells

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reports.analysis.causes.run_verdict import RunVerdict
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


ENVIRONMENT = "environment.xml"  # Allure shows it on the report's first page
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def suite_properties(verdict: RunVerdict) -> list[tuple[str, str]]:
    """Return the verdict, the explanations and the causes as (name, value) pairs, the verdict first."""
    explanations = [("explanation", one.text) for one in verdict.explanations]
    causes = [
        ("cause", ", ".join(filter(None, [count_cells(len(group.records)), group.where])) + f": {group.headline}")
        for group in verdict.groups
    ]
    return [("verdict", verdict.headline), *explanations, *causes]


def write_environment(folder: Path, found: Iterable[tuple[str, str]]) -> None:
    """Write the pairs to the overview of an Allure report; OSError if that is impossible."""
    lines = [f"<parameter><key>{_text(name)}</key><value>{_text(value)}</value></parameter>" for name, value in found]
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["<environment>", *lines, "</environment>", ""])
    (folder / ENVIRONMENT).write_text(text, encoding="utf-8")


def _text(value: str) -> str:
    """Return a text for XML, which allows no control characters. Messages of hosts may have some."""
    return escape(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value))


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
