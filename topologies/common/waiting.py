"""Deadlines and waiting. The only module of the product that sleeps; ruff TID251 refuses `time.sleep` in all others.

A wait that times out raises WaitTimeoutError, which names what was awaited and the last reason.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")


class WaitTimeoutError(HairpinError, TimeoutError):
    """A condition was not met in time. The message ends with the last reason."""


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
    """How long a value that is read now and then has been the same."""

    def __init__(self) -> None:
        self._value: object = None
        self._since = time.monotonic()

    def seconds(self, value: object) -> float:
        """Return the seconds since `value` was first passed; 0 the first time and after every change."""
        if value != self._value:
            self._value, self._since = value, time.monotonic()
        return time.monotonic() - self._since


def until(check: Callable[[], str], deadline: Deadline, what: str, *, successes: int = 1, every: float = 0.1) -> None:
    """Wait until `check` has returned an empty string `successes` times in a row.

    Calls `check` at least once. Between two calls it sleeps `every` seconds, or as long as the last call took if that
    was longer, but at most 1 s.

    Args:
        check: Returns an empty string when the condition is met, and the reason why not as long as it is not.
        deadline: When to give up.
        what: What is awaited, for the error message.
        successes: How often in a row the condition must be met.
        every: Seconds between two calls.

    Raises:
        WaitTimeoutError: The deadline has passed.

    """
    good, reason = 0, ""
    while True:
        began = time.monotonic()
        now = check()
        good, reason = (0, now) if now else (good + 1, reason)
        if good >= successes:
            return
        if deadline.passed:
            reason = reason or f"got {good} successes in a row, want {successes}"
            message = f"{what}: not after {deadline.seconds:g} s: {reason}"
            raise WaitTimeoutError(message)
        took = time.monotonic() - began
        pause(min(max(every, min(took, 1.0)), deadline.left))


def unmet(condition: Callable[[], object], reason: str = "it is not there") -> Callable[[], str]:
    """Return a check for `until` that returns `reason` as long as `condition` is false.

    >>> unmet(lambda: False, "n1 is late")()
    'n1 is late'
    """
    return lambda: "" if condition() else reason


def pause(seconds: float) -> None:
    """Sleep, to pace a loop. Use `until` to wait for a condition."""
    time.sleep(seconds)


def spaced(items: Iterable[Item], seconds: float) -> Iterator[Item]:
    """Yield the items, each `seconds` after the one before; the first one immediately."""
    next_at = time.monotonic()
    for item in items:
        pause(max(0.0, next_at - time.monotonic()))
        next_at = time.monotonic() + seconds
        yield item
