"""The command of a run, and the one that probes one of its cells again. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.run import Run

KEPT = (
    *("--topology", "--kubeconfig", "--context", "--namespace", "--kubernetes-bin"),
    *("--samples", "--connect-timeout", "--settle-timeout", "--balancer-settle", "--mutate"),
)
KEPT_EACH = ("--with", "--kube-proxy-bin")  # given several times
KEPT_FLAGS = ("--simulate", "--every-node")  # without --every-node the plan lacks some of the cells


def format_command(arguments: Iterable[object]) -> str:
    """Return the command line of a run of pytest, quoted for a shell."""
    return shlex.join(["pytest", *map(str, arguments)])


def repeat_command(run: Run, cell: str) -> str:
    """Return `pytest --topology=NAME -k 'CELL'`, with the options of the run for the cluster and its probes."""
    options = _options(_words(run.command))
    if not any(option.startswith("--topology=") for option in options):
        options.insert(0, f"--topology={run.topology.name}")
    return " ".join(["pytest", *map(shlex.quote, options), "-k", f"'{_test_of(run, cell)}'"])


def _test_of(run: Run, cell: str) -> str:
    """Return what selects a test of this cell: its id, or where kube-proxy does not serve, a row that it breaks."""
    if run.is_of_kube_proxy:
        return cell
    breaks = (row.row for row in run.contract if any(one.cell == cell for one in row.differing))
    return next(breaks, cell)


def _words(command: str) -> list[str]:
    """Return the words of a command line. Older runs joined them without quotes, so quotes may be unbalanced."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _options(words: list[str]) -> list[str]:
    """Return the options to keep as `--name=value`; also where name and value are two words."""
    found: dict[str, str] = {}
    for word, following in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if word in KEPT_FLAGS:
            found[word] = word
        elif name in (*KEPT, *KEPT_EACH) and (equals or following):
            option = f"{name}={value if equals else following}"
            found[option if name in KEPT_EACH else name] = option
    return list(found.values())
