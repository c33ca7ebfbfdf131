"""Counts that several outputs show. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.records.record import Record


def count_verdicts(records: Iterable[Record]) -> dict[Result, int]:
    """Return the number of records with each verdict, zeros included."""
    found = dict.fromkeys(Result, 0)
    for record in records:
        found[record.verdict] += 1
    return found
