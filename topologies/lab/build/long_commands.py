"""Long commands (apt, make, an import into containerd): output to a log, progress told, ended when we end.

Errors: processes.ProcessError with the log's last lines. Short commands are `processes.run`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
OWN_PIDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Shown:
    """How a long command is told: `say` gets `what ... 20 s` every `every` seconds, `log` keeps its whole output."""

    say: Callable[[str], None]
    what: str
    log: Path
    every: float = 10.0


def run(argv: Sequence[str], shown: Shown, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run to the end, output appended to the log; ProcessError if it fails.

    The command and everything it starts live in a pid namespace of their own (for root), so that a `kill -9` of this
    process leaves no compiler behind.
    """
    command = [*(DIES_WITH_US if os.geteuid() else (*DIES_WITH_US, *OWN_PIDS)), *argv]
    began = monotonic()
    with shown.log.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - a list, no shell, names written in this package
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, env=environment(env)
        )
        try:
            while (status := _wait(child, shown.every)) is None:
                shown.say(f"{shown.what} ... {monotonic() - began:.0f} s")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if status:
        message = f"`{' '.join(argv)}` ended with status {status}\n{tail(shown.log)}\n(whole output: {shown.log})"
        raise ProcessError(message)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small, known environment: the user's GOFLAGS or APT_CONFIG must not change what is built. Proxies are kept."""
    kept = {name: value for name, value in os.environ.items() if name == "HOME" or name.lower().endswith("_proxy")}
    return {
        "PATH": PATH,
        "LC_ALL": "C",
        **kept,
        **(more or {}),
    }


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
