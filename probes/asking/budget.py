"""Bound the connections that a run has open at once, over all vantages and batches.

Every batch takes its connections from one budget before it starts, and returns them when it ends. The budget shrinks
while answers are slow and grows back while they are fast (additive increase, multiplicative decrease, as TCP does):
more open connections than the cluster can serve do not make a run faster, they only make each answer later.

Knows nothing of curl, of vantages or of what is expected.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING

from probes.asking.vantages.base import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST = 2400  # connections; all of lab-flannel's seven vantages at curl's own maximum of 300 each, and some to spare
LEAST = 300  # connections; curl asks so many at once, and fewer make a run slower, not its answers faster
STEP = 50  # connections that a batch with fast answers adds
SLOW = 0.2  # answers that take this share of their limit shrink the budget
FAST = 0.1  # answers below this share let it grow


class AbortedError(UnusableError):
    """The run ended before this batch started: nothing was asked."""

    def __init__(self) -> None:
        super().__init__("the run ended before this was asked")


@dataclass(slots=True)
class Pace:
    """The number of connections that may be open, adapted to the latency of answers.

    `strain`: the latency of a batch's answers as a share of what an answer may take (`load_meter.Reading.strain`).
    One slow moment shrinks the budget once: batches that began before the last change do not shrink it again.
    """

    limit: int = MOST
    most: int = MOST
    least: int = LEAST
    _changed: float = float("-inf")

    def note(self, strain: float, began: float, now: float) -> None:
        """Adapt the limit to a batch that ran from `began` to `now` (seconds of one clock)."""
        if strain >= SLOW and began >= self._changed:
            self.limit, self._changed = max(self.least, self.limit // 2), now
        elif strain < FAST:
            self.limit = min(self.most, self.limit + STEP)


@dataclass(slots=True)
class _Waiting:
    owner: str
    count: int
    number: int


class Budget:
    """Connections to be taken and returned by several threads.

    The owner that holds the fewest connections is served first, then the one that has waited longest. A request is not
    passed over because it is large.
    A batch larger than the whole budget gets the whole budget.
    """

    def __init__(self, pace: Pace | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.pace = pace or Pace()
        self.peak = 0
        self._clock = clock
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._changed = Condition()
        self._aborted = False

    @contextmanager
    def connections(self, owner: str, count: int) -> Iterator[int]:
        """Wait for `count` connections and hold them; yields how many there are, at most `count` and at least 1.

        Raises:
            AbortedError: the run ended before.

        """
        granted = self._take(owner, count)
        try:
            yield granted
        finally:
            self._give(owner, granted)

    def learn(self, strain: float, began: float) -> None:
        """Adapt the budget to the latency of a batch that began at `began` and has just ended."""
        with self._changed:
            self.pace.note(strain, began, self._clock())
            self._changed.notify_all()

    def abort(self) -> None:
        """Wake every waiting thread: nothing more will be probed."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def _take(self, owner: str, count: int) -> int:
        mine = _Waiting(owner, max(1, count), next(self._numbers))
        with self._changed:
            self._waiting.append(mine)
            try:
                self._changed.wait_for(lambda: self._aborted or self._may_start(mine))
                return self._grant(mine)
            finally:
                self._waiting.remove(mine)
                self._changed.notify_all()

    def _may_start(self, mine: _Waiting) -> bool:
        first = min(self._waiting, key=lambda one: (self._held[one.owner], one.number))
        return first is mine and self._held.total() + min(mine.count, self.pace.limit) <= self.pace.limit

    def _grant(self, mine: _Waiting) -> int:
        if self._aborted:
            raise AbortedError
        granted = min(mine.count, self.pace.limit)
        self._held[mine.owner] += granted
        self.peak = max(self.peak, self._held.total())
        return granted

    def _give(self, owner: str, granted: int) -> None:
        with self._changed:
            self._held[owner] -= granted
            self._changed.notify_all()
