"""The API's contract by the recorded live runs, beside what the rules predict: probes/contract/live.json.

`python -m tests.truth.contract` writes that file. Runs with flags of kube-proxy are left out: the table of
docs/contract.md predicts kube-proxy's defaults.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.answers import CellAnswers, ContractAnswer
from probes.contract.judging import DIFFERS, ContractJudge, ContractResult
from probes.contract.live import LIVE, LiveRun, LiveRuns
from probes.contract.predicted import AskedRows, PredictedContract
from probes.observation import Outcome
from probes.oracle.address_names import PRESERVED, AddressNames
from tests.truth.recording import read_all
from tests.truth.rows import ROWS
from topologies.cluster_state.snapshot import declared
from topologies.loading import overrides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.contract.judging import CellVerdict, RowVerdict
    from tests.truth.recording import Recording
    from tests.truth.rows import Row
    from topologies.common.addresses import IPAddress


@dataclass(frozen=True)
class RecordedContract:
    """One recorded run, judged by the contract, and the prediction for the same cells."""

    row: Row
    recording: Recording

    @cached_property
    def predicted(self) -> PredictedContract:
        """The contract by the rules of today."""
        topology = overrides.declared(self.row.topology, overrides.parse(self.row.overrides))
        return PredictedContract(topology, AskedRows.of(topology))

    @cached_property
    def observed(self) -> ContractJudge:
        """The judge of what the run showed."""
        replies = {cell: group.replies for group in self.recording.shown for cell in group.cells}
        answers = {
            cell.id: CellAnswers(cell, tuple(map(self._read_reply, replies.get(cell.id, ()))))
            for cell in self.predicted.asked.cells
        }
        return ContractJudge(self.predicted.topology, answers, self.predicted.topology.proxy_version)

    def _read_reply(self, text: str) -> ContractAnswer:
        """Read a reply of a recording: `timeout`, or `ok LB IP(web-lb) web-a` with the name of the source."""
        outcome, _, rest = text.partition(" ")
        source, _, backend = rest.rpartition(" ")
        return ContractAnswer(
            Outcome(outcome), self._addresses.get(source), source == PRESERVED, backend or None, name=source
        )

    @cached_property
    def _addresses(self) -> dict[str, IPAddress]:
        topology = self.predicted.topology
        names = AddressNames.of(topology, declared(topology)).names
        return {name.short: address for address, name in names.items()}

    def verdicts(self) -> Iterator[tuple[RowVerdict, RowVerdict]]:
        """Yield the observed and the predicted verdict of each row that the run asks."""
        for row in self.predicted.asked.rows:
            if cells := self.predicted.asked.of_row[row.id]:
                yield self.observed.judge(row, cells), self.predicted.verdict(row)

    def unexpected(self) -> Iterator[str]:
        """Yield each cell that was asked and whose verdict is not the predicted one, with both."""
        for seen, foreseen in self.verdicts():
            for one, other in zip(seen.cells, foreseen.cells, strict=True):
                if one.cell not in self.recording.inconclusive and not _agree(one, other):
                    yield f"row {seen.row.number}: {one.cell}: got {_text(one)}, want {_text(other)}"

    def summarize(self) -> LiveRun:
        """Return the run as live.json has it."""
        rows: dict[ContractResult, list[int]] = defaultdict(list)
        cells = set()
        for seen, _ in self.verdicts():
            rows[seen.result].append(seen.row.number)
            cells |= {one.cell for one in seen.cells}
        return LiveRun(
            mode=self.row.mode,
            version=self.predicted.topology.proxy_version,
            topology=self.row.topology,
            network=self.predicted.topology.cni.kind,
            date=self.recording.date,
            cells=len(cells),
            rows={result: tuple(sorted(rows[result])) for result in ContractResult if result in rows},
        )


def _agree(seen: CellVerdict, foreseen: CellVerdict) -> bool:
    """Return whether a verdict is as predicted. A cell may show by chance only those results that keep a promise."""
    by_chance = foreseen.result in DIFFERS and seen.result is ContractResult.KEPT
    return seen.result is foreseen.result or by_chance


def _text(verdict: CellVerdict) -> str:
    return f"{verdict.result} ({verdict.text})" if verdict.text else str(verdict.result)


def recorded() -> Iterator[RecordedContract]:
    """Yield every recorded run of a kube-proxy with default flags, in the order of the truth table."""
    found = read_all()
    for row in ROWS:
        if row.id in found and not row.named_flags:
            yield RecordedContract(row, found[row.id])


def live_runs() -> LiveRuns:
    """Return the contents of live.json."""
    return LiveRuns(runs=tuple(one.summarize() for one in recorded()))


def format_live(live: LiveRuns) -> str:
    """Return the text of live.json, one run a line."""
    runs = ",\n".join(f"  {run.model_dump_json()}" for run in live.runs)
    return f'{{"runs": [\n{runs}\n]}}\n'


def main() -> int:
    """Write the file, and print each cell that is not as predicted."""
    for one in recorded():
        for complaint in one.unexpected():
            sys.stdout.write(f"{one.row.id}: {complaint}\n")
    LIVE.write_text(format_live(live_runs()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
