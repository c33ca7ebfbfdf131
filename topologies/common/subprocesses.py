"""Starting, finding and ending processes; the lab's one door to subprocesses (besides long builds: `commands.py`).

A process is known by its pid *and* the time it started (`/proc/PID/stat`): a pid that was used again is never touched.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROC = Path("/proc")
FATAL = re.compile(r"F\d{4} \d\d:\d\d:")
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


class ProcessError(HairpinError):
    """A command ended with another status than 0, or what was waited for did not come; says which."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine, told from a later one with the same pid by its start time in clock ticks."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this pid now; None if there is none, or only a zombie."""
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return Process.of(self.pid) == self

    def kill(self) -> None:
        """SIGKILL, if it is still the same process."""
        if self.alive:
            kill_pid(self.pid)


def kill_pid(pid: int) -> None:
    """SIGKILL a pid which may be gone by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def children(pid: int) -> tuple[int, ...]:
    """The direct children of a process, as this /proc numbers them."""
    try:
        return tuple(int(child) for child in (PROC / str(pid) / "task" / str(pid) / "children").read_text().split())
    except OSError:
        return ()


def run(argv: Sequence[str], *, given: str = "", timeout: float = 60) -> str:
    """Run to the end and return what it printed; ProcessError with its error output otherwise."""
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603 - a list, no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"`{' '.join(argv)}`: {error}"
        raise ProcessError(message) from error
    if done.returncode:
        message = f"`{' '.join(argv)}` ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}"
        raise ProcessError(message)
    return done.stdout


def call(argv: Sequence[str]) -> int:
    """Run in the foreground with our own input and output; its exit status."""
    return subprocess.run(argv, check=False).returncode  # noqa: S603 - a list, no shell


def entering(cgroups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """The command that becomes `argv` in these cgroups."""
    return ["/bin/sh", "-c", ENTER, "sh", *map(str, cgroups), "--", *argv]


def spawn(  # noqa: PLR0913 - all but two with a default that does
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cgroups: Sequence[Path] = (),
    stdin: int = subprocess.DEVNULL,
    given: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own, its output appended to `log`, in these cgroups; `env` None: ours.

    `given`: descriptors it keeps, under their numbers.
    """
    command = entering(cgroups, argv) if cgroups else list(argv)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - a list; the shell line is ours
            command,
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=env,
            pass_fds=given,
            start_new_session=True,
        )


def reap() -> None:
    """Wait for children and orphans for ever; our log says which one ended."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            signal.pause()
        else:
            print(f"process {pid} ended with {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201 - our log


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, or a word that there are none.

    What a Kubernetes component died of is the line klog marks `F`; the goroutines it dumps after it say nothing.
    """
    try:
        written = log.read_text(errors="replace").splitlines()
    except OSError:
        written = []
    fatal = [number for number, line in enumerate(written, start=1) if FATAL.match(line)]
    kept = written[: fatal[-1] if fatal else None][-lines:]
    return "\n".join(kept) or f"({log}: nothing written)"
