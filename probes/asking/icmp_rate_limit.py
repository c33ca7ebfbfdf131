"""Ask silent cells again, at the pace at which kernels send ICMP errors, until their silence is explained.

A *place* is a client's node and the node that may refuse it: kernels send one client a burst of 6 ICMP errors, then one
a second (`runner.py`). So a wave reveals one refusal a client, whoever is asked: n refusals beyond the burst take n
waves, 1.1 s apart. A wave asks a window of each vantage's suspects at a place, those whose Service declares no backend
first. Two waves in a row that asked a cell, and in which its place refused nobody, confirm its timeouts: there was an
error to spare.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from probes.asking.batch import ProbeRequest, Question
from probes.asking.vantage_run import VantageRun
from probes.observation import BURST, Outcome
from topologies.common.threads import run_all
from topologies.common.waiting import spaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from threading import Event

WAVES_MAX = 110  # about two minutes: 116 refusals that one node owes one client
IDLE_MAX = 10  # waves in a row that explain nothing; two do so where no wave is late
PACE = 1.1  # seconds between two waves; the kernel gives one token a second
TIMEOUT_MAX = 1.0  # seconds; a refusal needs one round trip, and a second SYN would take the next wave's token
WINDOW = 40  # cells of one vantage and place in a wave: one of them is refused, so that more would only cost attempts
EARLY_WINDOW = 8  # the same while the sample is asked
EARLY_PACE = 1.1  # seconds

Place = tuple[str, str]
Asked = list[tuple[VantageRun, Question]]


def early_waves(runs: Iterable[VantageRun], connect_timeout: float, sampled: Event) -> None:
    """Ask cells that declare no backend and are silent again, while the others are being sampled.

    This confirms no timeout, because the traffic of the sample may take a node's tokens. It saves waves later.
    """
    known = list(runs)
    began = time.monotonic()
    while not sampled.wait(max(0.0, began + EARLY_PACE - time.monotonic())):
        began = time.monotonic()
        owed: dict[Place, Asked] = defaultdict(list)
        for run in known:
            for question in run.questions:
                if question.limited and run.silent(question):
                    owed[question.cell.place].append((run, question))
        if not owed:
            return
        _ask({where: _window(asked, EARLY_WINDOW) for where, asked in owed.items()}, min(connect_timeout, TIMEOUT_MAX))


def waves(runs: Iterable[VantageRun], connect_timeout: float, progress: Callable[[str], None]) -> None:
    """Ask suspects wave by wave until each is answered or confirmed; what WAVES_MAX waves leave is `unsure`.

    One wave without a refusal is not enough: a redirect caused by the asking itself takes a client's tokens for a
    second. A wave in which curl was late itself, or that could not be asked, confirms nothing.
    """
    suspects = _suspects(runs)
    barren: dict[Place, set[str]] = {}
    left = [0] * IDLE_MAX
    for _ in spaced(range(WAVES_MAX), PACE):
        count = sum(map(len, suspects.values()))
        if not suspects or set(left) == {count}:
            break
        left = [*left[1:], count]
        progress(f"{count} silent cells where refusals are limited: asked once more")
        asked = {where: _window(cells, WINDOW) for where, cells in suspects.items()}
        in_time = _ask(asked, min(connect_timeout, TIMEOUT_MAX))
        now = {where: _ids(cells) for where, cells in asked.items() if in_time and len(_silent(cells)) == len(cells)}
        _confirm(asked, {where: ids & barren.get(where, set()) for where, ids in now.items()})
        suspects = {where: rest for where, cells in suspects.items() if (rest := _unconfirmed(cells))}
        barren = now
    for run, question in (pair for cells in suspects.values() for pair in cells):
        run.unsure.add(question.cell.id)


def _suspects(runs: Iterable[VantageRun]) -> dict[Place, Asked]:
    """Per place where the limit was or may have been hit: its silent cells, those that declare no backend first.

    It was hit where a whole burst was refused, and may have been (by what others asked) where a cell that declares no
    backend is silent.
    """
    places: dict[Place, Asked] = defaultdict(list)
    for run in runs:
        for question in run.questions:
            places[question.cell.place].append((run, question))
    found: dict[Place, Asked] = {}
    for where, asked in places.items():
        silent = _silent(asked)
        if silent and (_refused(asked) >= BURST or any(question.limited for _, question in silent)):
            found[where] = sorted(silent, key=lambda pair: not pair[1].limited)
    return found


def _refused(asked: Asked) -> int:
    return sum(one.outcome is Outcome.REFUSED for run, question in asked for one in run.attempts[question.cell.id])


def _window(asked: Asked, size: int) -> Asked:
    """The first `size` cells of each vantage."""
    taken: Counter[int] = Counter()
    window: Asked = []
    for run, question in asked:
        taken[id(run)] += 1
        if taken[id(run)] <= size:
            window.append((run, question))
    return window


def _ask(places: Mapping[Place, Asked], timeout: float) -> bool:
    """Ask every cell once, all vantages together; whether every curl noticed its time limits in time."""
    by_run: dict[int, tuple[VantageRun, list[ProbeRequest]]] = {}
    for run, question in (pair for asked in places.values() for pair in asked):
        by_run.setdefault(id(run), (run, []))[1].append(ProbeRequest(question))
    meter = next(iter(by_run.values()))[0].meter
    earlier = len(meter.timings)
    run_all(lambda pair: pair[0].ask(pair[1], timeout), by_run.values(), len(by_run))
    return not any(timing.middle.is_near for timing in meter.timings[earlier:])


def _silent(asked: Asked) -> Asked:
    return [(run, question) for run, question in asked if run.silent(question)]


def _unconfirmed(asked: Asked) -> Asked:
    return [(run, question) for run, question in _silent(asked) if question.cell.id not in run.sure]


def _ids(asked: Asked) -> set[str]:
    return {question.cell.id for _, question in asked}


def _confirm(places: Mapping[Place, Asked], cells: Mapping[Place, set[str]]) -> None:
    """Silence where its node twice had a token to spare and nobody to refuse."""
    for where, asked in places.items():
        for run, question in asked:
            if question.cell.id in cells.get(where, ()):
                run.sure.add(question.cell.id)
