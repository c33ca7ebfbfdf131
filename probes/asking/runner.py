"""Probe the cells of every vantage: a loop over the phases of `schedule.py`. Never sees what is expected.

A failure of the transport is no outcome. The transport is tried again (`batch.py`). If that does not help, the lost
cells carry the reason in `trouble`. If `ask` ends early (Ctrl-C too), every waiting thread is woken, and no thread
keeps the interpreter alive.
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
from probes.asking.curl import Ports
from probes.asking.load_meter import LoadMeter
from probes.asking.low_load import LOW
from probes.asking.phase import Connections
from probes.asking.schedule import phases
from probes.asking.vantage_run import Limits, VantageRun
from probes.asking.vantages.base import at_once
from probes.observation import Observation
from topologies.common.threads import join, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from probes.asking.phase import Phase
    from probes.asking.vantages.base import Prober

__all__ = ["Question", "ask"]


def ask(  # noqa: PLR0913 - three of them with a default that does
    questions: Mapping[str, Sequence[Question]],
    vantages: Mapping[str, Prober],
    *,
    connect_timeout: float = 2.0,
    together: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    done: Callable[[dict[str, Observation]], None] = lambda _: None,
) -> dict[str, Observation]:
    """Probe every question from its vantage, all vantages at once; return the observations by cell id, in order.

    A vantage that cannot be asked raises nothing: its cells have `trouble`.

    Args:
        questions: by vantage name.
        vantages: by name.
        connect_timeout: in seconds.
        together: how many vantages are sampled at a time; 0: all.
        progress: gets one line per vantage and phase, from several threads.
        done: gets a vantage's observations by cell id after each phase, from several threads; cells that have not been
            probed yet are not among them.

    """
    runs = _vantage_runs(questions, vantages)
    probing = _Probing(list(runs.values()), connect_timeout, Semaphore(together or max(1, len(runs))), progress, done)
    try:
        probing.run(phases(probing.runs))
    finally:
        probing.end()
    found: dict[str, Observation] = {}
    for name, asked in questions.items():
        found |= runs[name].observations() if name in runs else _unasked(name, asked)
    done(found)
    return found


@dataclass(frozen=True)
class _Probing:
    """One run over the phases."""

    runs: Sequence[VantageRun]
    connect_timeout: float
    places: Semaphore
    """How many vantages are sampled at a time."""
    progress: Callable[[str], None]
    done: Callable[[dict[str, Observation]], None]
    budget: Budget = field(default_factory=lambda: Budget(Pace(MOST, MOST)))
    low: Budget = field(default_factory=lambda: Budget(Pace(LOW, LOW, LOW)))
    begin: Event = field(default_factory=Event)
    """The head start is over."""
    sampled: Event = field(default_factory=Event)
    """The phase beside which others are probed is over."""
    over: Event = field(default_factory=Event)
    """Nothing more is probed, for whatever reason."""

    def run(self, order: Iterator[Phase]) -> None:
        """Probe one phase after the other."""
        for phase in order:
            if phase.head_start_s:
                self._give_head_start(phase, next(order))
            else:
                self._finish(phase, self._start(phase))

    def end(self) -> None:
        """Wake every waiting thread; it will probe nothing."""
        self.over.set()
        self.begin.set()
        self.sampled.set()
        self.budget.abort()
        self.low.abort()

    def _give_head_start(self, ahead: Phase, phase: Phase) -> None:
        """Probe `ahead`, and `phase` a little later; its commands are started meanwhile, which takes its time."""
        count = sum(len(step.requests) for run in self.runs for step in ahead.steps(run))
        with self.budget.connections(ahead.name, count):
            first = self._start(ahead)
            second = self._start(phase, self._gate)
            wait(first, timeout=ahead.head_start_s)
            self.begin.set()
            join(first)
        self._finish(phase, second)

    def _finish(self, phase: Phase, threads: Sequence[Future[None]]) -> None:
        """Wait for the threads of a phase; meanwhile probe the phases that belong beside it."""
        beside = start(self._probe_beside, phase.meanwhile(self.sampled)) if phase.meanwhile else None
        join(threads)
        if beside:
            self.sampled.set()
            join([beside])

    def _probe_beside(self, order: Iterator[Phase]) -> None:
        for phase in order:
            join(self._start(phase))

    def _start(self, phase: Phase, gate: Callable[[], object] = at_once) -> list[Future[None]]:
        """Start one thread per vantage."""
        if phase.note:
            self.progress(phase.note)
        locks: dict[str | None, AbstractContextManager[object]]
        locks = defaultdict(Lock if phase.one_vantage_per_node else nullcontext)
        return [start(self._probe, phase, run, gate, locks[run.node]) for run in self.runs]

    def _probe(
        self, phase: Phase, run: VantageRun, gate: Callable[[], object], alone: AbstractContextManager[object]
    ) -> None:
        """Probe the steps of one vantage one after the other, then report it."""
        budget = {Connections.BATCH: self.budget, Connections.LOW_LOAD: self.low}.get(phase.connections)
        timeout_s, probed = min(self.connect_timeout, phase.connect_timeout_max_s), False
        with alone, self.places if budget else nullcontext():
            for step in phase.steps(run):
                run.probe(step.requests, Limits(timeout_s, phase.first, step.max_parallel, budget, gate))
                probed = True
        if budget and probed:
            self._report(run)

    def _gate(self) -> None:
        self.begin.wait()
        if self.over.is_set():
            raise AbortedError

    def _report(self, run: VantageRun) -> None:
        if self.over.is_set():
            return
        self.progress(str(run))
        self.done({cell: one for cell, one in run.observations().items() if one.attempts or one.trouble})


def _vantage_runs(questions: Mapping[str, Sequence[Question]], vantages: Mapping[str, Prober]) -> dict[str, VantageRun]:
    """Return one for each vantage that can be asked; those on one host share its client ports."""
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
