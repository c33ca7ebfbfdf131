"""The page of a run: the verdict, its causes, a matrix per Service, and each cell's account one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.analysis.causes.deciding_rule import name_rule
from reports.analysis.causes.failure_groups import name_explanation
from reports.analysis.causes.run_verdict import WORDS as VERDICTS
from reports.analysis.causes.run_verdict import RunVerdict
from reports.analysis.cluster_facts import list_facts
from reports.analysis.contract import ContractSummary, count_judged
from reports.analysis.counts import classify_omissions
from reports.analysis.overview import Overview
from reports.columns import LEGEND
from reports.formatting import MARKS
from reports.glossary import WORDS
from reports.html.page import embed_json, render_page
from reports.html.run_data import describe_cells
from reports.html.scenarios import ScenarioTable
from reports.records.journal import write_error

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

FEW = 3  # notes that are shown at once; more are folded


def render(run: Run) -> str:
    """Return the whole page. Size: about 40 kB and 1 to 2 kB a cell."""
    verdict = RunVerdict.of(run)
    rules = {rule: name_rule(rule) for record in run.records for rule in record.rules}
    return render_page(
        "run.html.j2",
        styles=("page.css", "run.css"),
        script="run.js",
        run=run,
        verdict=verdict,
        verdicts=VERDICTS,
        explanations=[(name_explanation(one), one) for one in verdict.explanations],
        facts=_facts(run),
        known=list_facts(run),
        contract=ContractSummary.of(run.contract),
        count_judged=count_judged,
        scenarios=ScenarioTable.of(run.scenarios, run.contract),
        overview=Overview.of(run.records),
        rules=sorted(rules.values(), key=lambda rule: rule.id),
        words=WORDS,
        marks=MARKS,
        few=FEW,
        total=len(run.records),
        unasked=len(run.unasked),
        legend=LEGEND,
        omissions=classify_omissions(run.omissions, run.topology.declared),
        data=embed_json(describe_cells(run, verdict)),
    )


def write(run: Run, path: Path) -> Path:
    """Write the page.

    Raises:
        JournalError: the file cannot be written.

    """
    try:
        path.write_text(render(run), encoding="utf-8")
    except OSError as error:
        failure = write_error("the report could not be written", path, error)
        raise failure from error
    return path


def _facts(run: Run) -> dict[str, Any]:
    """Return what the page's head shows of the cluster."""
    cni = run.topology.declared.get("cni")
    known = {"cni": cni["kind"] if isinstance(cni, dict) and "kind" in cni else None, **run.environment}
    named = {
        "Services by": known.get("proxy"),
        "kube-proxy": known.get("mode"),
        "version": known.get("version"),
        "cni": known["cni"],
    }
    return {name: value for name, value in named.items() if value}
