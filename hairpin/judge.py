"""`hairpin judge RUN [TOPOLOGY]`: judge a run anew under a mended declaration. Nothing is asked again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hairpin import output
from hairpin.verb import CommandError
from probes.judging.verdict import Result
from reports.analysis.causes.run_verdict import RunVerdict
from reports.analysis.contract import add_contract, describe_contract
from reports.analysis.explanations import add_explanations
from reports.records import journal
from reports.records.rejudge import judge_anew, raw_contents
from reports.terminal import matrix, summary
from topologies.loading import overrides
from topologies.loading.load import raw, validated

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs
    from reports.records.run import Run

FAILED = 1
DESCRIPTION = """Judge the observations of a run anew: under TOPOLOGY (a file, or a name of topologies/library), or
under the run's own topology with --with. Nothing is asked again. Exit code 0: every cell is as expected; 1: a cell
failed or is inconclusive; 2: the run or the topology cannot be used."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("judge", help=summary, description=DESCRIPTION)
    parser.add_argument("judged", metavar="RUN", type=Path, help="out/<run>, out/last, or its run.json")
    parser.add_argument("topology", metavar="TOPOLOGY", nargs="?", help="default: the topology that the run declared")
    parser.add_argument(
        "--with",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="load_balancer.listens=true, cni.masquerade=egress ...",
    )
    output.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the run as judged anew; return 0 if all chosen cells pass, else 1."""
    judged = judge(options.judged, options.topology, options.overrides)
    judged = choose_cells(add_contract(add_explanations(judged)), options)
    output.emit(options, _render(judged, options))
    return 0 if all(record.verdict is Result.PASS for record in judged.records) else FAILED


def judge(path: Path, topology: str | None, changes: list[str]) -> Run:
    """Return the run as judged anew; HairpinError if the run or the topology cannot be used."""
    stored = journal.load(path)
    given, source = raw(topology) if topology else (raw_contents(stored), f"the topology of {path}")
    contents: dict[str, Any] = overrides.apply(given, overrides.parse(changes))
    return judge_anew(stored, validated(contents, source), contents)


def choose_cells(judged: Run, options: argparse.Namespace) -> Run:
    """Return the run with the cells that --only selects."""
    chosen = tuple(record for record in judged.records if output.is_chosen(record.cell.id, options))
    if not chosen:
        message = f"--only {options.only!r} leaves none of the {len(judged.records)} cells of the run"
        raise CommandError(message)
    return judged.model_copy(update={"records": chosen})


def _render(judged: Run, options: argparse.Namespace) -> str:
    if output.choose_format(options) == "json":
        return judged.model_dump_json(indent=1) + "\n"
    if output.choose_format(options) == "html":
        from reports.html import run as page  # noqa: PLC0415 - only a page pays for jinja2

        return page.render(judged)
    width, color = output.measure_width(), output.has_color(options)
    blocks = [
        matrix.render(judged.records, width, color=color, declared=judged.topology.declared),
        summary.render(judged, RunVerdict.of(judged), width, color=color),
        "\n".join(describe_contract(judged.contract, width)),
        *(f"note: {note}" for note in judged.notes),
    ]
    return "\n".join(block.rstrip("\n") for block in blocks) + "\n"
