"""Deadlines and waiting: the only file that waits. A wait in vain says what it waited for and what it saw last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")


class WaitTimeoutError(TimeoutError):
    """Something did not come true in time; the message ends with the last reason."""


class Deadline:
    """A moment, `seconds` from now on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the moment, never below 0."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.left == 0.0


class Unchanged:
    """How long a value that is looked at now and then has been the same."""

    def __init__(self) -> None:
        self._value: object = None
        self._since = time.monotonic()

    def seconds(self, value: object) -> float:
        """Seconds since the value was first seen as it is now; 0 the first time and after every change."""
        if value != self._value:
            self._value, self._since = value, time.monotonic()
        return time.monotonic() - self._since


def until(check: Callable[[], str], deadline: Deadline, what: str, *, successes: int = 1, every: float = 0.1) -> None:
    """Wait until `check()` returned an empty string `successes` times in a row; a string is the reason why not yet.

    Looks at least once, then every `every` seconds, or where looking takes longer as long again, a second at most.
    WaitTimeoutError names `what` and the last reason.
    """
    good, reason = 0, ""
    while True:
        began = time.monotonic()
        now = check()
        good, reason = (0, now) if now else (good + 1, reason)
        if good >= successes:
            return
        if deadline.passed:
            reason = reason or f"it was so {good} times in a row, want {successes}"
            message = f"{what}: not after {deadline.seconds:g} s: {reason}"
            raise WaitTimeoutError(message)
        took = time.monotonic() - began
        time.sleep(min(max(every, min(took, 1.0)), deadline.left))


def spaced(items: Iterable[Item], seconds: float) -> Iterator[Item]:
    """The items, each handed out `seconds` after the one before; the first at once."""
    next_at = time.monotonic()
    for item in items:
        time.sleep(max(0.0, next_at - time.monotonic()))
        next_at = time.monotonic() + seconds
        yield item
