"""The contracts of runs as one list of rows. A row has its worst verdict of all runs."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from probes.contract.judging import WORST_FIRST, ContractResult
from probes.contract.load import rows
from probes.contract.model import Subject
from reports.analysis.conformance.report import (
    ConformanceRow,
    PromiseLink,
    RowEvidence,
    RowStatus,
    name_profile,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from probes.contract.model import ContractRow, Feature
    from reports.records.contract import StoredRow
    from reports.records.run import Run

STATUS = {
    ContractResult.KEPT: RowStatus.PASSED,
    ContractResult.BROKEN: RowStatus.FAILED,
    ContractResult.UNUSUAL: RowStatus.FAILED,
    ContractResult.FREE: RowStatus.FREE,
}


def merge_rows(runs: Iterable[Run], unsupported: Collection[Feature] = ()) -> tuple[ConformanceRow, ...]:
    """Return every row that the contract of a run has, by number.

    Args:
        runs: Runs against one implementation, with their contracts.
        unsupported: The features that the user declares as missing.

    """
    found: dict[int, list[tuple[str, StoredRow]]] = {}
    for run in runs:
        for stored in run.contract:
            found.setdefault(stored.number, []).append((run.topology.name, stored))
    return tuple(_merge(found[number], unsupported) for number in sorted(found))


def _merge(given: Sequence[tuple[str, StoredRow]], unsupported: Collection[Feature]) -> ConformanceRow:
    stored = [one for _, one in given]
    first, known = stored[0], _by_id().get(stored[0].row)
    result = min((one.result for one in stored), key=WORST_FIRST.index)
    cells, checks, answers = Counter[ContractResult](), Counter[ContractResult](), Counter[str]()
    for one in stored:
        cells.update(one.counts)
        checks.update(one.checks)
        answers.update(one.free)
    return ConformanceRow(
        name=first.row,
        number=first.number,
        profile=name_profile(known.subject if known else Subject.SERVICES),
        level=first.level,
        sentence=first.sentence,
        result=result,
        status=_status(result, known, unsupported),
        provisional=known is not None and not known.verified,
        features=known.features if known else (),
        cells={word: cells[word] for word in WORST_FIRST if cells[word]},
        scenarios=tuple(sorted({name for one in stored for name in one.scenarios})),
        checks={word: checks[word] for word in WORST_FIRST if checks[word]},
        evidence=tuple(sorted(_evidence(given), key=lambda one: (one.topology, one.scenario, one.step, one.cell))),
        answers=dict(sorted(answers.items())),
        reasons=tuple(sorted(_reasons(stored, result))),
        sources=tuple(_links(known)) if known else (),
    )


@cache
def _by_id() -> dict[str, ContractRow]:
    return {row.id: row for row in rows()}


def _status(result: ContractResult, known: ContractRow | None, unsupported: Collection[Feature]) -> RowStatus:
    if result is not ContractResult.NOT_ASKED:
        return STATUS[result]
    if known and set(known.features) & set(unsupported):
        return RowStatus.UNSUPPORTED
    return RowStatus.UNTESTED if known and known.not_asked else RowStatus.SKIPPED


def _evidence(given: Iterable[tuple[str, StoredRow]]) -> Iterator[RowEvidence]:
    for topology, stored in given:
        for one in stored.differing:
            yield RowEvidence(topology=topology, **one.model_dump(exclude={"result"}))


def _reasons(stored: Iterable[StoredRow], result: ContractResult) -> set[str]:
    """Return why cells were not asked. A reason without a cell is of a run that another run makes up for."""
    return {
        text for one in stored for text, count in one.not_asked.items() if count or result is ContractResult.NOT_ASKED
    }


def _links(row: ContractRow) -> Iterator[PromiseLink]:
    for source in row.sources:
        yield PromiseLink(kind=source.kind, name=source.name, link=source.link, quote=source.quote)
