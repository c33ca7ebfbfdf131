"""Probe those cells again, once and at low load, that may have lost connections to our own load.

Measured latencies alone decide which cells these are, never what is expected of them. Two kinds of cells are chosen:

- A cell lost a connection (timeout, hang, reset) while one answer in a hundred took more than a third of its time
  limit. Its sample is probed again with few connections open.
- A cell lost every attempt, except those that a router rejected. It is chosen only if those answers took more than 0.6
  of the limit. This spares most cells that are silent in any case.

Earlier attempts stay in the record. Those of them that were lost do not count (`loaded`). What is lost at low load
counts, unless answers are slow even then. In that case the time limits are too short for this cluster or this machine,
and the cell is inconclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.asking.batch import ProbeRequest, Question
from probes.asking.load_meter import NEAR, Reading, worst
from probes.asking.phase import PhaseStep
from probes.asking.vantage_run import NO_ANSWER, VantageRun
from probes.observation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

LOW = 400  # connections of the whole run, of which most are silent and cost no processor time
SILENT_BATCH = 100  # connections of a batch of silent cells: four vantages at once
LOW_BATCH = 15  # connections of a batch of other cells: two cores that also run the lab answer 7 vantages in 0.1 s
STALL = 0.6  # of a limit: load that loses every attempt of a cell makes others take most of their limit
FEW = 3  # attempts that show whether a silent cell is silent at low load, too; one that is not gets its whole sample


@dataclass(slots=True)
class LowLoad:
    """The cells of one vantage that are probed again. `silent`: the ids of those that lost every attempt."""

    run: VantageRun
    cells: dict[str, Question] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    @classmethod
    def choose(cls, run: VantageRun) -> LowLoad:
        """Choose the cells that lost connections under load, and mark their attempts."""
        low, losses = cls(run), run.take_losses()
        for question in run.questions:
            timings = losses.get(question.cell.id, [])
            reading = run.meter.worst_during(timings) if timings else Reading()
            near = STALL if low._lost_all(question) else NEAR
            if reading.strain >= near and not low._may_be_limited(question):
                low._take(question, reading)
        return low

    def steps(self, max_parallel: int) -> Iterator[PhaseStep]:
        """Yield a few attempts of silent cells, then the samples; mark cells whose answers were slow all the same."""
        yield PhaseStep(self._few(), min(max_parallel, SILENT_BATCH))
        yield PhaseStep(self._samples(), min(max_parallel, LOW_BATCH))
        self._mark_slow()

    def _few(self) -> list[ProbeRequest]:
        """Return a few attempts of each cell that was never answered at all."""
        silent = [question for cell, question in self.cells.items() if cell in self.silent]
        return [ProbeRequest(question, min(FEW, question.cell.sample)) for question in silent]

    def _samples(self) -> list[ProbeRequest]:
        """Return the whole sample of the others, and the rest of the sample of cells that were answered at low load."""
        lacking = {
            cell: question.cell.sample - (min(FEW, question.cell.sample) if cell in self.silent else 0)
            for cell, question in self.cells.items()
            if cell not in self.silent or not self._lost_all(question)
        }
        return [ProbeRequest(self.cells[cell], times) for cell, times in lacking.items() if times]

    def _mark_slow(self) -> None:
        """Note as trouble what was lost at low load while answers were slow all the same."""
        losses = self.run.take_losses()
        for cell in self.cells.keys() & losses.keys():
            reading = worst(timing.middle for timing in losses[cell])
            if reading.is_near and cell not in self.run.troubles:
                self.run.troubles[cell] = (
                    f"{self.run.vantage.name}: answers are slow even with few connections open ({reading}): "
                    "ask from an idle machine, or with a longer --connect-timeout"
                )

    def _take(self, question: Question, reading: Reading) -> None:
        cell = question.cell.id
        self.cells[cell] = question
        if self._lost_all(question):
            self.silent.add(cell)
        self.run.discount(question, reading)

    def _may_be_limited(self, question: Question) -> bool:
        """Return whether the cell's refusal or silence is left to `icmp_rate_limit.py`."""
        return question.limited and self.run.outcomes(question) <= NO_ANSWER

    def _lost_all(self, question: Question) -> bool:
        """Return whether no attempt that was not made under load was answered.

        An ICMP error of a router is no answer. A router limits these errors, so the other attempts time out.
        """
        counted = (one for one in self.run.attempts[question.cell.id] if not one.loaded)
        return all(one.lost or one.outcome is Outcome.UNREACHABLE for one in counted)
