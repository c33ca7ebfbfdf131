"""Measure how much longer a program takes because other programs use the processors.

The load average is no measure: it counts programs of SCHED_IDLE too (`prebuilt.py`), which take nothing from others.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIN_S = 0.01  # processor time of a sample
EVERY_S = 0.25


@dataclass
class Slowdown:
    """Samples of the ratio of elapsed time to processor time."""

    samples: list[float] = field(default_factory=list)

    @property
    def factor(self) -> float:
        """The mean of the samples, 1 on an idle machine."""
        return max(1.0, sum(self.samples) / len(self.samples)) if self.samples else 1.0


@contextmanager
def measure_slowdown() -> Iterator[Slowdown]:
    """Sample in a thread while the body runs. The body must only wait for other processes."""
    found, ended = Slowdown(), threading.Event()

    def sample() -> None:
        while not ended.wait(EVERY_S):
            began, used = time.monotonic(), time.thread_time()
            while (spent := time.thread_time() - used) < SPIN_S:
                pass
            found.samples.append((time.monotonic() - began) / spent)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
