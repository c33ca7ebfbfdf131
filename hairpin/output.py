"""How a verb tells its result: text for this terminal, JSON or one self-contained HTML page; no verb itself."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.verb import CommandError

if TYPE_CHECKING:
    import argparse

FORMATS = ("text", "json", "html")
WIDEST = 160  # a table over a whole wide screen is not easier to read


def options(parser: argparse.ArgumentParser) -> None:
    """`--format`, `--output` and `--only`."""
    parser.add_argument("--format", choices=FORMATS, help="default: by the ending of --output, else text")
    parser.add_argument("--only", metavar="WORDS", default="", help="only cells with all of these words in their id")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="write there instead of to the terminal")


def format_of(given: argparse.Namespace) -> str:
    """The format asked for, or the one the output's ending means."""
    by_ending = {".json": "json", ".html": "html"}.get(given.output.suffix if given.output else "", "text")
    return str(given.format or by_ending)


def chosen(cell: str, given: argparse.Namespace) -> bool:
    """Whether --only leaves this cell id in."""
    return all(word in cell for word in given.only.split())


def width() -> int:
    """The columns there are for text."""
    return min(WIDEST, shutil.get_terminal_size((120, 24)).columns)


def colour(given: argparse.Namespace) -> bool:
    """Whether text may have colours: only in a terminal, and not if NO_COLOR is set."""
    return given.output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ


def emit(given: argparse.Namespace, text: str) -> None:
    """Write the result; CommandError if its file cannot be written."""
    if given.output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        given.output.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{given.output} cannot be written: {error.strerror or error}"
        raise CommandError(message) from error
