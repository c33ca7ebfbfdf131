"""The verbs of `hairpin`, one file each: `add(verbs)` declares it, `run(options)` does it. May import all below."""

from __future__ import annotations


class CommandError(Exception):
    """What the user gave cannot be used; the message says what, where, got, want. Exit code 2."""
