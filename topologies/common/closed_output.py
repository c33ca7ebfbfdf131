"""Output that nobody reads: `| head` closed the pipe, or it cannot be written."""

from __future__ import annotations

import os
import sys

CLOSED_PIPE = 141  # 128 + SIGPIPE, as a shell has it


def discard_output() -> None:
    """Discard what is still buffered, so that the interpreter does not fail on it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
