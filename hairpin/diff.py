"""`hairpin diff BEFORE [AFTER]`: list the cells that change between two topologies, two runs, or one of each."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import output
from hairpin.verb import CommandError, near_matches, parse_gate
from probes.judging.verdict import Result
from probes.oracle.modes.chains import UnsupportedMode
from reports.analysis.change_classes import OF_VERDICTS, Kind
from reports.analysis.diff import OBSERVED, compare
from reports.analysis.diff_side import Side
from reports.records import journal
from reports.records.prediction import Prediction
from reports.records.run import FILE
from reports.terminal import diff as terminal
from topologies.loading import overrides
from topologies.loading.load import TopologyError, names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from hairpin.verb import Verbs
    from reports.analysis.diff import Comparison

SHUT = 1
NOT_COMPARED = "not-compared"
GATES = (*(kind.value for kind in Kind), NOT_COMPARED)
DESCRIPTION = """Which cells change from BEFORE to AFTER. Each is a topology (predicted: a file, or a name of
topologies/library) or a run (observed: out/<run>, out/last, or its run.json). Without AFTER, BEFORE is compared with
itself under --with. Exit code 0: compared; 1: a change of a --fail-on kind; 2: something could not be read."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("diff", help=summary, description=DESCRIPTION)
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER", nargs="?")
    for flag, side in (("--with", "after"), ("--with-before", "before")):
        parser.add_argument(
            flag,
            dest=f"{side}_overrides",
            action="append",
            default=[],
            metavar="PATH=VALUE",
            help=f"override a key of the topology {side.upper()}: kubernetes=1.24, mode=ipvs ...",
        )
    parser.add_argument("--fail-on", metavar="KIND,...", default="", help=f"exit 1 on any of: {', '.join(GATES)}")
    parser.add_argument(
        "--all", action="store_true", help="every cell, and those whose result is the same by other rules"
    )
    output.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparison; return 0, or 1 if there is a change of a --fail-on kind."""
    gate = parse_gate(options.fail_on, GATES)
    if options.after is None and not options.after_overrides:
        message = "nothing to compare with: name AFTER, or give what changes by --with PATH=VALUE"
        raise CommandError(message)
    before = side(options.before, options.before_overrides)
    after = side(options.after or options.before, options.after_overrides)
    _only_runs_have_verdicts(gate, before, after)
    comparison = compare(before, after, lambda cell: output.is_chosen(cell, options))
    if not comparison.compared:
        raise _nothing(comparison)
    output.emit(options, _render(comparison, options))
    hit = _hit(comparison, gate)
    if hit:
        sys.stderr.write(f"hairpin diff: --fail-on: {', '.join(hit)}\n")
    return SHUT if hit else 0


def _nothing(comparison: Comparison) -> CommandError:
    reasons = Counter(one.reason for one in comparison.not_compared).most_common(3)
    lines = "".join(f"\n  {count} x {reason}" for reason, count in reasons)
    return CommandError(f"no cell could be compared, so no change could be found{lines}")


def _only_runs_have_verdicts(gate: frozenset[str], before: Side, after: Side) -> None:
    """Refuse a gate that could never shut: only a comparison of two runs has verdicts."""
    wanted = sorted(gate & {kind.value for kind in OF_VERDICTS})
    if wanted and not before.kind == after.kind == OBSERVED:
        kinds = " and ".join(f"{one.name} ({one.kind})" for one in (before, after))
        message = f"--fail-on: got {', '.join(wanted)}, which compares the verdicts of two runs; compared are {kinds}"
        raise CommandError(message)


def _hit(comparison: Comparison, gate: frozenset[str]) -> list[str]:
    """Return the count of each --fail-on kind that occurs: `3 lost-source`.

    Between runs a changed answer counts besides the changed verdict, and a cell that one run could not test counts as
    not compared.
    """
    counts = dict.fromkeys(GATES, 0)
    for change in (change for group in comparison.groups for change in group.changes):
        for kind in {change.kind, change.answer} - {None}:
            counts[str(kind)] += 1
        counts[NOT_COMPARED] += Result.INCONCLUSIVE in {change.before_verdict, change.after_verdict}
    counts[NOT_COMPARED] += len(comparison.not_compared)
    return [f"{count} {kind}" for kind, count in counts.items() if kind in gate and count]


def side(name: str, changes: Sequence[str]) -> Side:
    """Return a topology's prediction or a run's observations; CommandError if the name is neither."""
    path = Path(name)
    try:
        if name not in names() and (path.is_dir() or path.suffix == ".json"):
            return _run(name, path, changes)
        if name not in names() and not path.exists():
            raise _neither(name)
        given = overrides.parse(changes)
        topology = overrides.declared(name, given)
        title = f"{name} with {', '.join(changes)}" if changes else name
        return Side.predicted(title, Prediction.of(topology, given))
    except (OSError, TopologyError, UnsupportedMode) as error:
        raise CommandError(str(error)) from error


def _neither(name: str) -> CommandError:
    """Return the error for a name that is no topology and no run, with similar names."""
    folder = Path(name).parent
    runs = [str(folder / one.name) for one in folder.iterdir() if (one / FILE).exists()] if folder.is_dir() else []
    near = near_matches(name, [*names(), *runs])
    meant = f"; did you mean {' or '.join(near)}?" if near else f"; the library has {', '.join(names())}"
    return CommandError(
        f"{name}: no such file or folder, want a topology (a file, a name of the library) or a run{meant}"
    )


def _run(name: str, path: Path, changes: Sequence[str]) -> Side:
    if changes:
        message = (
            f"{name} is a run, which is what was observed: only a topology can be overridden ({', '.join(changes)})"
        )
        raise CommandError(message)
    if path.is_dir() and not (path / FILE).exists():
        message = f"{name} holds no {FILE}: got {sorted(one.name for one in path.iterdir())[:8]}, want a run's folder"
        raise CommandError(message)
    return Side.observed(name, journal.load(path))


def _render(comparison: Comparison, options: argparse.Namespace) -> str:
    if output.choose_format(options) == "json":
        return comparison.model_dump_json(indent=1) + "\n"
    if output.choose_format(options) == "html":
        from reports.html import diff as diff_page  # noqa: PLC0415 - jinja2 takes 0.1 s to import, text does without

        return diff_page.render(comparison)
    return terminal.render(comparison, output.measure_width(), color=output.has_color(options), everything=options.all)
