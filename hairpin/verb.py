"""What all verbs share: their error, the type of their parser, similar words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.common.errors import HairpinError
from topologies.schema.complaints import nearest, squash

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    Verbs = argparse._SubParsersAction[Any]  # noqa: SLF001 - the type argparse has no public name for


class CommandError(HairpinError):
    """Input that cannot be used. The message has the place, what was found and what is expected. Exit code 2."""


def near_matches(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known words that come near, best first: misspelt, in camelCase, or only a part of them."""
    spelt, options = squash(word), list(known)
    near = nearest(word, options, most)
    if any(squash(one) == spelt for one in near):
        return near
    parts = [one for one in options if spelt and spelt in squash(one)]
    return list(dict.fromkeys([*near, *parts]))[:most]
