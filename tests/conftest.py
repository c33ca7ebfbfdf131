"""What every test of our own code starts from."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A background job of a shell has SIGINT ignored, and so would every program the tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
