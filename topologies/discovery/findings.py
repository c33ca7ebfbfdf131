"""A value of the topology file with its source, or unknown with the reason. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topologies.cluster_state.api_fields import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN = "unknown"
COMMENT_MAX = 300  # characters of a comment: annotations and error messages can be of any length


@dataclass(frozen=True, slots=True)
class Finding:
    """One value of the file. `source` is the comment beside it; with `value` None only the comment is written."""

    value: Any
    source: str

    @property
    def is_known(self) -> bool:
        """Whether a value was found."""
        return self.value is not None and self.value != UNKNOWN


def unknown(reason: str) -> Finding:
    """Return a value that could not be read."""
    return Finding(UNKNOWN, reason)


def omitted(reason: str) -> Finding:
    """Return a key that is not written; the reason is written in its place."""
    return Finding(None, reason)


def first_known(candidates: Iterable[Finding | None]) -> Finding | None:
    """Return the first value that was found, else the first reason why not; None without any candidate."""
    given = [one for one in candidates if one is not None]
    return next((one for one in given if one.is_known), given[0] if given else None)


def agreed(by_node: Mapping[str, object], where: str) -> Finding | None:
    """Return the most frequent value of several nodes, with the nodes as source; None if no node has one.

    Args:
        by_node: The value of each node that has one, by the node's name.
        where: Where it was read, such as `kube-proxy /configz`.

    """
    if not by_node:
        return None
    values = list(by_node.values())
    most = max(values, key=values.count)  # the first of several
    return Finding(most, f"{where} on {list_names(sorted(name for name, value in by_node.items() if value == most))}")


def list_names(names: Iterable[str], shown: int = 4) -> str:
    """Return the first names, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - shown} more" if len(known) > shown else ""
    return ", ".join(known[:shown]) + more


def clean(text: str) -> str:
    """Return a text that is safe in a YAML comment: one line, printable, of limited length."""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]", "?", shorten(text, COMMENT_MAX))
