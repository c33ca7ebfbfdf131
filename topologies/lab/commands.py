"""Long commands of the machine (apt, make, containerd), run so that they end with us and say what failed.

`run` is the door of `debian.py`, `build.py` and `images.py` to subprocesses: output goes to a log, progress is told
with the seconds gone by, and a failure carries the log's last lines.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
OWN_PIDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
ENOUGH = 12


class CommandError(Exception):
    """A command ended with another status than 0; the message holds the command, its status and its last lines."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a long command is told: `say` gets `what ... 20 s` every `every` seconds, `log` keeps its whole output."""

    say: Callable[[str], None]
    what: str
    log: Path
    every: float = 10.0


def run(argv: Sequence[str], shown: Shown, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run to the end, output appended to the log; CommandError if it fails.

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
        message = f"`{' '.join(argv)}` ended with status {status}\n{last_lines(shown.log)}\n(whole output: {shown.log})"
        raise CommandError(message)


def output(argv: Sequence[str], *, cwd: Path | None = None) -> str:
    """What a short command prints; CommandError with its stderr if it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - as above
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, env=environment(), check=False
        )
    except OSError as error:
        message = f"`{' '.join(argv)}` cannot be run: {error}"
        raise CommandError(message) from error
    if done.returncode:
        message = f"`{' '.join(argv)}` ended with status {done.returncode}\n{done.stderr.strip()}"
        raise CommandError(message)
    return done.stdout


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small, known environment: the user's GOFLAGS or APT_CONFIG must not change what is built. Proxies are kept."""
    kept = {name: value for name, value in os.environ.items() if name == "HOME" or name.lower().endswith("_proxy")}
    return {
        "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C",
        **kept,
        **(more or {}),
    }


def last_lines(log: Path, count: int = ENOUGH) -> str:
    """The last lines of a log, indented, for an error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join(f"  {line}" for line in lines)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
