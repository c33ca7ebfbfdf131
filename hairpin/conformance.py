"""`hairpin conformance [RUN ...]`: report which promises of the API a data plane keeps, in the form of Gateway API."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import output
from hairpin.conformance_claim import add_options, read_claim
from hairpin.verb import CommandError, parse_gate
from probes.contract.judging import ContractResult
from reports.analysis.conformance.build import FinishedRun, build_report
from reports.analysis.conformance.diff import ConformanceSide, RowChangeKind, compare_reports
from reports.analysis.conformance.junit import write_junit
from reports.analysis.conformance.reading import read_report
from reports.analysis.conformance.report import dump_yaml
from reports.analysis.conformance.rows import merge_rows
from reports.analysis.conformance.wording import describe_tested
from reports.records import journal
from reports.records.run import FILE
from reports.terminal import conformance as terminal
from reports.terminal import conformance_diff as diff_terminal

if TYPE_CHECKING:
    from hairpin.verb import Verbs
    from reports.analysis.conformance.report import ConformanceReport

SHUT = 1
FORMATS = ("text", "json", "yaml", "html", "junit")
GATES = {
    "broken-promise": ContractResult.BROKEN,
    "unusual": ContractResult.UNUSUAL,
    "not-asked": ContractResult.NOT_ASKED,
}
DIFF = "diff"
DIFF_FORMATS = ("text", "json", "yaml")
SIDES = 2
DESCRIPTION = """\
Which promises of the API a data plane keeps, from finished runs: out/<run>, run.json, or last (out/last, the default).
Several runs against one implementation make one report. A row has its worst verdict of all runs.

  hairpin conformance last --implementation proxy.yaml -o report.yaml
  hairpin conformance diff A B             the rows that changed between two stored reports or two runs
"""
EPILOG = """\
Exit code 0: done; 1: a --fail-on kind occurs; 2: something cannot be used, or a claimed feature has skipped rows."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "conformance",
        help=summary,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", default=["last"])
    parser.add_argument(
        "--fail-on",
        metavar="KIND,...",
        default="",
        help=f"exit 1 on any of: {', '.join(GATES)}; of diff: {', '.join(RowChangeKind)}",
    )
    parser.add_argument("--all", action="store_true", help="every row and every cell that breaks one, in text")
    output.add_format(parser, FORMATS)
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report or the diff; return 0, or 1 if a --fail-on kind occurs."""
    if options.runs[0] == DIFF:
        return _diff(options)
    gate, form = parse_gate(options.fail_on, tuple(GATES)), output.choose_format(options)
    claim = read_claim(options)
    report = build_report([load_run(name) for name in options.runs], claim)
    output.emit(options, _render(report, form, options))
    counts = {word: sum(row.result is GATES[word] for row in report.rows if row.counts) for word in GATES}
    return shut_gate([f"{count} {word}" for word, count in counts.items() if word in gate and count])


def _diff(options: argparse.Namespace) -> int:
    gate = parse_gate(options.fail_on, tuple(RowChangeKind))
    options.formats = DIFF_FORMATS
    form, sides = output.choose_format(options), options.runs[1:]
    if len(sides) != SIDES:
        message = f"diff: got {len(sides)} reports or runs, want {SIDES}"
        raise CommandError(message)
    found = compare_reports(*map(load_side, sides))
    if form == "text":
        output.emit(options, diff_terminal.render(found, output.measure_width(), color=output.has_color(options)))
    else:
        as_json = found.model_dump_json(indent=1, by_alias=True, exclude_defaults=True) + "\n"
        output.emit(options, as_json if form == "json" else dump_yaml(found))
    return shut_gate([f"{count} {kind}" for kind, count in found.counts.items() if kind in gate])


def load_side(name: str) -> ConformanceSide:
    """Return the rows of a stored report or of a run; HairpinError if it is neither."""
    path = Path(name)
    if name == "last" or path.is_dir() or path.name == FILE:
        one = load_run(name)
        return ConformanceSide(f"{name}: {one}", merge_rows([one.run]))
    report = read_report(path)
    return ConformanceSide(f"{name}: {describe_tested(report)}", (*report.rows, *report.unspecified))


def shut_gate(hit: list[str]) -> int:
    """Return 1 if a --fail-on kind occurs, and print which; else 0."""
    if hit:
        sys.stderr.write(f"hairpin conformance: --fail-on: {', '.join(hit)}\n")
    return SHUT if hit else 0


def load_run(name: str) -> FinishedRun:
    """Return a finished run; HairpinError if it cannot be used."""
    path = Path("out/last") if name == "last" and not Path(name).exists() else Path(name)
    stored = journal.load(path)
    real = path.resolve()
    return FinishedRun.of(real.name if real.is_dir() else real.parent.name, stored)


def _render(report: ConformanceReport, form: str, options: argparse.Namespace) -> str:
    if form == "json":
        return report.to_json()
    if form == "yaml":
        return report.to_yaml()
    if form == "junit":
        return write_junit(report)
    if form == "html":
        from reports.html import conformance as page  # noqa: PLC0415 - only a page pays for jinja2

        return page.render(report)
    return terminal.render(report, output.measure_width(), color=output.has_color(options), everything=options.all)
