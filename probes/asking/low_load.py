"""Ask those cells again, once and at low load, that may have lost connections to our own load.

Whether a cell is asked again depends on measured latencies alone, never on what is expected of it. A cell that lost a
connection (timeout, hang, reset) while one answer in a hundred took more than a third of its time limit is asked its
sample again, with few connections open. A cell that lost every attempt is asked again only if those answers took more
than 0.6 of the limit: this spares most cells that are silent anyway. Earlier attempts stay in the record, and those of
them that were lost do not count (`loaded`). What is lost at low load counts, unless answers are slow even then: in that
case the time limits are too short for this cluster or this machine, and the cell is in trouble (inconclusive).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from probes.asking.batch import ProbeRequest, Question
from probes.asking.load_meter import NEAR, Reading, worst
from probes.asking.vantage_run import NO_ANSWER, VantageRun

LOW = 400  # connections of the whole run, of which most are silent and cost no processor time
SILENT_BATCH = 100  # connections of a batch of silent cells: four vantages at once
LOW_BATCH = (
    15  # connections of a batch of others: seven vantages are answered in 0.1 s by two cores that are the lab, too
)
STALL = 0.6  # of a limit: load that loses every attempt of a cell makes others take most of their limit
FEW = 3  # attempts that show whether a silent cell is silent at low load, too; one that is not gets its whole sample


@dataclass(slots=True)
class Again:
    """The cells of one vantage that are asked again."""

    run: VantageRun
    chosen: dict[str, Question] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def choose(self) -> int:
        """Choose the cells that lost connections under load, mark their attempts, and return how many they are."""
        losses, self.run.losses = self.run.losses, {}
        for question in self.run.questions:
            timings = losses.get(question.cell.id, [])
            reading = self.run.meter.worst_during(timings) if timings else Reading()
            near = STALL if self._silent(question) else NEAR
            if reading.strain >= near and not self._may_be_limited(question):
                self._take(question, reading)
        return len(self.chosen)

    def few(self) -> list[ProbeRequest]:
        """A few attempts of each cell that was never answered at all."""
        silent = [question for cell, question in self.chosen.items() if cell in self.silent]
        return [ProbeRequest(question, min(FEW, question.cell.sample)) for question in silent]

    def whole(self) -> list[ProbeRequest]:
        """The whole sample of the others, and what a sample lacks of those that were answered at low load."""
        lacking = {
            cell: question.cell.sample - (min(FEW, question.cell.sample) if cell in self.silent else 0)
            for cell, question in self.chosen.items()
            if cell not in self.silent or not self._silent(question)
        }
        return [ProbeRequest(self.chosen[cell], times) for cell, times in lacking.items() if times]

    def settle(self) -> None:
        """Note as trouble what was lost at low load while answers were slow all the same."""
        losses, self.run.losses = self.run.losses, {}
        for cell in self.chosen.keys() & losses.keys():
            reading = worst(timing.middle for timing in losses[cell])
            if reading.is_near and cell not in self.run.troubles:
                self.run.troubles[cell] = (
                    f"{self.run.vantage.name}: answers are slow even with few connections open ({reading}): "
                    "ask from an idle machine, or with a longer --connect-timeout"
                )

    def _take(self, question: Question, reading: Reading) -> None:
        cell = question.cell.id
        self.chosen[cell] = question
        if self._silent(question):
            self.silent.add(cell)
        self.run.discount(question, reading)

    def _may_be_limited(self, question: Question) -> bool:
        """Whether the cell was refused as its Service declares, or is asked again at the pace of the ICMP limit."""
        return question.limited and self.run.outcomes(question) <= NO_ANSWER

    def _silent(self, question: Question) -> bool:
        """Whether every attempt that was not made under load was lost."""
        return all(one.lost for one in self.run.attempts[question.cell.id] if not one.loaded)
