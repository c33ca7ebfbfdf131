"""Cells of every vantage -> observations. Never sees what is expected.

All vantages at once, each in two rounds of one curl batch:

1. **scout**: one attempt of every cell.
2. **sample**: a cell whose scout was answered gets the rest of its sample, any other two more attempts, with half the
   time to connect: the scout had the whole.

Why not everything at once: kernels limit the ICMP errors they send to one destination to a burst of 6, then one a
second (net.ipv4.icmp_ratelimit; facts/datapath-rules.md section 6.9), and kube-proxy's REJECT is such an error. A
naive burst of 12 attempts a cell turns refusals into timeouts; scouts spend one token a cell. Where more than 2 scouts
from one node were refused by one node, the burst is as good as spent, and tokens are kept for the cells that have
none yet: a refused cell is not asked again (a refusal cannot be an accident of the limit), a silent one only once.

Cells that stay silent where at least 4 attempts from the same node were refused by the same node are then asked in
**waves**, 1.1 s apart: each wave asks all that are still silent, and each node has one token to spend. A wave in which
a node refuses nobody had a token to spare, so the rest is truly silent. At most 9 waves. No attempt is ever taken
back, and none is asked again until it agrees.

Transport trouble is no outcome: it is tried again as transport (3 times in all), and if it stays, the vantage's cells
say so in `trouble`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
CROWDED = 2  # refused scouts of one vantage at one node; three attempts each just fit into a burst of 6 tokens
REFUSED_ENOUGH = 4  # refusals at a place after which silence may be the kernel's ICMP limit
WAVES_MAX = 9  # so that they end within about 10 s
PACE = 1.1  # seconds between two waves; the kernel gives one token a second
_SLACK = 10.0  # seconds a batch may take beside its attempts: exec, login, 1 MB of output

_Place = tuple[str, str]
_Suspects = dict[_Place, list[tuple["_Sheet", "Question"]]]
_REFUSALS = {Outcome.REFUSED, Outcome.UNREACHABLE}  # told by ICMP, or by a closed port, which looks the same


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
        timeout = self.connect_timeout if scout else self.connect_timeout / 2
        shards = list(_shards([want for want in wants if want.times > 0]))
        with ThreadPoolExecutor(max_workers=max(1, len(shards))) as pool:
            answers = pool.map(lambda shard: _ask_batch(self.vantage, shard, timeout), shards)
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
    done: Callable[[dict[str, Observation]], None] = lambda _: None,
) -> dict[str, Observation]:
    """Ask every question from its vantage, all vantages at once; the observations come by cell id, in order.

    `questions` by vantage name. `connect_timeout` in seconds. `progress` gets one line per vantage and round, from
    several threads. `done` gets a vantage's observations by cell id as soon as they are there, and again, in place of
    the older, when more was asked; from several threads. Nothing is raised for a vantage that cannot be asked: its
    cells come back with `trouble`. Wall time: 1.5 x connect_timeout + 1 s where somebody is silent, and about 1.2 s a
    wave.
    """
    sheets = {
        name: _Sheet(vantages[name], asked, connect_timeout) for name, asked in questions.items() if name in vantages
    }
    _at_once(_scout, sheets.values(), progress)
    refused = _refused_scouts(sheets.values())
    _at_once(lambda sheet: sheet.ask(_samples(sheet, refused)), sheets.values(), progress)
    for sheet in sheets.values():
        progress(_told(sheet))
        done(sheet.observations())
    _waves(sheets.values(), progress)
    found: dict[str, Observation] = {}
    for name, asked in questions.items():
        found |= sheets[name].observations() if name in sheets else _unasked(name, asked)
    return found


def _unasked(name: str, questions: Sequence[Question]) -> dict[str, Observation]:
    trouble = f"{name}: there is no such vantage in this run, so it could not be asked"
    return {q.cell.id: Observation(cell=q.cell.id, target=str(q.target), trouble=trouble) for q in questions}


def _at_once(step: Callable[[_Sheet], None], sheets: Iterable[_Sheet], progress: Callable[[str], None]) -> None:
    """One round of every vantage that can be asked; one that then cannot loses its cells."""

    def guarded(sheet: _Sheet) -> None:
        try:
            step(sheet)
        except TransportError as error:
            sheet.lose(sheet.questions, error)
            progress(f"{sheet.vantage.name}: could not be asked: {error}")

    standing = [sheet for sheet in sheets if len(sheet.troubles) < len(sheet.questions)]
    with ThreadPoolExecutor(max_workers=max(1, len(standing))) as pool:
        list(pool.map(guarded, standing))


def _scout(sheet: _Sheet) -> None:
    sheet.ask((_Want(question, 1, silent=True) for question in sheet.questions), scout=True)


def _told(sheet: _Sheet) -> str:
    outcomes = Counter(one.outcome for attempts in sheet.attempts.values() for one in attempts)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    return f"{sheet.vantage.name}: {len(sheet.questions)} cells, {outcomes.total()} attempts: {told or 'none'}"


def _refused_scouts(sheets: Iterable[_Sheet]) -> Counter[_Place]:
    return Counter(
        _place(question)
        for sheet in sheets
        for question in sheet.questions
        for one in sheet.attempts[question.cell.id]
        if one.outcome in _REFUSALS
    )


def _samples(sheet: _Sheet, refused: Counter[_Place]) -> list[_Want]:
    wants = []
    for question in sheet.questions:
        if question.cell.id in sheet.troubles:
            continue
        outcome = sheet.attempts[question.cell.id][0].outcome
        if outcome is Outcome.OK:
            times = question.cell.sample - 1
        elif refused[_place(question)] > CROWDED:
            times = 0 if outcome in _REFUSALS else 1
        else:
            times = AGAIN
        wants.append(_Want(question, times, silent=outcome is not Outcome.OK))
    return wants


def _waves(sheets: Iterable[_Sheet], progress: Callable[[str], None]) -> None:
    """Ask what may only seem silent, until nobody refuses any more."""
    suspects = _suspects(sheets)
    for _ in spaced(range(WAVES_MAX), PACE):
        if not suspects:
            return
        progress(f"{sum(map(len, suspects.values()))} silent cells beside refused ones: asked once more")
        _wave(suspects)
        suspects = {place: _silent(asked) for place, asked in suspects.items() if len(_silent(asked)) < len(asked)}
        suspects = {place: asked for place, asked in suspects.items() if asked}


def _wave(suspects: _Suspects) -> None:
    by_sheet: dict[int, tuple[_Sheet, list[Question]]] = {}
    for sheet, question in (pair for pairs in suspects.values() for pair in pairs):
        by_sheet.setdefault(id(sheet), (sheet, []))[1].append(question)
    with ThreadPoolExecutor(max_workers=len(by_sheet)) as pool:
        list(pool.map(lambda pair: _ask_again(*pair), by_sheet.values()))


def _ask_again(sheet: _Sheet, questions: Sequence[Question]) -> None:
    try:
        sheet.ask([_Want(question, 1, silent=True) for question in questions])
    except TransportError as error:
        sheet.lose(questions, error)


def _suspects(sheets: Iterable[_Sheet]) -> _Suspects:
    """Per place where the limit was probably hit: its silent cells."""
    pairs: _Suspects = defaultdict(list)
    for sheet in sheets:
        for question in sheet.questions:
            pairs[_place(question)].append((sheet, question))
    found = {place: _silent(asked) for place, asked in pairs.items() if _refusals(asked) >= REFUSED_ENOUGH}
    return {place: asked for place, asked in found.items() if asked}


def _refusals(pairs: Iterable[tuple[_Sheet, Question]]) -> int:
    return sum(one.outcome in _REFUSALS for sheet, question in pairs for one in sheet.attempts[question.cell.id])


def _silent(pairs: Iterable[tuple[_Sheet, Question]]) -> list[tuple[_Sheet, Question]]:
    """Those that never got any answer, and have no trouble."""
    return [
        (sheet, question)
        for sheet, question in pairs
        if question.cell.id not in sheet.troubles
        and {one.outcome for one in sheet.attempts[question.cell.id]} == {Outcome.TIMEOUT}
    ]


def _place(question: Question) -> _Place:
    """From which node, and which node would refuse: the one asked by name, else (a virtual address) the asker's own."""
    vantage, frontend = question.cell.vantage, question.cell.frontend
    here = vantage.node or vantage.name
    named = frontend.kind is FrontendKind.NODE_PORT and frontend.node
    return here, str(named or here)


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
