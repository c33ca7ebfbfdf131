"""A conformance report as JUnit: a suite for each profile, a case for each row."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from reports.analysis.conformance.convergence import select_row
from reports.analysis.conformance.report import RowStatus
from reports.analysis.conformance.wording import describe_evidence, describe_row, describe_tested

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reports.analysis.conformance.report import ConformanceReport, ConformanceRow, RowConvergence

NOT_RUN = frozenset({RowStatus.SKIPPED, RowStatus.UNSUPPORTED, RowStatus.UNTESTED})


def write_junit(report: ConformanceReport) -> str:
    """Return the report as JUnit XML. A provisional row that is not kept is skipped, not failed."""
    every = (*report.rows, *report.unspecified)
    root = ET.Element("testsuites", _counts(every), name="conformance")
    for profile in sorted({row.profile for row in every}):
        rows = [row for row in every if row.profile == profile]
        suite = ET.SubElement(root, "testsuite", _counts(rows), name=profile, timestamp=report.date)
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="tested", value=describe_tested(report))
        for row in rows:
            _add_case(suite, row, select_row(row.name, report.convergence))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _counts(rows: Collection[ConformanceRow]) -> dict[str, str]:
    failed, skipped = sum(map(_is_failed, rows)), sum(map(_is_skipped, rows))
    return {"tests": str(len(rows)), "failures": str(failed), "skipped": str(skipped), "errors": "0"}


def _is_failed(row: ConformanceRow) -> bool:
    return row.counts and row.status is RowStatus.FAILED


def _is_skipped(row: ConformanceRow) -> bool:
    return row.status in NOT_RUN or (row.provisional and row.status is RowStatus.FAILED)


def _add_case(suite: ET.Element, row: ConformanceRow, convergence: Sequence[RowConvergence]) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"conformance.{row.profile}.{row.level}", name=row.name)
    if convergence:
        _add_convergence(case, convergence)
    message = describe_row(row)
    if _is_failed(row):
        failure = ET.SubElement(case, "failure", message=message)
        failure.text = "\n".join([row.sentence, *map(describe_evidence, row.evidence)])
    elif _is_skipped(row):
        ET.SubElement(case, "skipped", message=message)
    else:
        ET.SubElement(case, "system-out").text = message


def _add_convergence(case: ET.Element, convergence: Sequence[RowConvergence]) -> None:
    """Add the seconds until the row held, by scenario, step and node: a number, or `never`."""
    properties = ET.SubElement(case, "properties")
    for one in convergence:
        for node in one.nodes:
            name = f"converged_s {one.topology} {one.scenario} ({one.step}) {node.node or 'outside'}"
            value = "never" if node.at_most_seconds is None else f"{node.at_most_seconds:g}"
            ET.SubElement(properties, "property", name=name, value=value)
