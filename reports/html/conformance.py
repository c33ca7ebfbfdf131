"""The page of a conformance report: the profiles, then each row with what happened, its evidence and its sources."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from probes.contract.judging import WORST_FIRST, ContractResult
from reports.analysis.conformance.convergence import describe_row_convergence, select_row
from reports.analysis.conformance.report import ConformanceResult
from reports.analysis.conformance.wording import describe_row, describe_tested, locate_evidence
from reports.analysis.contract import rules_of
from reports.html.page import render_page

if TYPE_CHECKING:
    from reports.analysis.conformance.report import ConformanceReport

TONES = {
    ContractResult.BROKEN: "fail",
    ContractResult.UNUSUAL: "inconclusive",
    ContractResult.KEPT: "pass",
    ContractResult.FREE: "plain",
    ContractResult.NOT_ASKED: "same",
}
LEVEL_TONES = {
    ConformanceResult.SUCCESS: "pass",
    ConformanceResult.PARTIAL: "inconclusive",
    ConformanceResult.FAILURE: "fail",
}


def render(report: ConformanceReport) -> str:
    """Return the page of a report. Rows that are not kept come first."""
    rows = sorted((*report.rows, *report.unspecified), key=lambda row: (WORST_FIRST.index(row.result), row.number))
    counts = Counter(row.result for row in rows)
    return render_page(
        "conformance.html.j2",
        styles=("page.css", "filtered.css"),
        script="filtered.js",
        report=report,
        rows=rows,
        counts={result: counts[result] for result in WORST_FIRST if counts[result]},
        tones=TONES,
        level_tones=LEVEL_TONES,
        tested=describe_tested(report),
        describe_row=describe_row,
        locate_evidence=locate_evidence,
        describe_row_convergence=describe_row_convergence,
        select_row=select_row,
        rules_of=rules_of,
    )
