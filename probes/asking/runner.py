"""Cells of every vantage -> observations. Never sees what is expected.

Kernels limit the ICMP errors that they send to one client to a burst of 6, then one a second
(net.ipv4.icmp_ratelimit; docs/observations.md "ICMP rate limit"). kube-proxy's REJECT is such an error. A prober that
sends everything at once turns refusals into timeouts. All vantages are asked at once, in this order:

1. **ahead**: one attempt of every cell whose Service declares no backend, and of every cell with session affinity.
2. **sample**, 0.8 s later or as soon as all of those are answered: the whole sample of every other cell. Cells that are
   likely to be silent go first, because each of their attempts lasts as long as the connect timeout. They do not go
   ahead: a packet that leaves a node by the device it came in by makes the node send an ICMP *redirect*, which uses the
   same counter as the errors and starts it empty instead of full (Linux net/ipv4/route.c ip_rt_send_redirect,
   net/ipv4/inetpeer.c inet_peer_xrlim_allow: a fresh peer has no tokens but a long idle time, which a redirect ends).
   Meanwhile, once a second, cells from step 1 that were silent are asked again (`waves.early_waves`).
3. **late**: the rest of the sample of those cells that declare no backend and were answered all the same. One that was
   refused is not asked again: the ICMP limit cannot make a refusal.
4. **low load** (`low_load.py`): once more, with few connections open, the cells that lost a connection while answers
   anywhere in the run were near their time limit. The decision depends on measured latencies only.
5. **later turns**, each when all vantages have finished the one before: in ipvs mode, the sample of cells that go from
   inside to another node, so that the kernel does not mistake one connection for another (`turns.py`). Each turn has
   its own step 4.
6. **waves** (`waves.py`), 1.1 s apart, of the cells whose silence may be a refusal that the ICMP limit has dropped.
   Two waves without a refusal confirm a timeout.

Steps 1 to 5 take their connections from one budget for the whole run (`budget.py`), step 1 for all vantages together.
The waves do not: they ask each cell of a window once. A cell is never asked until it agrees: step 4 happens once, and
every attempt stays in the record. A failure of the transport is no outcome: the transport is tried again (`batch.py`),
and if that does not help, the cells that it lost carry the reason in `trouble`.

Whatever ends `ask` early (Ctrl-C too) wakes every thread that waits for its turn, and none of them keeps the
interpreter alive.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Event, Lock, Semaphore
from typing import TYPE_CHECKING

from probes.asking.batch import Question
from probes.asking.budget import MOST, AbortedError, Budget, Pace
from probes.asking.curl import PARALLEL_MAX, Ports
from probes.asking.icmp_rate_limit import early_waves, waves
from probes.asking.load_meter import LoadMeter
from probes.asking.low_load import LOW, LOW_BATCH, SILENT_BATCH, Again
from probes.asking.schedule import AT_ONCE
from probes.asking.vantage_run import VantageRun
from probes.observation import Observation
from topologies.common.threads import join, start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from probes.asking.vantages.base import Prober

__all__ = ["Question", "ask"]

HEAD_START = 0.8  # seconds


def ask(  # noqa: PLR0913 - three of them with a default that does
    questions: Mapping[str, Sequence[Question]],
    vantages: Mapping[str, Prober],
    *,
    connect_timeout: float = 2.0,
    together: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    done: Callable[[dict[str, Observation]], None] = lambda _: None,
) -> dict[str, Observation]:
    """Ask every question from its vantage, all vantages at once; return the observations by cell id, in order.

    A vantage that cannot be asked raises nothing: its cells come back with `trouble`. Wall time: the connect timeout
    plus 1 s if a cell is silent, as much again for a later turn, what the connections cost the processors, and 1.1 s
    for every refusal beyond 6 that one node owes one client (at most two minutes).

    Args:
        questions: by vantage name.
        vantages: by name.
        connect_timeout: in seconds.
        together: how many vantages are sampled at a time; 0: all.
        progress: gets one line per vantage and round, from several threads.
        done: gets a vantage's observations by cell id when they are there, and again when more was asked, from several
            threads; cells that have not been asked yet are not among them.

    """
    runs = _runs(questions, vantages)
    asking = _Asking(runs, connect_timeout, Semaphore(together or max(1, len(runs))), progress, done)
    try:
        asking.first()
        for turn in sorted({question.turn for run in runs.values() for question in run.questions} - {0}):
            asking.later(turn)
        waves(runs.values(), connect_timeout, progress)
    finally:
        asking.end()
    found: dict[str, Observation] = {}
    for name, asked in questions.items():
        found |= runs[name].observations() if name in runs else _unasked(name, asked)
    done(found)
    return found


@dataclass(frozen=True)
class _Asking:
    """The turns of one run.

    `places`: how many vantages are sampled at a time. `progress`, `done`: see `ask`. `budget`, `low`: the connections
    of the run and of step 4. `begin`: the sample may start. `sampled`: it is over. `over`: nothing more is asked, for
    whatever reason.
    """

    runs: Mapping[str, VantageRun]
    connect_timeout: float
    places: Semaphore
    progress: Callable[[str], None]
    done: Callable[[dict[str, Observation]], None]
    budget: Budget = field(default_factory=lambda: Budget(Pace(MOST, MOST)))
    low: Budget = field(default_factory=lambda: Budget(Pace(LOW, LOW, LOW)))
    begin: Event = field(default_factory=Event)
    sampled: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)

    def first(self) -> None:
        """What goes ahead, the sample of the first turn, the rest of what went ahead, and step 4 for all of them."""
        requests = {name: run.ahead() for name, run in self.runs.items()}
        with self.budget.connections("ahead", sum(map(len, requests.values()))):
            ahead = [start(self.runs[name].ask, requests[name], self.connect_timeout, scout=True) for name in requests]
            samples = [start(self._sample, run) for run in self.runs.values()]
            wait(ahead, timeout=HEAD_START)
            self.begin.set()
            join(ahead)
        early = start(early_waves, self.runs.values(), self.connect_timeout, self.sampled)
        join(samples)
        self.sampled.set()
        join([early])
        self._each(self._late)
        self._ask_again(PARALLEL_MAX, defaultdict(nullcontext))

    def later(self, turn: int) -> None:
        """The sample of a later turn; one vantage of a node after the other."""
        nodes = {run.node: Lock() for run in self.runs.values()}
        drawn = any(one.drawn and one.turn == turn for run in self.runs.values() for one in run.questions)
        self._each(lambda run: self._later(run, turn, nodes[run.node]))
        self._ask_again(AT_ONCE if drawn else PARALLEL_MAX, nodes)

    def end(self) -> None:
        """Wake every thread that waits for its turn; it will ask nothing."""
        self.over.set()
        self.begin.set()
        self.sampled.set()
        self.budget.abort()
        self.low.abort()

    def _each(self, work: Callable[[VantageRun], None]) -> None:
        join([start(work, run) for run in self.runs.values()])

    def _gate(self) -> None:
        self.begin.wait()
        if self.over.is_set():
            raise AbortedError

    def _sample(self, run: VantageRun) -> None:
        with self.places:
            run.ask(run.sample(), self.connect_timeout, gate=self._gate, budget=self.budget)
        self._tell(run)

    def _late(self, run: VantageRun) -> None:
        if requests := run.late():
            run.ask(requests, self.connect_timeout, budget=self.budget)
            self._tell(run)

    def _later(self, run: VantageRun, turn: int, alone: AbstractContextManager[object]) -> None:
        if not (requests := run.sample(turn)):
            return
        parallel = AT_ONCE if any(request.question.drawn for request in requests) else PARALLEL_MAX
        with alone, self.places:
            run.ask(requests, self.connect_timeout, parallel=parallel, budget=self.budget)
        self._tell(run)

    def _ask_again(self, parallel: int, nodes: Mapping[str | None, AbstractContextManager[object]]) -> None:
        """Step 4: once more, at low load, what our own load may have lost."""
        again = [one for one in map(Again, self.runs.values()) if one.choose()]
        if again:
            count = sum(len(one.chosen) for one in again)
            self.progress(f"{count} cells lost connections while answers were slow: asked again at low load")
        join([start(self._again, one, parallel, nodes[one.run.node]) for one in again])

    def _again(self, again: Again, parallel: int, alone: AbstractContextManager[object]) -> None:
        with alone, self.places:
            for requests, most in ((again.few, SILENT_BATCH), (again.whole, LOW_BATCH)):
                again.run.ask(requests(), self.connect_timeout, parallel=min(parallel, most), budget=self.low)
        again.settle()
        self._tell(again.run)

    def _tell(self, run: VantageRun) -> None:
        if self.over.is_set():
            return
        self.progress(str(run))
        self.done({cell: one for cell, one in run.observations().items() if one.attempts or one.trouble})


def _runs(questions: Mapping[str, Sequence[Question]], vantages: Mapping[str, Prober]) -> dict[str, VantageRun]:
    """One for each vantage that can be asked; those on one host share its client ports."""
    ports: dict[str, Ports] = defaultdict(Ports)
    meter = LoadMeter()
    return {
        name: VantageRun(vantages[name], asked, ports[asked[0].cell.vantage.host], meter)
        for name, asked in questions.items()
        if name in vantages and asked
    }


def _unasked(name: str, questions: Sequence[Question]) -> dict[str, Observation]:
    trouble = f"{name}: there is no such vantage in this run, so it could not be asked"
    return {q.cell.id: Observation(cell=q.cell.id, target=str(q.target), trouble=trouble) for q in questions}
