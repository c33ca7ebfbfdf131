"""What a row shows, in words: for the terminal, the page, JUnit and a diff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.judging import ContractResult
from reports.analysis.conformance.report import RowStatus
from reports.analysis.contract import count_judged, describe_prediction
from reports.formatting import count_things

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.analysis.conformance.report import ConformanceReport, ConformanceRow, RowEvidence


def describe_row(row: ConformanceRow) -> str:
    """Return what happened in one line: `kept in 18 cells`, `broken promise in 1 of 18 cells`, `not asked: why`.

    A row that scenarios ask has checks: `kept in 4 checks`.
    """
    if row.result is ContractResult.NOT_ASKED:
        word = "not asked" if row.status is RowStatus.SKIPPED else f"not asked ({row.status})"
        return f"{word}: {'; '.join(row.reasons)}"
    if row.result is ContractResult.FREE:
        noun = "check" if row.checks else "cell"
        return "; ".join(f"{text} ({count_things(count, noun)})" for text, count in row.answers.items())
    if row.result is ContractResult.KEPT:
        return f"kept in {_kept(row)}"
    prediction, asked = describe_prediction(row.evidence), _count_asked(row.cells) + _count_asked(row.checks)
    where = count_judged(row.cells, row.checks)
    share = where if len(row.evidence) == asked else f"{len(row.evidence)} of {where}"
    return f"{row.result} in {share}{prediction and f', {prediction}'}"


def _kept(row: ConformanceRow) -> str:
    """Return `18 cells`, and of how many if some were not asked: `16 of 18 cells`."""
    missing = sum(one.get(ContractResult.NOT_ASKED, 0) for one in (row.cells, row.checks))
    if not missing:
        return count_judged(row.cells, row.checks)
    asked = _count_asked(row.cells) + _count_asked(row.checks)
    return f"{asked} of {count_things(asked + missing, 'check' if row.checks and not row.cells else 'cell')}"


def _count_asked(counts: Mapping[ContractResult, int]) -> int:
    return sum(counts.values()) - counts.get(ContractResult.NOT_ASKED, 0)


def describe_evidence(one: RowEvidence) -> str:
    """Return `cell: text`, of a check with its scenario and step before."""
    return f"{locate_evidence(one)}: {one.text}"


def locate_evidence(one: RowEvidence) -> str:
    """Return the cell, or the check with its scenario and step: `affinity-switched, off: pod-n1-to-s-web.clusterip`."""
    return f"{one.scenario}, {one.step}: {one.cell}" if one.scenario else one.cell


def describe_tested(report: ConformanceReport) -> str:
    """Return what was tested: `example proxy v1.2.3 (default): cilium in Kubernetes 1.37.2`."""
    of = report.implementation
    named = f"{of.organization} {of.project} {of.version} ({report.mode})"
    return f"{named}: {report.service_proxy} in Kubernetes {report.kubernetes_version}"
