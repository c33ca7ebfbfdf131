"""`hairpin VERB …`: the command line for everything that needs no pytest. Each verb is one module of this package.

A verb's module has `add(verbs)`, which declares its parser and sets `run`: a function of the parsed arguments that
returns the exit code. Only the module of the verb that was asked for is imported, so that a verb pays for itself alone.

Exit codes: 0 done, 1 the verb's own no (see its help), 2 the command or a file it names cannot be used,
130 interrupted, 141 the reader of the output has gone.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERBS: tuple[str, ...] = ("predict", "diff", "claims", "clean", "lab")
FORMER = {"documented": "claims"}  # names that verbs had before
UNUSABLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
CLOSED_PIPE = 141  # 128 + SIGPIPE, likewise


def parser(wanted: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line with these verbs."""
    main_parser = argparse.ArgumentParser(prog="hairpin", description="Who reaches what, and who must.")
    main_parser.add_argument("--version", action="version", version=f"hairpin {VERSION}")
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in wanted:
        import_module(f"hairpin.{name}").add(verbs)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code. No error that a user can mend ends in a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without ✓ or → costs the sign, not the output
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else list(arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; a gate that could not finish has not passed
        _silence()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        _silence()
        sys.stderr.write(f"hairpin: standard output cannot be written: {error.strerror or error}\n")
        return UNUSABLE


def _run(given: list[str]) -> int:
    given = [FORMER.get(word, word) for word in given[:1]] + given[1:]
    known = tuple(given[:1]) if given and given[0] in VERBS else VERBS
    options = parser(known).parse_args(given)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except HairpinError as error:
        sys.stderr.write(f"hairpin {options.verb}: {error}\n")
        return UNUSABLE


def _silence() -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not fail on it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
