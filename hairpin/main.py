"""`hairpin VERB …`: the command line for everything that needs no pytest. Each verb is one module of this package.

A verb's module has `add(verbs, summary)`, which declares its parser and sets `run`: a function of the parsed arguments
that returns the exit code. Only the module of the given verb is imported, and none for `hairpin --help`, so the modules
import what they need at their top.

Exit codes: 0 done, 1 the verb's own negative result (see its help), 2 the command or a file it names cannot be used,
130 interrupted, 141 the reader of the output has closed it.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from topologies.common.closed_output import CLOSED_PIPE, discard_output
from topologies.common.errors import HairpinError
from topologies.common.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERBS = {
    "discover": "write a topology file for a cluster",
    "check": "discover a cluster, run the probes, print the verdict",
    "predict": "what must come back, without any cluster",
    "diff": "which cells change, worst first",
    "qualify": "what a release changes, predicted and observed",
    "rolling": "exchange kube-proxy node by node on a lab, and what breaks meanwhile",
    "explain": "which change of the declaration explains the failed cells",
    "infer": "which values of unknown facts fit a run's observations",
    "judge": "judge a run anew under a mended declaration",
    "conformance": "which promises of the API a data plane keeps, as a report, and what changed between two",
    "claims": "vendors' documented tables as pages",
    "clean": "remove what killed runs left in a cluster",
    "rbac": "the rights that runs need, and a kubeconfig for them",
    "lab": "a small real cluster on this machine: up, down, status, …",
}
FORMER = {"documented": "claims"}  # names that verbs had before
UNUSABLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def make_parser(verb: str = "") -> argparse.ArgumentParser:
    """Return the command line with all verbs, and with the arguments of this one."""
    main_parser = argparse.ArgumentParser(prog="hairpin", description="Who reaches what, and who must.")
    main_parser.add_argument("--version", action="version", version=f"hairpin {VERSION}")
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        if name == verb:
            import_module(f"hairpin.{name}").add(verbs, summary)
        else:
            verbs.add_parser(name, help=summary)
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code. No error that a user can correct ends in a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without ✓ or → costs the sign, not the output
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else list(arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `| head` closed the pipe; a gate that could not finish has not passed
        discard_output()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        discard_output()
        sys.stderr.write(f"hairpin: standard output cannot be written: {error.strerror or error}\n")
        return UNUSABLE


def _run(given: list[str]) -> int:
    given = [FORMER.get(word, word) for word in given[:1]] + given[1:]
    verb = next((word for word in given if not word.startswith("-")), "")
    options = make_parser(verb).parse_args(given)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except HairpinError as error:
        sys.stderr.write(f"hairpin {options.verb}: {error}\n")
        return UNUSABLE
