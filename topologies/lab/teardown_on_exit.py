"""Takes a lab away when nobody wants it any more: one process that waits for the other end of a pipe to close.

    python -m topologies.lab.teardown_on_exit NAME BEGAN      standard input: the pipe

`tie` starts it; the one who wants the lab holds the pipe's other end, which closes when that process ends, however it
ends, also by `kill -9`. It may become another program meanwhile, which finds the descriptor in $HAIRPIN_LIFELINE.
BEGAN tells this lab from a later one of the same name.
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

HELD = "HAIRPIN_LIFELINE"
PACKAGE = Path(__file__).parents[2]


def tie(name: str, began: float) -> None:
    """From now on the lab ends with this process, or with what it becomes."""
    waits, held = os.pipe()
    os.set_inheritable(held, True)
    argv = [sys.executable, "-m", "topologies.lab.teardown_on_exit", name, repr(began)]
    spawn(argv, Path(os.devnull), env={**os.environ, "PYTHONPATH": str(PACKAGE)}, stdin=waits)
    os.close(waits)
    os.environ[HELD] = str(held)


def held() -> int | None:
    """The descriptor that this process was given, once; its children are not told."""
    number = os.environ.pop(HELD, "")
    return int(number) if number else None


def cut(number: int, name: str) -> None:
    """End the lab that hangs on this descriptor, and wait until it is gone; ProcessError."""
    os.close(number)
    root = locate(name).root
    until(
        unmet(lambda: not root.exists(), f"{root} is still there"),
        Deadline(TIMEOUTS.lab_end_s),
        f"removal of lab {name}",
        every=0.05,
    )


def main(name: str, began: str) -> None:
    """Wait, then take it away, unless another has taken its name."""
    os.read(0, 1)
    state = locate(name)
    record = read(state.record)
    if record is None or record["began"] == float(began):
        state.ready.unlink(missing_ok=True)  # nobody may find it any more
        with suppress(LabError):
            down(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
