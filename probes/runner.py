"""Cells of every vantage -> observations. Never sees what is expected.

Kernels limit the ICMP errors they send to one destination to a burst of 6, then one a second
(net.ipv4.icmp_ratelimit; facts/datapath-rules.md section 6.9), and kube-proxy's REJECT is such an error: a naive
parallel asker turns refusals into timeouts. So everything is asked in this order, from all vantages at once:

1. **ahead**: one attempt of every cell whose Service declares no backend, and of every cell with session affinity.
2. **sample**, 0.8 s later or as soon as all of those are answered: the whole sample of every other cell, first of
   those that may well be silent, for their silence lasts longest. Why not together with the others ahead: a packet that
   leaves a node by the device it came in by makes the node send an ICMP *redirect*, which shares its count with the
   errors and starts it empty instead of full (Linux net/ipv4/route.c ip_rt_send_redirect, net/ipv4/inetpeer.c
   inet_peer_xrlim_allow: a fresh peer has no tokens but a long idle time, which a redirect ends).
3. **late**: the rest of the sample of those cells that declare no backend and were answered all the same. One that was
   refused is not asked again (a refusal cannot be an accident of the limit).
4. **later turns**, each when all vantages are through with all before: in ipvs mode, the sample of cells that come from
   inside to another node, so that the kernel takes none of their connections for another (`turns.py`).
5. **waves** (`waves.py`), 1.1 s apart, of the cells that may only seem silent: each wave asks all of them, and each
   node has one token to spend. Where two waves in a row bring none, silence is silence.

No attempt is ever taken back, and none is asked again until it agrees. Transport trouble is no outcome: it is tried
again as transport (`batch.py`), and if it stays, the cells it lost say so in `trouble`.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock, Semaphore
from typing import TYPE_CHECKING

from probes.batch import Question
from probes.curl import PARALLEL_MAX, Ports
from probes.observation import Observation
from probes.sheet import Sheet
from probes.turns import AT_ONCE
from probes.waves import waves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from probes.vantages.base import Vantage

__all__ = ["Question", "ask"]

HEAD_START = 0.8  # seconds


def ask(  # noqa: PLR0913 - three of them with a default that does
    questions: Mapping[str, Sequence[Question]],
    vantages: Mapping[str, Vantage],
    *,
    connect_timeout: float = 2.0,
    together: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    done: Callable[[dict[str, Observation]], None] = lambda _: None,
) -> dict[str, Observation]:
    """Ask every question from its vantage, all vantages at once; the observations come by cell id, in order.

    `questions` by vantage name. `connect_timeout` in seconds. `together`: so many vantages' samples at a time, where
    all of them (0) are more connections than the cluster can take. `progress` gets one line per vantage and round, from
    several threads. `done` gets a vantage's observations by cell id as soon as they are there, and again, in place of
    the older, when more was asked; from several threads; cells whose turn has not come are not among them. Nothing is
    raised for a vantage that cannot be asked: its cells come back with `trouble`. Wall time: connect_timeout + 1 s
    where somebody is silent, as much again for a later turn, and about 1.2 s a wave, of which there is one for every
    refusal beyond 6 that one node owes one client, and two to see that there are none.
    """
    sheets = _sheets(questions, vantages)
    asking = _Asking(sheets, connect_timeout, Semaphore(together or max(1, len(sheets))), progress, done)
    with ThreadPoolExecutor(max_workers=max(1, 2 * len(sheets))) as pool:
        asking.first(pool)
        for turn in sorted({question.turn for sheet in sheets.values() for question in sheet.questions} - {0}):
            asking.later(pool, turn)
    waves(sheets.values(), connect_timeout, progress)
    found: dict[str, Observation] = {}
    for name, asked in questions.items():
        found |= sheets[name].observations() if name in sheets else _unasked(name, asked)
    done(found)
    return found


@dataclass(frozen=True)
class _Asking:
    """The turns of one run. `places`: so many vantages' samples at a time; `progress`, `done`: see `ask`."""

    sheets: Mapping[str, Sheet]
    connect_timeout: float
    places: Semaphore
    progress: Callable[[str], None]
    done: Callable[[dict[str, Observation]], None]

    def first(self, pool: Executor) -> None:
        """What goes ahead, the sample of the first turn, and the rest of what went ahead."""
        begin = Event()
        ahead = {
            name: pool.submit(sheet.ask, sheet.ahead(), self.connect_timeout, scout=True)
            for name, sheet in self.sheets.items()
        }
        finished = [pool.submit(self._sample, sheet, ahead[name], begin) for name, sheet in self.sheets.items()]
        wait(ahead.values(), timeout=HEAD_START)
        begin.set()
        for future in finished:
            future.result()

    def later(self, pool: Executor, turn: int) -> None:
        """The sample of a later turn; one vantage of a node after the other."""
        nodes = {sheet.node: Lock() for sheet in self.sheets.values()}
        asked = [sheet for sheet in self.sheets.values() if sheet.sample(turn)]
        for future in [pool.submit(self._later, sheet, turn, nodes[sheet.node]) for sheet in asked]:
            future.result()

    def _sample(self, sheet: Sheet, ahead: Future[None], begin: Event) -> None:
        with self.places:
            sheet.ask(sheet.sample(), self.connect_timeout, gate=begin.wait)
        ahead.result()
        sheet.ask(sheet.late(), self.connect_timeout)
        self._tell(sheet)

    def _later(self, sheet: Sheet, turn: int, alone: Lock) -> None:
        wants = sheet.sample(turn)
        parallel = AT_ONCE if any(want.question.drawn for want in wants) else PARALLEL_MAX
        with alone, self.places:
            sheet.ask(wants, self.connect_timeout, parallel=parallel)
        self._tell(sheet)

    def _tell(self, sheet: Sheet) -> None:
        self.progress(str(sheet))
        self.done({cell: one for cell, one in sheet.observations().items() if one.attempts or one.trouble})


def _sheets(questions: Mapping[str, Sequence[Question]], vantages: Mapping[str, Vantage]) -> dict[str, Sheet]:
    """One for each vantage that can be asked; those on one host share its client ports."""
    ports: dict[str, Ports] = defaultdict(Ports)
    return {
        name: Sheet(vantages[name], asked, ports[asked[0].cell.vantage.host])
        for name, asked in questions.items()
        if name in vantages and asked
    }


def _unasked(name: str, questions: Sequence[Question]) -> dict[str, Observation]:
    trouble = f"{name}: there is no such vantage in this run, so it could not be asked"
    return {q.cell.id: Observation(cell=q.cell.id, target=str(q.target), trouble=trouble) for q in questions}
