"""What all verbs share: their error, the type of their parser, similar words, kinds of --fail-on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.common.errors import HairpinError
from topologies.schema.complaints import nearest, squash

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

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


def parse_gate(text: str, gates: Sequence[str]) -> frozenset[str]:
    """Return the kinds given with --fail-on.

    Args:
        text: As given: kinds with commas between them.
        gates: All kinds.

    Raises:
        CommandError: A kind is unknown; with the list of all.

    """
    given = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(given - set(gates)):
        near = sorted({close for word in unknown for close in near_matches(word, gates)})
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        message = f"--fail-on: got {', '.join(unknown)}, want some of {', '.join(gates)}{meant}"
        raise CommandError(message)
    return given
