"""`hairpin predict TOPOLOGY`: what must come back for every cell, without any cluster."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from probes.oracle.modes import UnsupportedMode
from probes.plan import plan
from reports.commands import CommandError, output
from topologies import overrides
from topologies.frontends import UnresolvedError, resolve
from topologies.load import TopologyError
from topologies.snapshot import declared

if TYPE_CHECKING:
    import argparse

    from probes.cell import Cell
    from reports.commands import Verbs
    from reports.prediction import Prediction
    from topologies.model import Topology

DESCRIPTION = "What must come back for every cell of a topology, and because of which rules. No cluster is needed."


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("predict", help="what must come back, without any cluster", description=DESCRIPTION)
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
    output.options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict, or tell why; 0."""
    try:
        changes = overrides.parse(options.overrides)
        topology = overrides.declared(options.topology, changes)
        text = _why(topology, options) if options.why else _table(topology, changes, options)
    except (TopologyError, UnresolvedError, UnsupportedMode) as error:
        raise CommandError(str(error)) from error
    output.emit(options, text)
    return 0


def _table(topology: Topology, changes: dict[str, Any], options: argparse.Namespace) -> str:
    from reports.prediction import Prediction  # noqa: PLC0415 - `--help` and a wrong file need none of it

    prediction = Prediction.of(topology, changes)
    cells = tuple(one for one in prediction.cells if output.chosen(one.cell.id, options))
    if not cells:
        message = f"--only {options.only!r} leaves none of the {len(prediction.cells)} cells of {topology.name}"
        raise CommandError(message)
    prediction = prediction.model_copy(update={"cells": cells})
    if output.format_of(options) == "json":
        return prediction.model_dump_json(indent=1) + "\n"
    if output.format_of(options) == "html":
        from reports import pages  # noqa: PLC0415 - only a page pays for jinja2

        return pages.prediction(prediction)
    return _text(prediction, options)


def _text(prediction: Prediction, options: argparse.Namespace) -> str:
    from reports import expected  # noqa: PLC0415 - only text pays for rich

    return expected.render(prediction, output.width(), color=output.colour(options))


def _why(topology: Topology, options: argparse.Namespace) -> str:
    from reports import explain  # noqa: PLC0415 - only text pays for rich

    cell = cell_of(topology, options.why)
    snapshot = declared(topology)
    courses = explain.why(topology, snapshot, cell)
    if output.format_of(options) == "json":
        return explain.written(cell.id, courses)
    if output.format_of(options) == "html":
        message = "--why is text or JSON; in the page of the whole prediction each cell tells its own"
        raise CommandError(message)
    title = f"{cell.id}   {resolve(cell.frontend, topology, snapshot)}"
    return explain.render(title, courses, output.width(), color=output.colour(options))


def cell_of(topology: Topology, name: str) -> Cell:
    """The planned cell of that id, the usual `-v4-tcp` may be left off; CommandError names those that come near."""
    cells = {cell.id: cell for cell in plan(topology).cells}
    found = cells.get(name) or cells.get(f"{name}-v4-tcp")
    if found:
        return found
    left = {left.cell: left.reason for left in plan(topology).omissions}
    if name in left:
        message = f"{name} is left out of the plan: {left[name]}"
        raise CommandError(message)
    words = name.split("*")
    close = get_close_matches(name, cells, n=5, cutoff=0.7) or [
        one for one in cells if all(word in one for word in words)
    ]
    near = (
        "".join(f"\n  {one}" for one in close[:5]) or f"\n  one of its {len(cells)} cells, as `hairpin predict` lists"
    )
    message = f"{topology.name} has no cell {name!r}; near it:{near}"
    raise CommandError(message)
