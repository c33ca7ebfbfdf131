"""The verbs of `hairpin`, one file each: `add(verbs)` declares it, `run(options)` does it. May import all below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    Verbs = argparse._SubParsersAction[Any]  # noqa: SLF001 - the type argparse has no public name for


class CommandError(Exception):
    """What the user gave cannot be used; the message says what, where, got, want. Exit code 2."""
