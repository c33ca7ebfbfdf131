"""`hairpin qualify FROM [TO]`: what a release changes, predicted and observed, and whether each change is meant."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hairpin import output
from hairpin.qualification.sides import resolve_sides
from hairpin.verb import CommandError, parse_gate
from probes.oracle.modes.chains import UnsupportedMode
from reports.analysis.change_classes import OF_VERDICTS, Kind
from reports.analysis.diff_side import Side
from reports.analysis.release.build import ReleaseSide, qualify
from reports.analysis.release.change_class import ChangeClass
from reports.analysis.release.story import PhaseTime, Qualification, ReleaseVerdict
from reports.records.prediction import Prediction
from reports.records.rejudge import own_topology
from reports.terminal import qualification as terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hairpin.qualification.lab_runs import LabRun
    from hairpin.qualification.sides import ResolvedSide, Sides
    from hairpin.verb import Verbs
    from reports.records.run import Run

    Observed = dict[str, tuple[Run | None, str, str]]
    """The run of each side, its folder, and why it is missing or not complete."""

LABELS = ("from", "to")
SHUT, UNTESTED = 1, 6
ONE_SIDED = "one-sided"
KEYWORDS = frozenset({"and", "or", "not"})  # of pytest -k; such a word of --only selects after the run
CLASSES = (ChangeClass.SEEN_NOT_MEANT, ChangeClass.MEANT_NOT_SEEN, ChangeClass.NOT_TESTED)
GATES = (
    *(kind.value for kind in Kind if kind not in OF_VERDICTS and kind is not Kind.CHANGED_BECAUSE),
    *(one.value for one in CLASSES),
    ONE_SIDED,
)
DESCRIPTION = """\
What changes from FROM to TO, predicted and observed, and whether each change is meant.

Each side is VERSION/MODE, VERSION or MODE of the base topology, a topology (a file, a name of topologies/library), or a
run (out/<run>, out/last), with overrides after commas. Both sides are predicted. A side whose topology is a lab is
observed: its lab is brought up, probed and removed. A run was observed already.

  hairpin qualify 1.33.6/iptables 1.34.4/nftables            two labs of lab-flannel
  hairpin qualify iptables nftables --topology=lab-routed    the same version in two modes
  hairpin qualify 1.34.4 1.34.4,proxy.masquerade_all=true    one flag
  hairpin qualify ipvs nftables --topology=mine.yaml         a cluster that is no lab: predicted only
  hairpin qualify out/last --with kubernetes=1.36.3          before the upgrade of the cluster of a run
  hairpin qualify out/before out/last                        after it
"""
EPILOG = """\
Exit code 0: qualified, or predicted without a --fail-on kind; 1: not qualified, or cells could not be tested;
2: something cannot be used; 6: a side could not be tested at all; 130: interrupted."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "qualify",
        help=summary,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="FROM")
    parser.add_argument("after", metavar="TO", nargs="?", help="default: FROM with the overrides of --with-to")
    parser.add_argument("--topology", metavar="NAME_OR_FILE", default="", help="base of sides without a topology")
    _add_overrides(parser)
    parser.add_argument("--fail-on", metavar="KIND,...", default="", help=f"exit 1 on any of: {', '.join(GATES)}")
    parser.add_argument("--predict-only", action="store_true", help="bring up no lab")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where runs are written")
    parser.add_argument(
        "--pytest",
        action="append",
        default=[],
        metavar="ARGUMENT",
        help="an argument of the runs: --pytest=--samples=40",
    )
    parser.add_argument("--all", action="store_true", help="every change of answer, and every cell")
    output.add_options(parser)
    parser.set_defaults(run=run)


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    for side, flags in (("from", ["--with-from"]), ("to", ["--with-to", "--with"])):
        parser.add_argument(
            *flags,
            dest=f"{side}_changes",
            action="append",
            default=[],
            metavar="PATH=VALUE",
            help=f"override a key of the topology of {side.upper()}",
        )
        parser.add_argument(
            f"--kubernetes-bin-{side}",
            type=Path,
            metavar="DIR",
            help=f"Kubernetes programs for the lab of {side.upper()} (default: the cache)",
        )


def run(options: argparse.Namespace) -> int:
    """Print what the release changes; return the exit code."""
    gate, clock = parse_gate(options.fail_on, GATES), Clock()
    output.choose_format(options)
    sides = _resolve(options)
    predicted = [_predict(side) for side in sides]
    _refuse_empty(predicted, options)
    clock.lap("predict")
    runs = _plan_runs(sides, options)
    observed = _observe(runs)
    clock.add(runs, observed)
    before, after = (
        _collect(label, side, known, observed) for label, side, known in zip(LABELS, sides, predicted, strict=True)
    )
    story = qualify(before, after, lambda cell: output.is_chosen(cell, options), gate)
    clock.lap("compare")
    story = story.model_copy(update={"phases": tuple(clock.phases)})
    output.emit(options, _render(story, options))
    return _exit_code(story, runs)


@dataclass(slots=True)
class Clock:
    """The wall time of each phase."""

    phases: list[PhaseTime] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def lap(self, phase: str) -> None:
        """Add a phase that ends now."""
        now = time.monotonic()
        self.phases.append(PhaseTime(phase=phase, seconds=now - self.began))
        self.began = now

    def add(self, runs: Sequence[LabRun], observed: Observed) -> None:
        """Add the runs of labs. The next phase begins now."""
        for one in runs:
            run, *_ = observed[one.label]
            timings = run.timings.model_dump(exclude_none=True) if run else {}
            self.phases.append(PhaseTime(phase=one.label, seconds=one.seconds, parts=timings))
        self.began = time.monotonic()


