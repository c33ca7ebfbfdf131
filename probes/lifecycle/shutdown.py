"""End an interrupted run within SECONDS, even if something hangs, with its namespace removed or named.

A signal (SIGINT, SIGTERM, SIGHUP) raises KeyboardInterrupt in the main thread, which then unwinds: this is the orderly
end. Python runs signal handlers in the main thread only, and not while that is inside a blocking C call, so a thread
of ours gets the signal too (`signal.set_wakeup_fd`). It removes the run's namespace at once, which also ends the
execs that others wait for, and ends the process when the time is up: at interpreter exit Python joins the threads of
every ThreadPoolExecutor, however long they take. What was observed until then is in the journal.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from topologies.cluster.api import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import pytest
    from _pytest._code import TracebackEntry

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS = 7.0  # from the first signal: on a loaded machine the rest of the 10 s is needed to end
AGAIN_S = 3.0  # from another one, more than BOUNCE_S after the first
BOUNCE_S = 1.0  # a terminal's Ctrl-C comes twice to a worker of xdist: from the terminal, and from its controller
LEAVE_S = 1.0  # for the interpreter to exit, after pytest has ended
INTERRUPTED = 2  # pytest's exit code
LISTENER = "hairpin-shutdown"


def drop_lines_unknown(interruption: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave the frames that pytest cannot print out of an interruption's traceback.

    A signal may arrive at an instruction that belongs to no line of source (generated code, the end of a `with`):
    CPython's `tb_lineno` is None there, and pytest, which subtracts one from it, ends with an internal error.
    """
    interruption.traceback = interruption.traceback.filter(_has_line)


def _has_line(entry: TracebackEntry) -> bool:
    try:
        return entry.lineno >= 0
    except TypeError:  # None - 1
        return False


class Removable(Protocol):
    """A thing that an interrupted run must not leave behind."""

    @property
    def leftover(self) -> str:
        """What is left behind if it is not removed, and how to remove it."""

    @property
    def asked_for(self) -> bool:
        """Whether it may be there."""

    def remove(self) -> None:
        """Remove it; ClusterError if it may still be there."""


class Shutdown:
    """The end of one process: `begin` in the main thread, `watch` what to remove, `end` when pytest has ended."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress  # past pytest's capturing, which has file descriptor 2
        self.exit_code = INTERRUPTED
        self.workers: set[int] = set()  # pids that get SIGTERM when we get a signal
        self.interrupted = ""
        self._removable: Removable | None = None
        self._first = float("-inf")
        self._unwinding = False
        self._deadline = float("inf")
        self._here, self._there = socket.socketpair()
        self._handlers: dict[int, object] = {}

    def begin(self) -> None:
        """Take over the signals; one that is ignored (nohup, a shell's background job) stays ignored."""
        if threading.current_thread() is not threading.main_thread():  # signals are not for us
            return
        self._there.setblocking(False)
        signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._interrupt)
        threading.Thread(target=self._listen, daemon=True, name=LISTENER).start()

    def watch(self, removable: Removable) -> None:
        """Remove this when the run is interrupted."""
        self._removable = removable

    def spare(self) -> None:
        """Remove nothing when the run is interrupted."""
        self._removable = None

    def finish(self) -> None:
        """Raise nothing any more: the run is over, and its end is being printed."""
        self._unwinding = True

    def end(self) -> None:
        """Give the signals back; after an interruption ignore them, and the process has LEAVE_S to exit by itself.

        The interpreter resets handlers to the default while it ends, so that another Ctrl-C would kill it (exit by
        signal, not INTERRUPTED); an ignored signal stays ignored.
        """
        if self.interrupted:
            for number in self._handlers:
                signal.signal(number, signal.SIG_IGN)
            self._deadline = min(self._deadline, time.monotonic() + LEAVE_S)
            self._there.send(b"\0")
            return
        if threading.current_thread() is threading.main_thread() and self._handlers:
            signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal.signal returned
        self._there.close()
        atexit.register(self._leave)

    def _leave(self) -> None:
        """Exit past the interpreter's own end if a thread still waits for a vantage.

        The interpreter aborts (SIGABRT) if such a thread holds the lock of stdout or stderr at that moment.
        """
        if any(thread.daemon and thread.name != LISTENER for thread in threading.enumerate()):
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(self.exit_code)

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.interrupted = self.interrupted or signal.Signals(number).name
        if self._unwinding:  # another exception would interrupt printing the end; the deadline still holds
            return
        self._unwinding = True
        raise KeyboardInterrupt(self.interrupted)

    def _listen(self) -> None:
        """Wait for signals until `end`, or until the deadline that the first of them sets."""
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self._cut()
            with suppress(OSError, ValueError):
                if not select.select([self._here], [], [], None if left == float("inf") else left)[0]:
                    continue
            got = self._here.recv(64)
            if not got:
                self._here.close()
                return
            for number in got:
                if number in SIGNALS:
                    self._signalled(number)

    def _signalled(self, number: int) -> None:
        if number not in self._handlers:
            return
        now = time.monotonic()
        if not self.interrupted:
            self.interrupted = signal.Signals(number).name
        if self._deadline == float("inf"):
            self._first, self._deadline = now, now + SECONDS
            threading.Thread(target=self._clear_away, daemon=True, name="hairpin-remove").start()
        elif now - self._first > BOUNCE_S:
            self._deadline = min(self._deadline, now + AGAIN_S)

    def _clear_away(self) -> None:
        for pid in self.workers:
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        if self._removable:
            with suppress(ClusterError):  # named by `_cut`, or by the main thread, which removes it too
                self._removable.remove()

    def _cut(self) -> None:
        """End the process now."""
        after = f"hairpin: not ended {time.monotonic() - self._first:.0f} s after {self.interrupted}, so cut off"
        left = self._removable if self._removable and self._removable.asked_for else None
        named = f"; {left.leftover}" if left else ""
        last = threading.Thread(target=self._last_words, args=(f"{after}{named}",), daemon=True)
        last.start()
        last.join(0.5)  # a stream's lock may be held for ever
        os._exit(self.exit_code)

    def _last_words(self, line: str) -> None:
        self._progress(line)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
