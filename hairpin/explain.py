"""`hairpin explain RUN`: list the smallest changes of the declaration under which the failed cells are as expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import output
from probes.judging.verdict import Result
from probes.options import seconds
from reports.analysis.explanations import explain_run
from reports.records import journal
from reports.terminal.diagnosis import render_explanations

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs
    from reports.records.run import Run
    from reports.records.schema import StoredExplanation

UNEXPLAINED = 1
DESCRIPTION = """Which change of the declaration explains the failed cells of a run: a fact of the cluster, of one node
or of the load balancer, a version, a fault of one node. A change fits if every cell, failed and passed, is as expected
under it. Exit code 0: a change fits, or no cell failed; 1: none fits all; 2: the run cannot be used."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("explain", help=summary, description=DESCRIPTION)
    parser.add_argument("explained", metavar="RUN", type=Path, help="out/<run>, out/last, or its run.json")
    parser.add_argument("--budget", type=seconds, default=20.0, metavar="SECONDS", help="most time to search (20)")
    output.add_format(parser, output.WITHOUT_PAGE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the explanations; return 0 if one fits all cells, or if no cell failed."""
    form = output.choose_format(options)
    stored = journal.load(options.explained)
    found = explain_run(stored, options.budget)
    output.emit(options, _render(found, form) if found or form == "json" else _describe_nothing(stored))
    return 0 if not found or any(map(_fits, found)) else UNEXPLAINED


def _fits(one: StoredExplanation) -> bool:
    return len(one.explained) == one.red and not one.contradicted


def _render(found: tuple[StoredExplanation, ...], form: str) -> str:
    if form == "json":
        return json.dumps([one.model_dump(mode="json") for one in found], indent=1) + "\n"
    return render_explanations(found, output.measure_width())


def _describe_nothing(stored: Run) -> str:
    """Return why there is nothing to explain: a run whose cells are all inconclusive shows nothing."""
    judged = any(record.verdict is not Result.INCONCLUSIVE for record in stored.records)
    return f"{'no cell failed' if judged else 'no cell passed or failed'}: nothing to explain\n"
