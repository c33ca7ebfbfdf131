"""`hairpin VERB …`: one command line for what needs no pytest. Each verb is one file of reports/commands.

A verb's module has `add(verbs)`, which declares its parser and sets `run`: a function of the parsed arguments that
returns the exit code. Only the module of the verb that was asked for is imported, so that a verb pays for itself alone.

Exit codes: 0 done, 1 the verb's own no (told by its help), 2 the command or a file it names cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from reports.commands import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERBS: tuple[str, ...] = ("predict", "diff", "documented", "clean")
UNUSABLE = 2


def parser(wanted: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line with these verbs."""
    main_parser = argparse.ArgumentParser(prog="hairpin", description="Who reaches what, and who must.")
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in wanted:
        import_module(f"reports.commands.{name}").add(verbs)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code. An error the user can mend is told in words, not in a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    known = tuple(given[:1]) if given and given[0] in VERBS else VERBS
    options = parser(known).parse_args(given)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except CommandError as error:
        sys.stderr.write(f"hairpin {options.verb}: {error}\n")
        return UNUSABLE
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
