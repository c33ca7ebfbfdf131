"""The time that a search may take: processor time, so that a busy machine does not change the result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

LATEST = 3.0  # the search ends after this many times its budget in wall time, however little of it was its own
TRYING = 0.8  # the part of the budget in which single changes are tried; the rest is for judging what they leave


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """A number of seconds of processor time from now on."""

    seconds: float
    began: float = field(default_factory=time.process_time)
    began_wall: float = field(default_factory=time.monotonic)

    def is_over(self, part: float = 1.0) -> bool:
        """Return whether this part of the budget is spent."""
        spent, passed = time.process_time() - self.began, time.monotonic() - self.began_wall
        return spent > part * self.seconds or passed > LATEST * part * self.seconds
