"""Keep the tests of cells out of pytest's own lists, so that 98 failed tests of one cause do not hide the verdict.

The reports themselves, their counts and JUnit keep every failure. Knows no pytest: it changes the lists of a terminal
reporter and restores them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence

CONTRACT_ROW = "contract_row"  # the property of a row's report; the end of the run prints the contract
NOT_DECLARED = "declares no cell for"  # part of the reason of a skip: the topology has none of these cells


@contextmanager
def without_cells(stats: MutableMapping[str, list[Any]]) -> Iterator[None]:
    """Take the reports of cells and of promises without a cell out of the lists within the context."""
    kept = {name: stats[name] for name in ("failed", "skipped", "xfailed") if name in stats}
    try:
        for name, reports in kept.items():
            stats[name] = [one for one in reports if not (_is_of_cell(one) or _is_not_declared(one))]
        yield
    finally:
        stats.update(kept)


def shows_lists(arguments: Sequence[object], verbosity: int) -> bool:
    """Return whether the command line asks for pytest's own lists: with -v, or with -r or --tb of its own."""
    return verbosity > 0 or any(str(one).startswith(("-r", "--tb")) for one in arguments)


def _is_of_cell(report: Any) -> bool:  # noqa: ANN401 - a report of pytest
    return any(name in {"cell", CONTRACT_ROW} for name, _ in getattr(report, "user_properties", ()))


def _is_not_declared(report: Any) -> bool:  # noqa: ANN401 - likewise
    reason = getattr(report, "longrepr", None)
    return isinstance(reason, tuple) and NOT_DECLARED in str(reason[-1])
