"""How much longer a program takes because others want the processors, measured while it runs.

The load average does not tell: it counts programs that run only when nothing else wants to (`prebuilt.py`).
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
    """Samples of seconds by the clock for a second of processor time."""

    samples: list[float] = field(default_factory=list)

    @property
    def factor(self) -> float:
        """Their mean; 1 on an idle machine."""
        return max(1.0, sum(self.samples) / len(self.samples)) if self.samples else 1.0


@contextmanager
def measured() -> Iterator[Slowdown]:
    """Sample in a thread while the body runs, which must wait for other processes only."""
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
