"""Group the broken cells and the held connections of a step for its readers, and describe what is on a node. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.analysis.held_connections import Fate

if TYPE_CHECKING:
    from reports.analysis.held_connections import HeldFate
    from reports.analysis.rolling import BrokenCell, ExchangeStep, LeftOnNode


@dataclass(frozen=True, slots=True)
class BrokenGroup:
    """Cells that broke in the same phases, from the same result to the same ones; the longest break first."""

    before: str
    outcomes: str
    phases: tuple[str, ...]
    cells: tuple[BrokenCell, ...]

    def __str__(self) -> str:
        noun = "cell" if len(self.cells) == 1 else "cells"
        change = f"{self.before} → {self.outcomes}, for {self.lasted} s"
        return f"{len(self.cells)} {noun} broken in {', '.join(self.phases)}: {change}"

    @property
    def lasted(self) -> str:
        """The shortest and the longest break in seconds."""
        longest, shortest = (f"{self.cells[number].lasted_s:.2f}" for number in (0, -1))
        return longest if longest == shortest else f"{shortest}-{longest}"


def group_broken(step: ExchangeStep) -> tuple[BrokenGroup, ...]:
    """Return the broken cells of a step in groups, the largest first."""
    found: dict[tuple[str, str, tuple[str, ...]], list[BrokenCell]] = defaultdict(list)
    for one in step.broken:
        found[one.before, ", ".join(sorted(one.outcomes)), one.phases].append(one)
    groups = [BrokenGroup(*key, tuple(sorted(cells, key=lambda one: -one.lasted_s))) for key, cells in found.items()]
    return tuple(sorted(groups, key=lambda group: -len(group.cells)))


def describe_broken(cell: BrokenCell) -> str:
    """Return when a cell was broken, and how many of its attempts meanwhile."""
    failed = sum(cell.outcomes.values())
    return f"{cell.first_s:.2f}-{cell.last_s:.2f} s, {failed} of {failed + cell.ok} failed"


def count_fates(step: ExchangeStep) -> str:
    """Return how many held connections of a step had which fate."""
    counts = Counter(one.fate for one in step.connections)
    return ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate if counts[fate]) or "none"


def find_notable(step: ExchangeStep) -> tuple[HeldFate, ...]:
    """Return the held connections that did not simply survive."""
    return tuple(one for one in step.connections if one.fate is not Fate.SURVIVED or one.source_changed)


def describe_fate(held: HeldFate) -> str:
    """Return what became of a held connection."""
    at = "" if held.at_s is None else f" at {held.at_s:.2f} s"
    phase = f" ({held.phase})" if held.phase else ""
    slow = f", longest silence {held.slowest_s:.2f} s" if held.fate is Fate.STALLED else ""
    change = f", source {held.source_changed[0]} → {held.source_changed[1]}" if held.source_changed else ""
    return f"{held.fate.value}{at}{phase}{slow}{change}"


def describe_left(left: LeftOnNode) -> str:
    """Return what is on a node, in one line; what is not known is named."""
    counts = {
        "chains": (f"{len(left.chains)} chains, {left.rules} rules", bool(left.chains)),
        "ipsets": (f"{len(left.ipsets)} ipsets", bool(left.ipsets)),
        "virtual servers": (f"{left.virtual_servers} virtual servers", bool(left.virtual_servers)),
        "addresses": (f"{left.addresses} addresses", bool(left.addresses)),
        "nftables tables": (f"tables {', '.join(left.nft_tables)}", bool(left.nft_tables)),
    }
    parts = [text for name, (text, some) in counts.items() if some and name not in left.unread]
    unknown = f"unknown: {', '.join(left.unread)}" if left.unread else ""
    return "; ".join(filter(None, [", ".join(parts) or "nothing", unknown]))
