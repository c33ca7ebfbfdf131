"""`hairpin lab COMMAND`: make a lab, look into it, run programs inside, take it away. Imports topologies.lab."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from topologies.lab.__main__ import main

if TYPE_CHECKING:
    from hairpin.verb import Verbs

NO_OPTIONS = "\0"  # no argument starts with it: all of them, --help too, are parsed by the lab


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb. Its own arguments are parsed by `topologies.lab`."""
    parser = verbs.add_parser("lab", help=summary, add_help=False, prefix_chars=NO_OPTIONS)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the lab's command; it exits with the lab's own codes: 1 failed, 3 not up."""
    main(options.rest, prog="hairpin lab")
    return 0
