"""How many cases a fuzz runs, how long one may take, and how much memory all of them may use."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE_TIME_S = 5.0
MEMORY_MB = 400  # beyond what the process held before; with Python and our imports (100 MB) this is 500
WHOLE = "HAIRPIN_FUZZ"  # set by `make fuzz`


class HangError(AssertionError):
    """A case took longer than CASE_TIME_S."""


def rounds(whole: int) -> range:
    """Return the numbers of the cases to run: all of `whole` under `make fuzz`, a tenth of them otherwise."""
    return range(whole if os.environ.get(WHOLE) else max(1, whole // 10))


@contextmanager
def in_time(seconds: float = CASE_TIME_S) -> Iterator[None]:
    """Raise HangError inside the block when it takes longer than `seconds`. Main thread only."""

    def ring(*_: object) -> None:
        message = f"not done after {seconds:g} s"
        raise HangError(message)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Memory:
    """The memory that this process uses from now on: a worker of pytest-xdist has run thousands of tests before."""

    def __init__(self) -> None:
        """Reset the kernel's mark of the peak (proc(5): clear_refs)."""
        Path("/proc/self/clear_refs").write_text("5")
        self.before_mb = _status_mb("VmRSS")

    def peak_mb(self) -> float:
        """Return how far the peak of resident memory is above the start, in MB."""
        return _status_mb("VmHWM") - self.before_mb


def _status_mb(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, field
    return int(found[1]) / 1024
