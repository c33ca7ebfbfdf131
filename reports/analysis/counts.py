"""Counts that several outputs show. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.records.record import Record
    from reports.records.run import OmittedCell


def count_verdicts(records: Iterable[Record]) -> dict[Result, int]:
    """Return the number of records with each verdict, zeros included."""
    found = dict.fromkeys(Result, 0)
    for record in records:
        found[record.verdict] += 1
    return found


TOKEN = re.compile(r"[\w-]+(?:\.[\w-]+)*")


@dataclass(frozen=True, slots=True)
class OmissionClass:
    """Cells that the plan left out for one reason, whichever nodes it names."""

    reason: str
    """The reason with `…` in place of each node's name."""
    count: int
    example: str
    """The first of the cells."""


def classify_omissions(omissions: Iterable[OmittedCell], declared: Mapping[str, Any]) -> tuple[OmissionClass, ...]:
    """Return the classes of omissions, the largest first; `declared` is the topology that names the nodes.

    The plan of a large cluster leaves out dozens of cells a node: a list of them would be as long as the matrix.
    """
    hide = partial(_hide_names, names=_node_names(declared))
    found: dict[str, list[str]] = {}
    for one in omissions:
        found.setdefault(TOKEN.sub(hide, one.reason), []).append(one.cell)
    classes = [OmissionClass(reason, len(cells), cells[0]) for reason, cells in found.items()]
    return tuple(sorted(classes, key=lambda one: -one.count))


def _node_names(declared: Mapping[str, Any]) -> frozenset[str]:
    nodes = declared.get("nodes")
    entries = nodes if isinstance(nodes, list) else []
    return frozenset(str(one.get("name", "")) for one in entries if isinstance(one, dict)) - {""}


def _hide_names(match: re.Match[str], names: frozenset[str]) -> str:
    """Return `…` for a node's name, and for one that is a part of a cell's id."""
    if match[0] in names:
        return "…"
    return ".".join("…" if part in names else part for part in match[0].split("."))
