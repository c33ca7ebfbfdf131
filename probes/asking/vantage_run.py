"""What one vantage is asked and what came back, filled phase by phase from several threads."""

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
BATCHES_MAX = 5  # of a step at once at one vantage: an sshd grants 10 sessions a connection, and phases overlap


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits within which requests are probed.

    `first`: these are first attempts. `max_parallel`: connections of a batch at a time. `budget`: where each batch
    takes its connections from; None if others have taken them. `gate`: see `base.Prober.run`.
    """

    connect_timeout_s: float
    first: bool = False
    max_parallel: int = curl.PARALLEL_MAX
    budget: Budget | None = None
    gate: Callable[[], object] = at_once


@dataclass(slots=True)
class VantageRun:
    """One vantage's questions, and the attempts of each cell so far."""

    vantage: Prober
    questions: Sequence[Question]
    ports: curl.Ports = field(default_factory=curl.Ports)
    """The client ports of the vantage's host, shared by all vantages on that host."""
    meter: LoadMeter = field(default_factory=LoadMeter)
    """The latencies of all batches of the whole run."""
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    """By cell id, why it could not be probed."""
    silence_confirmed: set[str] = field(default_factory=set)
    """Cells whose silence the ICMP limit cannot explain."""
    silence_unexplained: set[str] = field(default_factory=set)
    """Silent cells for which there was no time to find out whether the ICMP limit is the reason."""
    losses: dict[str, list[BatchTiming]] = field(default_factory=dict)
    """By cell id, the batches in which it lost a connection and whose latency has not been looked at yet."""
    loads: dict[str, str] = field(default_factory=dict)
    """By cell id, why it was probed again at low load."""
    fastest: Fastest = field(default_factory=Fastest)

    def __post_init__(self) -> None:
        self.attempts = {question.cell.id: [] for question in self.questions}

    @property
    def node(self) -> str | None:
        """The vantage's node; None outside the cluster."""
        return self.questions[0].cell.vantage.node

    def first_attempts(self) -> list[ProbeRequest]:
        """Return one attempt of each cell that may be rate-limited or has session affinity."""
        return [ProbeRequest(question) for question in self.questions if question.limited or question.sticky]

    def sample(self, turn: int = 0) -> list[ProbeRequest]:
        """Return the rest of that turn, without cells that may be rate-limited; what may be silent comes first.

        Cells asked by name are not among them: see `names`.
        """
        wanted = [one for one in self.questions if not one.limited and one.turn == turn and not one.by_name]
        return sorted(_rest_of(wanted), key=lambda one: not one.question.silent)

    def names(self) -> list[ProbeRequest]:
        """Return the rest of the cells that are asked by name, without those that may be rate-limited."""
        return _rest_of(question for question in self.questions if question.by_name and not question.limited)

    def rest_of_answered(self) -> list[ProbeRequest]:
        """Return the rest of the sample of cells that might have been rate-limited, and were answered instead."""
        answered = [q for q in self.questions if q.limited and not self.outcomes(q) <= NO_ANSWER]
        return [ProbeRequest(question, question.cell.sample - 1) for question in answered if question.cell.sample > 1]

    def probe(self, requests: Sequence[ProbeRequest], limits: Limits) -> None:
        """Probe in as many batches as it takes; a batch that stays lost is trouble of its cells."""
        run_all(lambda part: self._probe(part, limits), chunks(requests), BATCHES_MAX)

    def outcomes(self, question: Question) -> set[Outcome]:
        """Return the outcomes of a cell's attempts so far, of those that count."""
        return {one.outcome for one in self.attempts[question.cell.id] if one.counts}

    def is_silent(self, question: Question) -> bool:
        """Return whether a cell was probed without trouble, and every attempt that counts timed out."""
        return question.cell.id not in self.troubles and self.outcomes(question) == {Outcome.TIMEOUT}

    def take_losses(self) -> dict[str, list[BatchTiming]]:
        """Return the losses noted since the last call, and forget them."""
        losses, self.losses = self.losses, {}
        return losses

    def discount(self, question: Question, reading: Reading) -> None:
        """Mark all attempts of a cell so far as made under load, because of this reading."""
        cell = question.cell.id
        self.attempts[cell] = [replace(one, loaded=True) for one in self.attempts[cell]]
        self.loads[cell] = str(reading)

    def observations(self) -> dict[str, Observation]:
        """Return what is known so far, by cell id, in the order of the questions; first attempts come first."""
        return {question.cell.id: self._observation(question) for question in self.questions}

    def __str__(self) -> str:
        outcomes = Counter(one.outcome for attempts in self.attempts.values() for one in attempts)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()) or "none"
        why = f"; {len(self.troubles)} cells not asked: {next(iter(self.troubles.values()))}" if self.troubles else ""
        return f"{self.vantage.name}: {len(self.questions)} cells, {outcomes.total()} attempts: {counts}{why}"

    def _observation(self, question: Question) -> Observation:
        cell = question.cell.id
        return Observation(
            cell=cell,
            target=str(question.target),
            attempts=tuple(sorted(self.attempts[cell], key=lambda one: not one.scout)),
            trouble=self.troubles.get(cell, "") or self._doubt_of_dns(question),
            sure=cell in self.silence_confirmed,
            unsure=cell in self.silence_unexplained,
            load=self.loads.get(cell, ""),
        )

    def _doubt_of_dns(self, question: Question) -> str:
        """Return why a missing name shows nothing; an empty string if it does.

        curl reports a refusal by the DNS server, a failure of the server and a missing name in the same words. Only if
        another name was found from here is the server known to answer.
        """
        if not question.by_name or Outcome.NO_NAME not in self.outcomes(question):
            return ""
        named = (one for one in self.questions if one.by_name)
        if any(self.outcomes(one) - {Outcome.NO_NAME} for one in named):
            return ""
        return f"{self.vantage.name}: no name was found in DNS from here, so the cluster's DNS may not be reachable"

    def _probe(self, requests: Sequence[ProbeRequest], limits: Limits) -> None:
        size = min(limits.max_parallel, sum(request.times for request in requests))
        budget = limits.budget
        try:
            with budget.connections(self.vantage.name, size) if budget else nullcontext(size) as granted:
                began = time.monotonic()
                parallel = limits.max_parallel if granted == size else granted
                host = ClientHost(self.vantage, self.ports)
                found = run_batch(host, requests, limits.connect_timeout_s, limits.gate, parallel)
        except TransportError as error:
            self.troubles |= {request.question.cell.id: f"{self.vantage.name}: {error}" for request in requests}
            return
        timing = self._time(began, found, limits)
        for request, transfers in zip(requests, found, strict=True):
            self._note(request.question.cell, transfers, timing, first=limits.first)

    def _time(self, began: float, found: Iterable[Iterable[curl.Transfer]], limits: Limits) -> BatchTiming:
        transfers = [transfer for of_request in found for transfer in of_request]
        self.fastest = self.fastest.including(transfers)
        timing = BatchTiming.of(began, time.monotonic(), transfers, limits.connect_timeout_s, self.fastest)
        self.meter.note(timing)
        if limits.budget:
            limits.budget.learn(timing.tail.strain, began)
        return timing

    def _note(self, cell: Cell, transfers: Iterable[curl.Transfer], timing: BatchTiming, *, first: bool) -> None:
        for transfer in transfers:
            try:
                one = attempt(transfer, scout=first)
            except UnclearError as error:
                self.troubles[cell.id] = f"{self.vantage.name}: {error}"
                continue
            lost = is_lost(one, cell.frontend.kind)
            self.attempts[cell.id].append(replace(one, lost=lost))
            if lost:
                self.losses.setdefault(cell.id, []).append(timing)


def _rest_of(questions: Iterable[Question]) -> list[ProbeRequest]:
    """Return a request for the sample of each question, without its first attempt if session affinity had one made."""
    requests = (ProbeRequest(question, question.cell.sample - question.sticky) for question in questions)
    return [request for request in requests if request.times]
