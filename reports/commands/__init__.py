"""The verbs of `hairpin`, one file each: `add(verbs)` declares it, `run(options)` does it. May import all below."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    Verbs = argparse._SubParsersAction[Any]  # noqa: SLF001 - the type argparse has no public name for


class CommandError(Exception):
    """What the user gave cannot be used; the message says what, where, got, want. Exit code 2."""


def near_matches(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known words that come near, best first: misspelt, in camelCase, or only a part of them."""
    plain = {one.lower(): one for one in known}
    spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", word).replace("_", "-").lower()
    if spelt in plain:
        return [plain[spelt]]
    close = get_close_matches(spelt, plain, n=most, cutoff=0.75)
    parts = [one for one in plain if spelt and spelt in one]
    return [plain[one] for one in dict.fromkeys([*close, *parts])][:most]
