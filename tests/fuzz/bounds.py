"""How many cases a fuzz runs, how long one may take, and how much memory all of them may use."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE_TIME_S = 5.0
MEMORY_MB = 500
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


def peak_mb() -> float:
    """Return the peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
