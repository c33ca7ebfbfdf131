"""Write the result of a verb: text for this terminal, JSON or one self-contained HTML page. Not a verb."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.verb import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

FORMATS = ("text", "json", "html")
BY_ENDING = {".json": "json", ".html": "html"}
BY_ENDING_IF_KNOWN = {".yaml": "yaml", ".yml": "yaml", ".xml": "junit"}  # few verbs have these
WITHOUT_PAGE = ("text", "json")
WIDEST = 160  # columns; a wider table is not easier to read


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--format`, `--output` and `--only`."""
    add_format(parser, FORMATS)
    parser.add_argument("--only", metavar="WORDS", default="", help="only cells with all of these words in their id")


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Declare `--format` with these formats, and `--output`."""
    parser.add_argument("--format", choices=formats, help="default: by the ending of --output, else text")
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="write there instead of to the terminal")
    parser.set_defaults(formats=formats)


def choose_format(given: argparse.Namespace) -> str:
    """Return the format given, or the one that the ending of --output means; CommandError if the verb has none such."""
    endings = BY_ENDING | {end: form for end, form in BY_ENDING_IF_KNOWN.items() if form in given.formats}
    chosen = str(given.format or endings.get(given.output.suffix if given.output else "", "text"))
    if chosen not in given.formats:
        wanted = " or ".join(given.formats)
        if given.format:
            message = f"--format: got {given.format}, want {wanted}"
        else:
            message = f"--output: got {given.output}, want a file for {wanted}. Give --format too"
        raise CommandError(message)
    return chosen


def is_chosen(cell: str, given: argparse.Namespace) -> bool:
    """Return whether --only selects this cell id."""
    return all(word in cell for word in given.only.split())


def measure_width() -> int:
    """Return the number of columns for text."""
    return min(WIDEST, shutil.get_terminal_size((120, 24)).columns)


def has_color(given: argparse.Namespace) -> bool:
    """Return whether text may have colors: only in a terminal, and not if NO_COLOR is set."""
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
