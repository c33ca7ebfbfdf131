"""Services x clients in the terminal: how many cells of each pair did not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from probes.judging.verdict import Result
from reports.formatting import MARKS
from reports.terminal.theme import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from reports.analysis.overview import Overview, Pair

ROWS = 8  # Services that are listed; the rest is counted
GAP = 2


def build_overview(overview: Overview, width: int, *, whole: bool = False) -> list[RenderableType]:
    """Return the table of the failing Services and clients, as many as fit, and a line that counts the others.

    `whole`: all failing Services, not only the first ROWS.
    """
    failing = overview.failing()
    services = failing.services[: None if whole else ROWS]
    room = width - max(map(len, (*services, "failed/all")), default=0)
    clients = _fitting(failing.clients, room)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("failed/all", no_wrap=True)
    for client in clients:
        table.add_column(client, justify="right", no_wrap=True)
    for service in services:
        table.add_row(service, *(_pair(failing.pairs.get((service, client))) for client in clients))
    return [table, *_hidden(failing, len(services), len(clients))]


def _hidden(failing: Overview, services: int, clients: int) -> list[Text]:
    left = [
        f"{more} more {name}"
        for more, name in ((len(failing.services) - services, "Services"), (len(failing.clients) - clients, "clients"))
        if more > 0
    ]
    return [Text(f"and {' and '.join(left)}, in report.html", style="dim")] if left else []


def _fitting(names: Sequence[str], room: int) -> Sequence[str]:
    for count, name in enumerate(names):
        room -= len(name) + GAP
        if room < 0:
            return names[: max(1, count)]
    return names


def _pair(found: Pair | None) -> Text:
    if found is None:
        return Text("·", style="dim")
    if found.result is Result.PASS:
        return Text(f"{found} {MARKS[found.result]}", style="dim")
    return Text(f"{found} {MARKS[found.result]}", style=COLOURS[found.result])
