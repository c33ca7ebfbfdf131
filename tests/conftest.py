"""What every test of our own code starts from."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Give the tests the usual signals, as every program has them that the tests start and interrupt.

    A shell's background job ignores SIGINT, and `nohup` ignores SIGHUP.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
