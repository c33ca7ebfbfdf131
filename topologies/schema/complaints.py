"""What is wrong in a topology, in words: one complaint, the error that lists them all, and near matches.

TopologyError
    The file cannot be read, is no YAML, or does not describe a topology: what, where, got, want, and the next step.
"""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from topologies.common.errors import HairpinError
from topologies.schema import limits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

SHOWN = 12  # of a list of alternatives
LONGEST = 80  # characters of a value
ALIKE = 0.7  # of difflib's ratio, as a spell checker has it
BEGINS = 4  # characters from which a word may be the beginning of an option
ALIKE_BEGINNING = 0.85


class Complaint(NamedTuple):
    """One thing wrong in a topology file: where, what was found, what is expected."""

    path: str
    got: str
    want: str

    def __str__(self) -> str:
        return f"{self.path}: got {self.got}, want {self.want}"


class TopologyError(HairpinError):
    """A topology that cannot be used; `complaints` holds every reason found."""

    def __init__(self, source: str, found: list[Complaint]) -> None:
        self.source = source
        self.complaints = found
        summary = summarize(found)
        more = [f"and {len(summary) - limits.LINES} more lines like these"] if len(summary) > limits.LINES else []
        lines = "\n".join(f"  {source}: {line}" for line in [*summary[: limits.LINES], *more])
        plural = "s" if len(found) > 1 else ""
        hint = "see docs/topology.md for the keys and their defaults"
        super().__init__(f"{len(found)} complaint{plural} about this topology\n{lines}\n{hint}")


def duplicates(path: str, names: Iterable[object]) -> Iterator[Complaint]:
    """Yield one complaint for each name that is there more than once."""
    for name, times in Counter(str(name) for name in names).items():
        if times > 1:
            yield Complaint(path, f"{name} {times} times", "each once")


def summarize(found: Iterable[Complaint]) -> list[str]:
    """Return one line a complaint. Of many that differ only in a list's index, return the first ones and a count."""
    groups: dict[tuple[str, str], list[Complaint]] = {}
    for complaint in found:
        groups.setdefault((re.sub(r"\[\d+\]", "[]", complaint.path), complaint.want), []).append(complaint)
    lines: list[str] = []
    for (path, _), group in groups.items():
        few = group if len(group) <= limits.SIMILAR + 1 else group[: limits.SIMILAR]
        lines.extend(str(complaint) for complaint in few)
        if more := len(group) - len(few):
            lines.append(f"{path}: {more} more complaints like the last one, {len(group)} in all")
    return lines


def show(value: object) -> str:
    """Return a value of a file for a message: short, in YAML's words, without control characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind} of {len(value)}" if value else f"an empty {kind}"
    brief = reprlib.Repr()
    brief.maxstring = brief.maxlong = brief.maxother = LONGEST
    return brief.repr(value)


def offer(wrong: str, options: Collection[str], kind: str = "", shown: int = SHOWN) -> str:
    """Return the alternatives for a message, the first `shown` of them, with what `wrong` may have meant."""
    listed = ", ".join(list(options)[:shown]) + (f" … ({len(options)} in all)" if len(options) > shown else "")
    near = nearest(wrong, options)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"{kind}one of {listed}{hint}" if options else f"{kind}none: the file declares none"


def nearest(wrong: str, options: Iterable[str], count: int = 3) -> list[str]:
    """Return the options that come near: `podCIDR` is `pod_cidr`, `Iptables` is `iptables`."""
    known = list(dict.fromkeys(options))
    same = [option for option in known if squash(option) == squash(wrong)]
    if same or len(wrong) > LONGEST or len(known) > limits.COMPARED:
        return same[:count]
    squashed = {squash(option): option for option in reversed(known)}
    close = get_close_matches(squash(wrong), squashed, n=count, cutoff=ALIKE)
    return [squashed[one] for one in close] or _beginnings(squash(wrong), squashed)[:count]


def _beginnings(wrong: str, squashed: dict[str, str]) -> list[str]:
    """Return the options that begin nearly so: `flanel` is `flannel-vxlan`."""
    if len(wrong) < BEGINS:
        return []
    begins: dict[str, list[str]] = {}
    for short, option in squashed.items():
        if len(short) > len(wrong):
            begins.setdefault(short[: len(wrong) + 1], []).append(option)
    close = get_close_matches(wrong, begins, n=1, cutoff=ALIKE_BEGINNING)
    return [option for one in close for option in begins[one]]


def squash(text: str) -> str:
    """Return the word without case, hyphens and underscores."""
    return re.sub(r"[-_\s]", "", text).lower()
