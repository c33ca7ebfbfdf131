"""What one vantage is asked, and what came back: filled round by round, from several threads."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from probes.asking import curl
from probes.asking.batch import ClientHost, ProbeRequest, Question, chunks, run_batch
from probes.asking.classify import UnclearError, attempt
from probes.asking.load_meter import BatchTiming, Fastest, LoadMeter, Reading, is_lost
from probes.asking.vantages.base import TransportError, at_once
from probes.observation import Attempt, Observation, Outcome
from topologies.common.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probes.asking.budget import Budget
    from probes.asking.vantages.base import Prober
    from probes.plan.cell import Cell

NO_ANSWER = {Outcome.TIMEOUT, Outcome.REFUSED, Outcome.UNREACHABLE}
BATCHES_MAX = 5  # of a round at once at one vantage: an sshd grants 10 sessions a connection, and rounds overlap


@dataclass(slots=True)
class VantageRun:
    """One vantage's questions and answers.

    `ports`: those of the vantage's host, shared with whoever else asks from there. `meter`: the readings of the whole
    run. `sure`, `unsure`: cells whose silence the ICMP limit cannot explain, and those where nobody could find out.
    `losses`: for each cell the batches in which it lost a connection, until somebody has looked at their latency.
    `loads`: why a cell was asked again at low load. `fastest`: the fastest answer so far.
    """

    vantage: Prober
    questions: Sequence[Question]
    ports: curl.Ports = field(default_factory=curl.Ports)
    meter: LoadMeter = field(default_factory=LoadMeter)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    losses: dict[str, list[BatchTiming]] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)
    fastest: Fastest = field(default_factory=Fastest)

    def __post_init__(self) -> None:
        self.attempts = {question.cell.id: [] for question in self.questions}

    @property
    def node(self) -> str | None:
        """The node it asks from; None outside the cluster."""
        return self.questions[0].cell.vantage.node

    def ahead(self) -> list[ProbeRequest]:
        """The attempts that go ahead of all others."""
        return [ProbeRequest(question) for question in self.questions if question.limited or question.sticky]

    def sample(self, turn: int = 0) -> list[ProbeRequest]:
        """Everything else of that turn, but for cells that may be limited; what may be silent comes first."""
        unlimited = [question for question in self.questions if not question.limited and question.turn == turn]
        requests = [ProbeRequest(question, question.cell.sample - question.sticky) for question in unlimited]
        return sorted(
            (request for request in requests if request.times), key=lambda request: not request.question.silent
        )

    def late(self) -> list[ProbeRequest]:
        """The rest of the sample of cells that might have been limited, and were answered instead."""
        answered = [q for q in self.questions if q.limited and not self.outcomes(q) <= NO_ANSWER]
        return [ProbeRequest(question, question.cell.sample - 1) for question in answered if question.cell.sample > 1]

    def ask(  # noqa: PLR0913 - how a round is asked, by keyword
        self,
        requests: Iterable[ProbeRequest],
        connect_timeout: float,
        *,
        scout: bool = False,
        gate: Callable[[], object] = at_once,
        parallel: int = curl.PARALLEL_MAX,
        budget: Budget | None = None,
    ) -> None:
        """One round, in as many batches as it takes; a batch that stays lost is trouble of its cells.

        `gate`: see `base.Prober.run`; `parallel`: connections of a batch at a time; `budget`: where each batch takes
        its connections from, or None where others have taken them.
        """
        run_all(
            lambda part: self._ask(part, connect_timeout, gate, parallel, budget, scout=scout),
            chunks(list(requests)),
            BATCHES_MAX,
        )

    def outcomes(self, question: Question) -> set[Outcome]:
        """The outcomes of a cell's attempts so far, of those that count."""
        return {one.outcome for one in self.attempts[question.cell.id] if one.counts}

    def silent(self, question: Question) -> bool:
        """Asked, without trouble, and never answered at all."""
        return question.cell.id not in self.troubles and self.outcomes(question) == {Outcome.TIMEOUT}

    def discount(self, question: Question, reading: Reading) -> None:
        """Mark all attempts of a cell so far as made under load, because of this reading."""
        cell = question.cell.id
        self.attempts[cell] = [replace(one, loaded=True) for one in self.attempts[cell]]
        self.loads[cell] = str(reading)

    def observations(self) -> dict[str, Observation]:
        """What is known so far, by cell id, in the order of the questions; a cell's scout comes first."""
        return {question.cell.id: self._observation(question) for question in self.questions}

    def __str__(self) -> str:
        outcomes = Counter(one.outcome for attempts in self.attempts.values() for one in attempts)
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()) or "none"
        why = f"; {len(self.troubles)} cells not asked: {next(iter(self.troubles.values()))}" if self.troubles else ""
        return f"{self.vantage.name}: {len(self.questions)} cells, {outcomes.total()} attempts: {told}{why}"

    def _observation(self, question: Question) -> Observation:
        cell = question.cell.id
        return Observation(
            cell=cell,
            target=str(question.target),
            attempts=tuple(sorted(self.attempts[cell], key=lambda one: not one.scout)),
            trouble=self.troubles.get(cell, ""),
            sure=cell in self.sure,
            unsure=cell in self.unsure,
            load=self.loads.get(cell, ""),
        )

    def _ask(  # noqa: PLR0913 - see ask
        self,
        requests: Sequence[ProbeRequest],
        connect_timeout: float,
        gate: Callable[[], object],
        parallel: int,
        budget: Budget | None,
        *,
        scout: bool,
    ) -> None:
        size = min(parallel, sum(request.times for request in requests))
        try:
            with budget.connections(self.vantage.name, size) if budget else nullcontext(size) as granted:
                began = time.monotonic()
                fewer = parallel if granted == size else granted
                found = run_batch(ClientHost(self.vantage, self.ports), requests, connect_timeout, gate, fewer)
        except TransportError as error:
            self.troubles |= {request.question.cell.id: f"{self.vantage.name}: {error}" for request in requests}
            return
        timing = self._time(began, found, connect_timeout, budget)
        for request, transfers in zip(requests, found, strict=True):
            self._note(request.question.cell, transfers, timing, scout=scout)

    def _time(
        self, began: float, found: Iterable[Iterable[curl.Transfer]], connect_timeout: float, budget: Budget | None
    ) -> BatchTiming:
        transfers = [transfer for of_request in found for transfer in of_request]
        self.fastest = self.fastest.including(transfers)
        timing = BatchTiming.of(began, time.monotonic(), transfers, connect_timeout, self.fastest)
        self.meter.note(timing)
        if budget:
            budget.learn(timing.tail.strain, began)
        return timing

    def _note(self, cell: Cell, transfers: Iterable[curl.Transfer], timing: BatchTiming, *, scout: bool) -> None:
        for transfer in transfers:
            try:
                one = attempt(transfer, scout=scout)
            except UnclearError as error:
                self.troubles[cell.id] = f"{self.vantage.name}: {error}"
                continue
            lost = is_lost(one, cell.frontend.kind)
            self.attempts[cell.id].append(replace(one, lost=lost))
            if lost:
                self.losses.setdefault(cell.id, []).append(timing)
