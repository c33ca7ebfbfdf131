"""The features that rows need: asked, declared as missing, or skipped; and whether a claim of one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.conformance.report import ConformanceError, RowStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from probes.contract.model import Feature
    from reports.analysis.conformance.report import ConformanceRow

ASKED = frozenset({RowStatus.PASSED, RowStatus.FAILED})
SHOWN = 3  # rows that an error names; the others are counted


def select_needing(feature: Feature, rows: Iterable[ConformanceRow]) -> list[ConformanceRow]:
    """Return the rows that promise something and need a feature."""
    return [row for row in rows if row.is_promised and feature in row.features]


def sort_features(
    rows: Collection[ConformanceRow], unsupported: Collection[Feature]
) -> tuple[tuple[Feature, ...], tuple[Feature, ...], tuple[Feature, ...]]:
    """Return the features that these rows need, by name: supported, unsupported and skipped."""
    needed = {one for row in rows if row.is_promised for one in row.features}
    asked = {one for one in needed if any(row.status in ASKED for row in select_needing(one, rows))}
    missing = needed & set(unsupported)
    return tuple(sorted(asked)), tuple(sorted(missing)), tuple(sorted(needed - asked - missing))


def check_features(
    rows: Collection[ConformanceRow], claimed: Collection[Feature], unsupported: Collection[Feature]
) -> None:
    """Check the features that a user claims and those that the user declares as missing.

    Raises:
        ConformanceError: A claimed feature has rows that were skipped, or none that was asked; a feature that is
            declared as missing has rows that were asked; or a feature is both.

    """
    problems = [
        *(f"{one}: got it in both, want it in one" for one in sorted(set(claimed) & set(unsupported))),
        *(text for one in sorted(set(claimed) - set(unsupported)) for text in _refuse_claim(one, rows)),
        *(text for one in sorted(set(unsupported) - set(claimed)) for text in _refuse_absence(one, rows)),
    ]
    if problems:
        message = "\n  ".join(["claims and unsupported features do not match the runs:", *problems])
        raise ConformanceError(message)


def _refuse_claim(feature: Feature, rows: Iterable[ConformanceRow]) -> Iterator[str]:
    needing = select_needing(feature, rows)
    skipped = [row for row in needing if row.status is RowStatus.SKIPPED]
    if skipped:
        yield f"claims {feature}: got {_name(skipped)} of {len(needing)} skipped, want every row asked"
    elif not any(row.status in ASKED for row in needing):
        yield f"claims {feature}: got no row asked, want every row of {_name(needing)} asked"


def _refuse_absence(feature: Feature, rows: Iterable[ConformanceRow]) -> Iterator[str]:
    if asked := [row for row in select_needing(feature, rows) if row.status in ASKED]:
        yield f"unsupported {feature}: got {_name(asked)} asked, want a run without it. Mend the topology or the list"


def _name(rows: Collection[ConformanceRow]) -> str:
    """Return `12 rows (35 a: why; 36 b; …)`."""
    named = [f"{row.number} {row.name}{f': {row.reasons[0]}' if row.reasons else ''}" for row in rows]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return f"{len(named)} row{'s' if len(named) > 1 else ''} ({'; '.join([*named[:SHOWN], *more])})"
