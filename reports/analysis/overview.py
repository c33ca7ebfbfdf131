"""Services x clients: how many cells each pair has, and how many of them failed. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.records.record import Record


@dataclass(frozen=True, slots=True)
class Pair:
    """The cells of one client and one Service."""

    fail: int
    inconclusive: int
    cells: int

    @property
    def result(self) -> Result:
        """Return the worst verdict."""
        if self.fail:
            return Result.FAIL
        return Result.INCONCLUSIVE if self.inconclusive else Result.PASS

    @property
    def counts(self) -> tuple[tuple[Result, str], ...]:
        """Return `5/9` for each verdict that 5 of 9 cells have, fail first; if all cells passed, their number."""
        bad = ((Result.FAIL, self.fail), (Result.INCONCLUSIVE, self.inconclusive))
        return tuple((result, f"{count}/{self.cells}") for result, count in bad if count) or (
            (Result.PASS, str(self.cells)),
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """The table, in the order of the run. A pair without cells is missing."""

    services: tuple[str, ...]
    clients: tuple[str, ...]
    pairs: Mapping[tuple[str, str], Pair]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Overview:
        """Count the records of each pair."""
        counts: dict[tuple[str, str], Counter[Result]] = {}
        for record in records:
            counts.setdefault((record.cell.service, record.cell.vantage), Counter())[record.verdict] += 1
        return cls(
            services=tuple(dict.fromkeys(service for service, _ in counts)),
            clients=tuple(dict.fromkeys(record.cell.vantage for record in records)),
            pairs={
                pair: Pair(found[Result.FAIL], found[Result.INCONCLUSIVE], found.total())
                for pair, found in counts.items()
            },
        )

    def failing(self) -> Overview:
        """Return the part of the table with the Services and clients of which a cell did not pass."""
        bad = {pair for pair, found in self.pairs.items() if found.result is not Result.PASS}
        services = tuple(one for one in self.services if any(one == service for service, _ in bad))
        clients = tuple(one for one in self.clients if any(one == client for _, client in bad))
        return Overview(services, clients, self.pairs)
