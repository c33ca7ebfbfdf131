"""Services x clients in the terminal: how many cells of each pair did not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from probes.judging.verdict import Result
from reports.formatting import MARKS, count_things
from reports.terminal.theme import COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from reports.analysis.overview import Overview, Pair

HEADS = {Result.FAIL: "failed/all", Result.INCONCLUSIVE: "inconclusive/all"}  # if no other verdict is in the table
BOTH = "not passed/all"
ROWS = 8  # Services that are listed; the rest is counted
GAP = 2


def build_overview(overview: Overview, width: int, *, whole: bool = False) -> list[RenderableType]:
    """Return the table of the failing Services and clients, as many as fit, and a line that counts the others.

    `whole`: all failing Services, not only the first ROWS.
    """
    failing = overview.failing()
    services = failing.services[: None if whole else ROWS]
    head = _head(failing)
    room = width - max(map(len, (*services, head)))
    texts = {
        client: [_pair(failing.pairs.get((service, client))) for service in services] for client in failing.clients
    }
    clients = _fitting({client: max(len(client), *map(len, column)) for client, column in texts.items()}, room)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(head, no_wrap=True)
    for client in clients:
        table.add_column(client, justify="right", no_wrap=True)
    for row, service in enumerate(services):
        table.add_row(service, *(texts[client][row] for client in clients))
    return [table, *_hidden(failing, len(services), len(clients))]


def _head(failing: Overview) -> str:
    """Return what the numbers count. A pair of two verdicts has a number for each, with its mark."""
    verdicts = {result for pair in failing.pairs.values() for result, _ in pair.counts} - {Result.PASS}
    return HEADS[verdicts.pop()] if len(verdicts) == 1 else BOTH


def _hidden(failing: Overview, services: int, clients: int) -> list[Text]:
    left = [
        count_things(more, f"more {name}")
        for more, name in ((len(failing.services) - services, "Service"), (len(failing.clients) - clients, "client"))
        if more > 0
    ]
    return [Text(f"and {' and '.join(left)}, in report.html", style="dim")] if left else []


def _fitting(columns: Mapping[str, int], room: int) -> Sequence[str]:
    """Return the first columns that fit, at least one, of columns with these widths."""
    names = list(columns)
    for count, width in enumerate(columns.values()):
        room -= width + GAP
        if room < 0:
            return names[: max(1, count)]
    return names


def _pair(found: Pair | None) -> Text:
    if found is None:
        return Text("·", style="dim")
    parts = (
        Text(f"{count} {MARKS[result]}", style="dim" if result is Result.PASS else COLOURS[result])
        for result, count in found.counts
    )
    return Text(" ").join(parts)
