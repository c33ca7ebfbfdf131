"""Remove a lab when the process that uses it ends: a process that waits until the other end of a pipe is closed.

    python -m topologies.lab.teardown_on_exit NAME BEGAN      standard input: the pipe

`tie` starts it. The process that uses the lab holds the pipe's other end, which the kernel closes when that process
ends, also by `kill -9`. After an exec, the new program finds the descriptor in $HAIRPIN_LIFELINE. BEGAN, the time at
which the lab was created, distinguishes it from a later lab of the same name.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from topologies.common.subprocesses import spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.sandbox import locate
from topologies.lab.state import read
from topologies.lab.teardown import LabError, down

DESCRIPTOR = "HAIRPIN_LIFELINE"
PACKAGE = Path(__file__).parents[2]


def tie(name: str, began: float) -> None:
    """Remove the lab as soon as this process, or a program that it becomes, has ended."""
    waits, held = os.pipe()
    os.set_inheritable(held, True)
    argv = [sys.executable, "-m", "topologies.lab.teardown_on_exit", name, repr(began)]
    spawn(argv, Path(os.devnull), env={**os.environ, "PYTHONPATH": str(PACKAGE)}, stdin=waits)
    os.close(waits)
    os.environ[DESCRIPTOR] = str(held)


def take_descriptor() -> int | None:
    """Return the descriptor from the environment and remove it there, so that no child inherits it."""
    number = os.environ.pop(DESCRIPTOR, "")
    return int(number) if number else None


def end_lab(number: int, name: str) -> None:
    """Close the descriptor that keeps the lab, and wait until the lab is removed.

    Raises:
        WaitTimeoutError: It is still there after `lab_end_s`.

    """
    os.close(number)
    root = locate(name).root
    until(
        unmet(lambda: not root.exists(), f"{root} is still there"),
        Deadline(TIMEOUTS.lab_end_s),
        f"removal of lab {name}",
        every=0.05,
    )


def main(name: str, began: str) -> None:
    """Wait, then remove the lab, unless a later one has its name."""
    os.read(0, 1)
    state = locate(name)
    record = read(state.record)
    if record is None or record["began"] == float(began):
        state.ready.unlink(missing_ok=True)  # so that no `up` finds it running
        with suppress(LabError):
            down(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
