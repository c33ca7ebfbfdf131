"""Start, find and end processes. The product's one door to `subprocess`; .importlinter lists the exceptions.

A process is identified by its pid *and* its start time (`/proc/PID/stat`), so that a reused pid is never signalled.
Standard library only: the first process of every node imports it.
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
from topologies.common.timeouts import TIMEOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

Child = subprocess.Popen[bytes]
PROC = Path("/proc")
FATAL = re.compile(r"F\d{4} \d\d:\d\d:")
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


class ProcessError(HairpinError):
    """A command could not be started, or its exit code was not 0. The message has the command and its output."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine. Its start time, in clock ticks, distinguishes it from a later one with its pid."""

    pid: int
    started: int

    @classmethod
    def find(cls, pid: int) -> Process | None:
        """Return the process that has this pid now; None if there is none, or only a zombie."""
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.find(self.pid) == self

    def kill(self) -> None:
        """Send SIGKILL, if it is still the same process."""
        if self.alive:
            kill_pid(self.pid)


def kill_pid(pid: int) -> None:
    """Send SIGKILL to a pid that may be gone by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def children(pid: int) -> tuple[int, ...]:
    """Return the pids of the direct children of a process, as this /proc numbers them."""
    try:
        return tuple(int(child) for child in (PROC / str(pid) / "task" / str(pid) / "children").read_text().split())
    except OSError:
        return ()


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = TIMEOUTS.command_s) -> str:
    """Run a command to its end and return its standard output.

    Args:
        argv: The command.
        stdin: What it reads from its standard input.
        timeout: Seconds until it is killed.

    Raises:
        ProcessError: It could not be started, took too long, or its exit code was not 0.

    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603 - a list, no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"`{' '.join(argv)}`: {error}"
        raise ProcessError(message) from error
    if done.returncode:
        message = f"`{' '.join(argv)}` ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}"
        raise ProcessError(message)
    return done.stdout


def enter_cgroups(cgroups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """Return the command that enters these cgroups and then becomes `argv`; its exit code is 125 if it cannot."""
    return ["/bin/sh", "-c", ENTER, "sh", *map(str, cgroups), "--", *argv]


def spawn(
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    keep: Sequence[int] = (),
) -> Child:
    """Start a daemon in a session of its own.

    Args:
        argv: The command.
        log: The file that its output is appended to.
        env: Its environment; None: ours.
        stdin: The descriptor of its standard input.
        keep: Descriptors that it inherits, under their numbers.

    """
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            argv, stdin=stdin, stdout=out, stderr=out, env=env, pass_fds=keep, start_new_session=True
        )


def start(argv: Sequence[str], log: Path, *, env: Mapping[str, str], cwd: Path | None = None) -> Child:
    """Start a command in our own session, so that Ctrl-C reaches it; its output is appended to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd)  # noqa: S603 - a list, no shell


def run_attached(argv: Sequence[str], *, cwd: Path) -> int:
    """Run a command on our own terminal and return its exit code. Ctrl-C goes to the command, which ends by itself."""
    with subprocess.Popen(argv, cwd=cwd) as child:  # noqa: S603 - a list, no shell
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


def wait(child: Child, seconds: float) -> int | None:
    """Wait for a child and return its exit code; None if it still runs after `seconds`."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def reap_forever(report: Callable[[int, int], None]) -> NoReturn:
    """Wait for children and orphans for ever, as the first process of a pid namespace must.

    Args:
        report: Called with the pid and the exit code of each process that has ended.

    """
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            signal.pause()
        else:
            report(pid, os.waitstatus_to_exitcode(status))


def print_end(pid: int, exit_code: int) -> None:
    """Print that a process has ended; standard output is the log of a first process."""
    print(f"process {pid} ended with {exit_code}", flush=True)  # noqa: T201 - our log


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, or a note that it is empty.

    klog marks the line that a Kubernetes component died of with `F` and dumps its goroutines after it: the tail ends
    with that line.
    """
    try:
        content = log.read_text(errors="replace").splitlines()
    except OSError:
        content = []
    fatal = [number for number, line in enumerate(content, start=1) if FATAL.match(line)]
    kept = content[: fatal[-1] if fatal else None][-lines:]
    return "\n".join(kept) or f"({log}: empty)"
