"""Cells of every vantage -> observations. Never sees what is expected.

All vantages at once, each in two rounds of one curl batch:

1. **scout**: one attempt of every cell.
2. **sample**: a cell whose scout was answered gets the rest of its sample, any other gets two more attempts.

Why not everything at once: kernels limit the ICMP errors they send to one destination to a burst of 6, then one a
second (net.ipv4.icmp_ratelimit; facts/datapath-rules.md section 6.9), and kube-proxy's REJECT is such an error. A
naive burst of 12 attempts a cell turns refusals into timeouts; scouts spend one token a cell. Where the limit was
probably hit all the same (every attempt of a cell silent, while other cells towards the same place from the same node
were refused at least 4 times), a **third round** asks the silent cells once more, 1.1 s apart, at most 9 of them a
place. No attempt is ever taken back or asked again until it agrees.

Transport trouble is no outcome: it is tried again as transport (3 times in all), and if it stays, the vantage's cells
say so in `trouble`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

import stamina

from probes import curl
from probes.classify import UnclearError, attempt
from probes.clock import spaced
from probes.observation import Attempt, Observation, Outcome
from probes.vantages.base import TornError, TransportError, UnusableError
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from probes.cell import Cell
    from probes.vantages.base import Vantage
    from topologies.frontends import Target

SILENT_MAX = (
    250  # attempts that may stay silent in one curl, which has 300 places: the answered ones pass through the rest
)
AGAIN = 2  # further attempts of a cell whose scout was not answered
REFUSED_ENOUGH = 4  # refusals of others after which silence may be the kernel's ICMP limit
PACED_MAX = 9  # cells a place that are asked again, so that the third round stays within 10 s
PACE = 1.1  # seconds between two of them; the kernel gives one token a second
_SLACK = 10.0  # seconds a batch may take beside its attempts: exec, login, 1 MB of output

_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """A cell and the address and port it is asked at."""

    cell: Cell
    target: Target


@dataclass(frozen=True, slots=True)
class _Want:
    """`times` attempts of a question; `silent`: as far as known they may all time out."""

    question: Question
    times: int
    silent: bool


@dataclass(slots=True)
class _Sheet:
    """What one vantage was asked and what came back."""

    vantage: Vantage
    questions: Sequence[Question]
    connect_timeout: float
    attempts: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    troubles: dict[str, str] = field(default_factory=dict)

    def ask(self, wants: Iterable[_Want], *, scout: bool = False) -> None:
        """One round. TransportError if a part of it could not be asked."""
        shards = list(_shards([want for want in wants if want.times > 0]))
        with ThreadPoolExecutor(max_workers=max(1, len(shards))) as pool:
            answers = pool.map(lambda shard: _ask_batch(self.vantage, shard, self.connect_timeout), shards)
            for shard, transfers in zip(shards, answers, strict=True):
                for want, found in zip(shard, transfers, strict=True):
                    self._note(want.question.cell.id, found, scout=scout)

    def lose(self, questions: Iterable[Question], error: TransportError) -> None:
        """Nothing is known of these cells: say why."""
        for question in questions:
            self.troubles[question.cell.id] = f"{self.vantage.name}: {error}"

    def observations(self) -> dict[str, Observation]:
        return {
            question.cell.id: Observation(
                cell=question.cell.id,
                target=str(question.target),
                attempts=tuple(self.attempts[question.cell.id]),
                trouble=self.troubles.get(question.cell.id, ""),
            )
            for question in self.questions
        }

    def _note(self, cell: str, transfers: Iterable[curl.Transfer], *, scout: bool) -> None:
        for transfer in transfers:
            try:
                self.attempts[cell].append(attempt(transfer, scout=scout))
            except UnclearError as error:
                self.troubles[cell] = f"{self.vantage.name}: {error}"


def ask(
    questions: Mapping[str, Sequence[Question]],
    vantages: Mapping[str, Vantage],
    *,
    connect_timeout: float = 2.0,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Observation]:
    """Ask every question from its vantage, all vantages at once; the observations come by cell id, in order.

    `questions` by vantage name. `connect_timeout` in seconds. `progress` gets one line per vantage and round, from
    several threads. Nothing is raised for a vantage that cannot be asked: its cells come back with `trouble`. Wall
    time: connect_timeout plus about 1 s if somebody is silent.
    """
    sheets = {
        name: _Sheet(vantages[name], asked, connect_timeout) for name, asked in questions.items() if name in vantages
    }
    with ThreadPoolExecutor(max_workers=max(1, len(sheets))) as pool:
        for _ in pool.map(lambda sheet: _two_rounds(sheet, progress), sheets.values()):
            pass
    _third_round(list(sheets.values()), progress)
    found: dict[str, Observation] = {}
    for name, asked in questions.items():
        found |= sheets[name].observations() if name in sheets else _unasked(name, asked)
    return found


def _unasked(name: str, questions: Sequence[Question]) -> dict[str, Observation]:
    trouble = f"{name}: there is no such vantage in this run, so it could not be asked"
    return {q.cell.id: Observation(cell=q.cell.id, target=str(q.target), trouble=trouble) for q in questions}


def _two_rounds(sheet: _Sheet, progress: Callable[[str], None]) -> None:
    try:
        sheet.ask((_Want(question, 1, silent=True) for question in sheet.questions), scout=True)
        progress(f"{sheet.vantage.name}: {len(sheet.questions)} cells scouted")
        sheet.ask([_sample(sheet, question) for question in sheet.questions if question.cell.id not in sheet.troubles])
    except TransportError as error:
        sheet.lose(sheet.questions, error)
        progress(f"{sheet.vantage.name}: could not be asked: {error}")
        return
    outcomes = Counter(one.outcome for attempts in sheet.attempts.values() for one in attempts)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    progress(f"{sheet.vantage.name}: {outcomes.total()} attempts: {told}")


def _sample(sheet: _Sheet, question: Question) -> _Want:
    answered = sheet.attempts[question.cell.id][0].outcome is Outcome.OK
    return _Want(question, question.cell.sample - 1 if answered else AGAIN, silent=not answered)


def _third_round(sheets: Sequence[_Sheet], progress: Callable[[str], None]) -> None:
    """Ask once more, slowly, where the ICMP limit may have swallowed refusals."""
    places = _limited(sheets)
    if not places:
        return
    progress(f"{sum(map(len, places))} silent cells beside refused ones: asked once more, {PACE:g} s apart")
    with ThreadPoolExecutor(max_workers=PACED_MAX * len(sheets)) as pool:
        for slot in spaced(zip_longest(*places), PACE):
            by_sheet: dict[int, list[Question]] = defaultdict(list)
            for number, question in filter(None, slot):
                by_sheet[number].append(question)
            for number, asked in by_sheet.items():
                pool.submit(_ask_again, sheets[number], asked)


def _ask_again(sheet: _Sheet, questions: Sequence[Question]) -> None:
    try:
        sheet.ask([_Want(question, 1, silent=True) for question in questions])
    except TransportError as error:
        sheet.lose(questions, error)


def _limited(sheets: Sequence[_Sheet]) -> list[list[tuple[int, Question]]]:
    """Per place where the limit was probably hit: its silent cells, each with the number of its sheet."""
    refused: Counter[_Place] = Counter()
    silent: dict[_Place, list[tuple[int, Question]]] = defaultdict(list)
    for number, sheet in enumerate(sheets):
        for question in sheet.questions:
            outcomes = [one.outcome for one in sheet.attempts[question.cell.id]]
            refused[_place(question)] += outcomes.count(Outcome.REFUSED)
            if set(outcomes) == {Outcome.TIMEOUT} and question.cell.id not in sheet.troubles:
                silent[_place(question)].append((number, question))
    return [found[:PACED_MAX] for place, found in silent.items() if refused[place] >= REFUSED_ENOUGH]


def _place(question: Question) -> _Place:
    """Who refuses whom: the node asked from and the address asked; the own node refuses for a virtual address."""
    vantage, frontend = question.cell.vantage, question.cell.frontend
    real = frontend.kind in {FrontendKind.NODE_PORT, FrontendKind.ENDPOINT}
    return vantage.node or vantage.name, str(question.target.address) if real else "virtual"


def _shards(wants: Sequence[_Want]) -> Iterable[list[_Want]]:
    """Batches in which no attempt waits for a silent one: usually one."""
    shard: list[_Want] = []
    waiting = 0
    for want in sorted(wants, key=lambda want: not want.silent):
        if want.silent and waiting + want.times > SILENT_MAX:
            yield shard
            shard, waiting = [], 0
        shard.append(want)
        waiting += want.times if want.silent else 0
    if shard:
        yield shard


def _ask_batch(vantage: Vantage, wants: Sequence[_Want], connect_timeout: float) -> list[list[curl.Transfer]]:
    """Run one batch and read it; output that came back torn is asked for once more."""
    asks = [curl.Ask(want.question.target, want.times) for want in wants]
    batch = curl.compose(asks, connect_timeout)
    turns = 1 + sum(ask.times for ask in asks) // curl.PARALLEL_MAX
    timeout = (connect_timeout + curl.ANSWER_TIME) * turns + _SLACK
    for attempt_ in stamina.retry_context(on=TornError, attempts=2, wait_initial=0.1, wait_jitter=0.1):
        with attempt_:
            return curl.read(_carry(vantage, batch, timeout), asks)
    raise AssertionError  # stamina either returns or raises


def _carry(vantage: Vantage, batch: curl.Batch, timeout: float) -> bytes:
    for attempt_ in stamina.retry_context(on=_cut, attempts=3, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2):
        with attempt_:
            return vantage.run(batch.command, batch.stdin, timeout).stdout
    raise AssertionError  # stamina either returns or raises


def _cut(error: Exception) -> bool:
    return isinstance(error, TransportError) and not isinstance(error, (TornError, UnusableError))
