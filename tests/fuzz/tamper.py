"""How a file of JSON is spoilt: by its structure, its bytes or its lines. Seeded, so that a case can be repeated."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    10**30,
    10**4000,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "passs",
    "\u202e\x1b[2J<script>",
    "x" * 5000,
    "999.1.1.1",
    "2026-02-31T99:00:00Z",
    [],
    {},
    [[]],
    {"": None},
    ["ok"] * 50,
)


def places(value: Any, found: list[tuple[Any, Any]] | None = None) -> list[tuple[Any, Any]]:
    """Return every (container, key or index) of a JSON value."""
    found = [] if found is None else found
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        found.append((value, key))
        places(child, found)
    return found


def structure(value: Any, chance: random.Random) -> str:
    """Return the JSON text of a value of which one to four places are deleted, doubled, renamed, retyped or swapped."""
    spoilt = copy.deepcopy(value)
    for _ in range(chance.randint(1, 4)):
        known = places(spoilt)
        if known:
            _spoil(*chance.choice(known), known, chance)
    text = json.dumps(spoilt)
    if chance.random() < 0.05:  # deeper than any parser goes
        text = text.replace("[]", "[" * 100_000 + "]" * 100_000, 1)
    return text


def _spoil(holder: Any, key: Any, known: list[tuple[Any, Any]], chance: random.Random) -> None:
    way = chance.choice(("delete", "double", "rename", "retype", "retype", "retype", "swap"))
    if way == "delete":
        del holder[key]
    elif way == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == "rename" and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif way == "swap":
        other, place = chance.choice(known)
        holder[key] = copy.deepcopy(other[place]) if place in other or isinstance(other, list) else None
    else:
        holder[key] = copy.deepcopy(chance.choice(ODD))


def cut(content: bytes, chance: random.Random) -> bytes:
    """Return the first bytes only."""
    return content[: chance.randrange(len(content))]


def flip(content: bytes, chance: random.Random) -> bytes:
    """Return the bytes with up to eight of their bits the other way round."""
    spoilt = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def litter(content: bytes, chance: random.Random) -> bytes:
    """Return the bytes with NULs, broken UTF-8 or binary in the middle, as a file system leaves them after a crash."""
    at = chance.randrange(len(content))
    rubbish = chance.choice(
        (b"\0" * 4096, b"\xff\xfe\xc3", bytes(chance.randrange(256) for _ in range(999)), b"\r\n\x0b")
    )
    return content[:at] + rubbish + content[at + chance.choice((0, len(rubbish))) :]


def shuffle(content: bytes, chance: random.Random) -> bytes:
    """Return the lines with some of them doubled, lost, or in another order."""
    lines = content.splitlines(keepends=True)
    kept = [line for line in lines for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    if chance.random() < 0.3:
        chance.shuffle(kept)
    return b"".join(kept)


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut, flip, litter, shuffle)
