"""`hairpin claims OUT`: write vendors' documented tables as pages, with predictions and observations of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.verb import CommandError
from probes.vendor_claims.load import DocumentedError
from reports.html import claims
from reports.records import journal

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs

DESCRIPTION = """The tables that vendors publish, one page each. Every cell has the vendor's claim, the prediction for
the cluster it needs, and the observations of runs. Needs no cluster and no run. Exit code 0: written; 2: a page or a
run could not be read or written."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("claims", help=summary, description=DESCRIPTION)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder for the pages")
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        type=Path,
        metavar="RUN",
        help="a run whose observations are shown too: out/<run>, out/last or its run.json; may be given again",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the pages; return 0."""
    try:
        written = claims.write(options.out, [journal.load(path) for path in options.runs])
    except (OSError, DocumentedError) as error:
        raise CommandError(str(error)) from error
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0