def _resolve(options: argparse.Namespace) -> Sides:
    """Return both sides; CommandError if one cannot be read. The version follows a directory of programs."""
    before, after = (
        [*_follow(directory), *changes]
        for directory, changes in (
            (options.kubernetes_bin_from, options.from_changes),
            (options.kubernetes_bin_to, options.to_changes),
        )
    )
    return resolve_sides(options.before, options.after, topology=options.topology, changes=(before, after))


def _follow(directory: Path | None) -> list[str]:
    if directory is None:
        return []
    from topologies.lab.build import binaries  # noqa: PLC0415 - only a lab pays for the lab

    return [f"{path}={value}" for path, value in binaries.follow(directory, {}).items()]


def _predict(side: ResolvedSide) -> Side:
    """Return the prediction of a side: with the state of its cluster, if a run of that has it."""
    known = side.run or side.base
    same = known is not None and _shape(known.topology.declared) == _shape(side.topology.model_dump(mode="json"))
    try:
        prediction = Prediction.of(side.topology, snapshot=known.snapshot if known and same else None)
    except UnsupportedMode as error:
        message = f"{side.name}: {error}"
        raise CommandError(message) from error
    return Side.predicted(side.name, prediction)


def _predict_followed(side: ResolvedSide, predicted: Side, run: Run | None) -> Side:
    """Return the prediction for the versions that the run followed: those of the programs in a given directory."""
    if run is None or (own := own_topology(run)).proxy == side.topology.proxy:
        return predicted
    return _predict(replace(side, topology=own.model_copy(update={"name": side.topology.name})))


def _shape(declared: dict[str, Any]) -> list[object]:
    """Return what the state of a cluster depends on: its workload and the names of its nodes."""
    return [declared.get("workload"), [node.get("name") for node in declared.get("nodes", [])]]


def _refuse_empty(predicted: Sequence[Side], options: argparse.Namespace) -> None:
    if not any(output.is_chosen(name, options) for side in predicted for name in side.judged):
        message = f"--only: got {options.only!r}, want words of a cell that is planned. Give fewer words"
        raise CommandError(message)


def _plan_runs(sides: Sides, options: argparse.Namespace) -> list[LabRun]:
    """Return the runs of the sides that a lab observes, after checking that their labs can be made."""
    live = [
        (label, side, getattr(options, f"kubernetes_bin_{label}"))
        for label, side in zip(LABELS, sides, strict=True)
        if side.run is None and side.topology.lab is not None and not options.predict_only
    ]
    if not live:
        return []
    from hairpin.qualification import lab_runs  # noqa: PLC0415 - only a lab pays for the lab

    folder = options.out.absolute() / f"qualify-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    words = [word for word in options.only.split() if word not in KEYWORDS]
    arguments = (*(["-k", " and ".join(words)] if words else []), *options.pytest)
    runs = [
        lab_runs.LabRun(label, side.contents, folder / label, directory and directory.absolute(), arguments)
        for label, side, directory in live
    ]
    lab_runs.check(runs)
    return runs


def _observe(runs: list[LabRun]) -> Observed:
    """Run the labs; print on standard error what runs, and the command that removes the labs if we are killed."""
    if not runs:
        return {}
    from hairpin.qualification import lab_runs  # noqa: PLC0415 - only a lab pays for the lab

    at_once, sentence = lab_runs.are_side_by_side(runs)
    _print(sentence)
    if not runs[0].is_simulated:
        commands = "; ".join(f"hairpin lab down {one.name}" for one in runs)
        _print(f"if this command is killed, remove its labs: {commands}")
    _print(f"runs are written to {runs[0].folder.parent}")
    found: Observed = {}
    for one in lab_runs.observe(runs, at_once=at_once):
        found[one.label] = run, _, trouble = one.read()
        counted = f"{len(run.records)} cells judged" if run else "no cell judged"
        _print(f"{one.label}: {counted} in {one.seconds:.1f} s{f'; {trouble}' if trouble else ''}")
    return found


def _print(line: str) -> None:
    sys.stderr.write(f"hairpin qualify: {line}\n")
    sys.stderr.flush()


def _collect(label: str, side: ResolvedSide, predicted: Side, observed: Observed) -> ReleaseSide:
    """Return what is known of a side."""
    if side.run:
        return ReleaseSide(side.name, predicted, side.run, str(side.folder))
    if label in observed:
        run, folder, trouble = observed[label]
        predicted = _predict_followed(side, predicted, run)
        return ReleaseSide(side.name, predicted, run, _shorten(folder), trouble, is_due=bool(trouble))
    note = "--predict-only" if side.topology.lab else f"topology {side.topology.name} is no lab"
    return ReleaseSide(side.name, predicted, note=note)


def _shorten(folder: str) -> str:
    """Return a folder as the user can give it again: relative to the working directory, if it is below that."""
    here = Path.cwd()
    return str(Path(folder).relative_to(here)) if Path(folder).is_relative_to(here) else folder


def _exit_code(story: Qualification, runs: Sequence[LabRun]) -> int:
    """Return the exit code: that of a run if a side could not be tested at all."""
    if story.verdict is ReleaseVerdict.INCONCLUSIVE:
        return UNTESTED if any(one.code not in {0, 1} for one in runs) else SHUT
    return SHUT if story.verdict is ReleaseVerdict.NOT_QUALIFIED else 0


def _render(story: Qualification, options: argparse.Namespace) -> str:
    if output.choose_format(options) == "json":
        return story.model_dump_json(indent=1) + "\n"
    if output.choose_format(options) == "html":
        from reports.html import qualification as page  # noqa: PLC0415 - only a page pays for jinja2

        return page.render(story)
    return terminal.render(story, output.measure_width(), color=output.has_color(options), everything=options.all)
