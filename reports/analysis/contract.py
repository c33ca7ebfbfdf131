"""The contract of a run: every row judged by the run's observations, as stored data and as text."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from probes.contract.judging import DIFFERS, WORST_FIRST, ContractResult
from probes.contract.observed import ObservedContract
from reports.formatting import count_cells
from reports.records.contract import DifferingCell, StoredRow
from reports.records.rejudge import StoredAnswers, own_topology
from topologies.cluster_state.api_fields import shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from probes.contract.judging import RowVerdict
    from reports.records.run import Run

NOTE = 300  # characters of a note
SHOWN = 8  # rows that are not kept and that the terminal prints


def judge_contract(run: Run) -> tuple[StoredRow, ...]:
    """Return every row of the contract, judged by a run's observations. Empty if the run has none.

    Raises:
        RejudgeError: The run cannot be judged anew.

    """
    if not run.records or run.snapshot is None:
        return ()
    stored = StoredAnswers.of(run, own_topology(run))
    contract = ObservedContract(stored.judge, stored.cells)
    return tuple(_store(contract, verdict) for verdict in contract.verdicts())


def add_contract(run: Run) -> Run:
    """Return the run with its contract. If it cannot be judged, the run gets a note instead."""
    try:
        return run.model_copy(update={"contract": judge_contract(run)})
    except Exception as error:  # noqa: BLE001 - of any kind: the run is complete without its contract
        note = f"the API's contract was not judged: {type(error).__name__}: {error}"
        return run.model_copy(update={"notes": (*run.notes, shorten(note, NOTE))})


def _store(contract: ObservedContract, verdict: RowVerdict) -> StoredRow:
    row = verdict.row
    of_result = {result: [one.text for one in verdict.cells if one.result is result] for result in ContractResult}
    not_asked = Counter(of_result[ContractResult.NOT_ASKED])
    return StoredRow(
        row=row.id,
        number=row.number,
        sentence=row.sentence,
        level=verdict.level,
        result=verdict.result,
        counts=dict(verdict.counts),
        differing=tuple(_differing(contract, verdict)) if verdict.result in DIFFERS else (),
        free=dict(Counter(of_result[ContractResult.FREE]).most_common()),
        not_asked=dict(not_asked.most_common()) or ({verdict.why_not: 0} if verdict.why_not else {}),
    )


def _differing(contract: ObservedContract, verdict: RowVerdict) -> Iterator[DifferingCell]:
    by_kube_proxy = contract.judge.topology.proxy.is_kube_proxy
    cells = contract.predicted(verdict.row).cells if by_kube_proxy else ()
    predicted = {one.cell: one for one in cells if one.result in DIFFERS}
    for one in verdict.cells:
        if one.result in DIFFERS:
            by_rules = predicted.get(one.cell)
            yield DifferingCell(
                cell=one.cell,
                result=one.result,
                text=one.text,
                predicted=by_rules is not None if by_kube_proxy else None,
                rules=by_rules.rules if by_rules else (),
            )


class PredictedDifference(Protocol):
    """A cell that differs from a row, and whether kube-proxy's rules predict that."""

    @property
    def predicted(self) -> bool | None: ...
    @property
    def rules(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class ContractSummary:
    """What a page shows of the contract: how many rows have each verdict, and the rows that were asked."""

    counts: dict[ContractResult, int]
    asked: tuple[StoredRow, ...]

    @classmethod
    def of(cls, rows: Iterable[StoredRow]) -> ContractSummary:
        """Return the summary of a run's rows: rows that are not kept first."""
        every = list(rows)
        counts = Counter(row.result for row in every)
        asked = [row for row in every if row.result is not ContractResult.NOT_ASKED]
        asked.sort(key=lambda row: (WORST_FIRST.index(row.result), row.number))
        return cls({result: counts[result] for result in ContractResult if counts[result]}, tuple(asked))

    @staticmethod
    def prediction(row: StoredRow) -> str:
        """Return which rules predict that a row is not kept."""
        return describe_prediction(row.differing)


def describe_contract(rows: Iterable[StoredRow], width: int = 120, *, verbose: bool = False) -> list[str]:
    """Return the contract as lines of this width: the counts, then the rows that are not kept. Empty without rows."""
    every = list(rows)
    if not every:
        return []
    summary = ContractSummary.of(every)
    named = ", ".join(f"{count} {result}" for result, count in summary.counts.items())
    differing = [row for row in summary.asked if row.result in DIFFERS]
    shown = differing if verbose else differing[:SHOWN]
    more = len(differing) - len(shown)
    lines = [f"API contract: {len(every)} rows: {named}", *(line for row in shown for line in describe_row(row))]
    lines += [f"  {more} more rows, in report.html or with -v"] if more else []
    return [part for line in lines for part in _wrap(line, width)]


def _wrap(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def describe_row(row: StoredRow) -> tuple[str, str]:
    """Return a row that is not kept as two lines, with kube-proxy's rules if they predict it."""
    asked = sum(row.counts.values()) - row.counts.get(ContractResult.NOT_ASKED, 0)
    first = row.differing[0]
    head = f"  {row.result}: row {row.number} {row.row} ({row.level}): {len(row.differing)} of {count_cells(asked)}"
    prediction = describe_prediction(row.differing)
    return head, f"    {first.cell}: {first.text}{prediction and f'; {prediction}'}"


def describe_prediction(cells: Collection[PredictedDifference]) -> str:
    """Return `predicted by the rules R4i.3`, or of how many cells that is not so; empty if no rules apply."""
    if all(one.predicted is None for one in cells):
        return ""
    if unforeseen := sum(not one.predicted for one in cells):
        return f"{count_cells(unforeseen)} not predicted by the rules"
    return f"predicted by the rules {', '.join(rules_of(cells))}"


def rules_of(cells: Iterable[PredictedDifference]) -> tuple[str, ...]:
    """Return the rules by which kube-proxy differs, each once."""
    return tuple(sorted({rule for one in cells for rule in one.rules}))
