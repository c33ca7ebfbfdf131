"""`hairpin infer RUN`: list the values of facts that are consistent with all that a run observed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import output
from hairpin.verb import CommandError
from probes.diagnosis.change import format_value
from reports.analysis.explanations import infer_facts, plain
from reports.records import journal
from reports.terminal.diagnosis import render_inferences
from topologies.loading import load, yaml_file
from topologies.loading.edit import NewValue, set_values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from hairpin.verb import Verbs
    from probes.diagnosis.inference import Inference

DESCRIPTION = """Which values of the facts that the topology leaves unknown are consistent with all observations of a
run; without unknown facts, or with --all, of every fact of the cluster. Each fact is tried alone. Exit code 0: done; 2:
the run or the file cannot be used."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("infer", help=summary, description=DESCRIPTION)
    parser.add_argument("inferred", metavar="RUN", type=Path, help="out/<run>, out/last, or its run.json")
    parser.add_argument("--all", action="store_true", help="every fact, also those that are declared")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="set each value that alone fits in this topology file"
    )
    output.add_format(parser, output.WITHOUT_PAGE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what each fact may be; with --write, set it in the file; return 0."""
    form, stored = output.choose_format(options), journal.load(options.inferred)
    found = infer_facts(stored, everything=options.all) or infer_facts(stored, everything=True)
    output.emit(options, _render(found, form))
    if options.write:
        _write(options.write, found, f"{stored.topology.name} {stored.started:%Y-%m-%dT%H:%M:%SZ}")
    return 0


def _render(found: Iterable[Inference], form: str) -> str:
    if form == "json":
        return json.dumps([_data(one) for one in found], indent=1) + "\n"
    return render_inferences(found)


def _data(one: Inference) -> dict[str, object]:
    return {
        "path": one.path,
        "declared": plain(one.declared),
        "candidates": [plain(value) for value in one.candidates],
        "fitting": [plain(value) for value in one.fitting],
        "distinguishable": one.is_read and len(one.fitting) < len(one.candidates),
        "text": one.text,
    }


def _write(path: Path, found: Iterable[Inference], run_name: str) -> None:
    """Set each inferred value in the file, and check that the file still declares a topology."""
    news = [one for one in found if one.is_news]
    values = [NewValue(one.path, format_value(one.only), f"inferred from run {run_name}") for one in news]
    try:
        changed = set_values(yaml_file.read(path, path.name), path.name, values)
        load.parse(changed, path.name)
        path.write_text(changed, encoding="utf-8")
    except OSError as error:
        message = f"--write: {path}: got {error.strerror or error}, want a topology file that can be written"
        raise CommandError(message) from error
    for one in news:
        sys.stderr.write(f"{path}: {one.path}: {format_value(one.only)}\n")
