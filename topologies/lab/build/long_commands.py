"""Run long commands (apt, make, an import into containerd): output to a log, progress printed, killed when we end.

Short commands are run with topologies.common.subprocesses.run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, start, tail, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
OWN_PIDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a long command reports to."""

    progress: Callable[[str], None]
    """Gets `what ... 20 s`."""
    what: str
    log: Path
    """Gets its whole output."""
    every: float = 10.0
    """Seconds between two reports."""


def run_long(
    argv: Sequence[str], progress: Progress, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a command to its end, its output appended to the log.

    For root, the command and everything it starts live in a pid namespace of their own, so that a `kill -9` of this
    process leaves no compiler behind.

    Args:
        argv: The command.
        progress: Where it reports to.
        cwd: Its working directory; None: ours.
        env: What is added to its `environment`.

    Raises:
        ProcessError: Its exit code was not 0. The message has the log's last lines.

    """
    command = [*(DIES_WITH_US if os.geteuid() else (*DIES_WITH_US, *OWN_PIDS)), *argv]
    began = monotonic()
    child = start(command, progress.log, env=environment(env), cwd=cwd)
    try:
        while (status := wait(child, progress.every)) is None:
            progress.progress(f"{progress.what} ... {monotonic() - began:.0f} s")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if status:
        message = f"`{' '.join(argv)}` ended with status {status}\n{tail(progress.log)}\n(whole output: {progress.log})"
        raise ProcessError(message)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a small environment of known content: the user's GOFLAGS or APT_CONFIG must not change a build.

    Proxies are kept; `more` is added.
    """
    kept = {name: value for name, value in os.environ.items() if name == "HOME" or name.lower().endswith("_proxy")}
    return {
        "PATH": PATH,
        "LC_ALL": "C",
        **kept,
        **(more or {}),
    }
