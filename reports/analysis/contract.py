"""The contract of a run: every row judged by the run's observations, as stored data and as text."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from probes.contract.judging import DIFFERS, WORST_FIRST, ContractResult
from probes.contract.observed import ObservedContract
from reports.analysis.scenario_rows import add_checks, rows_without_cells
from reports.formatting import count_cells, count_things
from reports.records.contract import DifferingCell, StoredRow
from reports.records.rejudge import StoredAnswers, own_topology
from topologies.cluster_state.api_fields import shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from probes.contract.judging import RowVerdict
    from reports.records.run import Run

NOTE = 300  # characters of a note
SHOWN = 8  # rows that are not kept and that the terminal prints


def judge_contract(run: Run) -> tuple[StoredRow, ...]:
    """Return every row of the contract, judged by a run's observations and scenarios. Empty if the run has neither.

    Raises:
        RejudgeError: The run cannot be judged anew.

    """
    return add_checks(_judge_cells(run), run.scenarios)


def _judge_cells(run: Run) -> tuple[StoredRow, ...]:
    if not run.records or run.snapshot is None:
        return rows_without_cells(own_topology(run).proxy_version) if run.scenarios else ()
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
    """A cell or a check that differs from a row, and whether kube-proxy's rules predict that."""

    @property
    def scenario(self) -> str: ...
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
    first, asked = row.differing[0], count_judged(row.counts, row.checks)
    head = f"  {row.result}: row {row.number} {row.row} ({row.level}): {len(row.differing)} of {asked}"
    prediction = describe_prediction(row.differing)
    return head, f"    {first.where}: {first.text}{prediction and f'; {prediction}'}"


def count_judged(cells: Mapping[ContractResult, int], checks: Mapping[ContractResult, int]) -> str:
    """Return how many cells and checks of a row were asked: `12 cells`, `4 checks`, `12 cells and 4 checks`."""
    kinds = (("cell", cells), ("check", checks))
    asked = [(sum(counts.values()) - counts.get(ContractResult.NOT_ASKED, 0), noun) for noun, counts in kinds]
    named = [count_things(count, noun) for count, noun in asked if count]
    return " and ".join(named) or count_cells(0)


def describe_prediction(cells: Collection[PredictedDifference]) -> str:
    """Return `predicted by the rules R4i.3`, or of how many cells that is not so; empty if no rules apply."""
    known = [one for one in cells if one.predicted is not None]
    if unforeseen := [one for one in known if not one.predicted]:
        noun = "check" if all(one.scenario for one in unforeseen) else "cell"
        return f"{count_things(len(unforeseen), noun)} not predicted by the rules"
    some = "" if len(known) == len(cells) else f"{len(known)} of {len(cells)} "
    return f"{some}predicted by the rules {', '.join(rules_of(known))}" if known else ""


def rules_of(cells: Iterable[PredictedDifference]) -> tuple[str, ...]:
    """Return the rules by which kube-proxy differs, each once."""
    return tuple(sorted({rule for one in cells for rule in one.rules}))
