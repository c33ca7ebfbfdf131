"""`hairpin predict TOPOLOGY`: print the expected result of every cell, without any cluster."""

from __future__ import annotations

import re
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hairpin import output
from hairpin.verb import CommandError
from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.unknown_facts import TooManyChoicesError
from probes.plan.plan import plan
from reports.records.prediction import Prediction
from reports.records.run import FILE
from reports.terminal import explanation
from reports.terminal import prediction as terminal
from topologies.cluster_state.snapshot import declared
from topologies.frontends import UnresolvedError, resolve
from topologies.loading import overrides
from topologies.loading.load import TopologyError
from topologies.schema.complaints import show, squash

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

USUAL = "-v4-tcp"
LONG = 400  # characters of an id; none is longer
MANY = 5_000  # ids that are compared letter by letter
DESCRIPTION = "The expected result of every cell of a topology, and the rules behind it. No cluster is needed."


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("predict", help=summary, description=DESCRIPTION)
    parser.add_argument("topology", metavar="TOPOLOGY", help="a topology file, or a name of topologies/library")
    parser.add_argument(
        "--with",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="mode=ipvs, cni.kind=eni ...",
    )
    parser.add_argument("--why", metavar="CELL", help="one cell, step by step, each step with its rule and its source")
    output.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the prediction, or the explanation of one cell; return 0."""
    _refuse_runs(options.topology)
    try:
        changes = overrides.parse(options.overrides)
        topology = overrides.declared(options.topology, changes)
        text = _why(topology, options) if options.why else _table(topology, changes, options)
    except (TopologyError, UnresolvedError, UnsupportedMode, TooManyChoicesError) as error:
        raise CommandError(str(error)) from error
    output.emit(options, text)
    return 0


def _refuse_runs(name: str) -> None:
    """Raise CommandError if the name is that of a run, which `diff` reads."""
    path = Path(name)
    with suppress(OSError, ValueError):  # no name of a file: the topology's own error reports it
        if path.suffix == ".json" or (path / FILE).exists():
            message = f"{name[:100]}: got a run, want a topology (a file, or a name of the library); diff reads runs"
            raise CommandError(message)


def _table(topology: Topology, changes: dict[str, Any], options: argparse.Namespace) -> str:
    prediction = Prediction.of(topology, changes)
    cells = tuple(one for one in prediction.cells if output.is_chosen(one.cell.id, options))
    if not cells:
        message = f"--only {options.only!r} leaves none of the {len(prediction.cells)} cells of {topology.name}"
        raise CommandError(message)
    prediction = prediction.model_copy(update={"cells": cells})
    if output.choose_format(options) == "json":
        return prediction.model_dump_json(indent=1) + "\n"
    if output.choose_format(options) == "html":
        from reports.html import prediction as prediction_page  # noqa: PLC0415 - only a page pays for jinja2

        return prediction_page.render(prediction)
    return _text(prediction, options)


def _text(prediction: Prediction, options: argparse.Namespace) -> str:
    return terminal.render(prediction, output.measure_width(), color=output.has_color(options))


def _why(topology: Topology, options: argparse.Namespace) -> str:
    cell = cell_of(topology, options.why)
    snapshot = declared(topology)
    courses = explanation.explain(topology, snapshot, cell)
    if output.choose_format(options) == "json":
        return explanation.to_json(cell.id, courses)
    if output.choose_format(options) == "html":
        message = "--why is text or JSON; the page of the whole prediction has the explanation of each cell"
        raise CommandError(message)
    title = f"{cell.id}   {resolve(cell.frontend, topology, snapshot)}"
    return explanation.render(title, courses, output.measure_width(), color=output.has_color(options))


def cell_of(topology: Topology, name: str) -> Cell:
    """Return the planned cell of that id, with or without `-v4-tcp`; CommandError names similar ids."""
    planned = plan(topology)
    cells = {cell.id: cell for cell in planned.cells}
    left = {left.cell: left.reason for left in planned.omissions}
    for spelt in (name, f"{name}{USUAL}"):
        if spelt in cells:
            return cells[spelt]
        if spelt in left:
            message = f"{spelt} is left out of the plan: {left[spelt]}"
            raise CommandError(message)
    near = "".join(f"\n  {one}" for one in _near(name, [*cells, *left]))
    hint = f"; near it:{near}" if near else f". Its {len(cells)} cells are in `hairpin predict --format=json`"
    message = f"--why: got {show(name)}, want a cell of {topology.name}{hint}"
    raise CommandError(message)


def _near(name: str, ids: list[str]) -> list[str]:
    """Return cell ids that may have been meant: equal except for case and hyphens, with these words, or similar."""
    same = [one for one in ids if squash(one) in {squash(name), squash(name + USUAL)}]
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word not in {"", "to"}]
    holding = [one for one in ids if words and all(word in one for word in words)]
    return (same or get_close_matches(name[:LONG], ids[:MANY], n=5, cutoff=0.7) or holding)[:5]
