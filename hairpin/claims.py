"""`hairpin claims OUT`: vendors' documented tables as pages, with the rules' predictions and what runs showed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.verb import CommandError

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs

DESCRIPTION = """The tables that vendors publish, one page each, every cell with the vendor's claim, what the rules say
of the cluster it needs, and what runs showed of it. Needs no cluster and no run. Exit code 0: written; 2: a page or a
run could not be read or written."""


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("claims", help="vendors' documented tables as pages", description=DESCRIPTION)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder for the pages")
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        type=Path,
        metavar="RUN",
        help="a run whose observations are told too: out/<run>, out/last or its run.json; may be given again",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the pages; 0."""
    from probes.vendor_claims.load import DocumentedError  # noqa: PLC0415 - `--help` needs none of it
    from reports.html import claims  # noqa: PLC0415 - likewise
    from reports.records import journal  # noqa: PLC0415 - likewise

    try:
        written = claims.write(options.out, [journal.load(path) for path in options.runs])
    except (OSError, DocumentedError) as error:
        raise CommandError(str(error)) from error
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0
