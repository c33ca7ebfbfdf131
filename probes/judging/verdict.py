"""The verdict of comparing what was expected with what was observed, facet by facet. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """As expected, not as expected, or unknown because the cell could not be probed."""

    PASS = "pass"  # noqa: S105 - no password, the opposite of fail
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Facet(StrEnum):
    """One aspect of a cell's answer that a promise may be about."""

    REACHABILITY = "reachability"
    SOURCE = "source"
    BACKENDS = "backends"
    AFFINITY = "affinity"
    SHARES = "shares"


@dataclass(frozen=True, slots=True)
class Verdict:
    """pass, fail or inconclusive for one facet (or for all: `facet` None), and the lines that justify it.

    `account`: (label, text) pairs with the labels asked, because, expected, observed, evidence,
    and `perhaps` where a lost connection has a cause that is not the cluster's configuration.
    """

    cell: str
    result: Result
    headline: str
    account: tuple[tuple[str, str], ...] = ()
    facet: Facet | None = None

    def __str__(self) -> str:
        lines = [self.headline, *(f"    {label:<9} {text}" for label, text in self.account)]
        return "\n".join(lines)
