"""What a row shows, in words: for the terminal, the page, JUnit and a diff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.judging import ContractResult
from reports.analysis.conformance.report import RowStatus
from reports.analysis.contract import describe_prediction
from reports.formatting import count_cells

if TYPE_CHECKING:
    from reports.analysis.conformance.report import ConformanceReport, ConformanceRow, RowEvidence


def describe_row(row: ConformanceRow) -> str:
    """Return what happened in one line: `kept in 18 cells`, `broken promise in 1 of 18 cells`, `not asked: why`."""
    asked = sum(row.cells.values()) - row.cells.get(ContractResult.NOT_ASKED, 0)
    if row.result is ContractResult.NOT_ASKED:
        word = "not asked" if row.status is RowStatus.SKIPPED else f"not asked ({row.status})"
        return f"{word}: {'; '.join(row.reasons)}"
    if row.result is ContractResult.FREE:
        return "; ".join(f"{text} ({count_cells(count)})" for text, count in row.answers.items())
    if row.result is ContractResult.KEPT:
        return f"kept in {_of(asked, sum(row.cells.values()))}"
    prediction = describe_prediction(row.evidence)
    return f"{row.result} in {_of(len(row.evidence), asked)}{prediction and f', {prediction}'}"


def _of(some: int, every: int) -> str:
    return count_cells(every) if some == every else f"{some} of {count_cells(every)}"


def describe_evidence(one: RowEvidence) -> str:
    """Return `cell: text`."""
    return f"{one.cell}: {one.text}"


def describe_tested(report: ConformanceReport) -> str:
    """Return what was tested: `example proxy v1.2.3 (default): cilium in Kubernetes 1.37.2`."""
    of = report.implementation
    named = f"{of.organization} {of.project} {of.version} ({report.mode})"
    return f"{named}: {report.service_proxy} in Kubernetes {report.kubernetes_version}"
