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

from probes.asking.batch import Question, Want
from probes.asking.vantage_run import Sheet
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
Asked = list[tuple[Sheet, Question]]


def early_waves(sheets: Iterable[Sheet], connect_timeout: float, sampled: Event) -> None:
    """Ask cells that declare no backend and are silent again, while the others are being sampled.

    This confirms no timeout, because the traffic of the sample may take a node's tokens. It saves waves later.
    """
    known = list(sheets)
    began = time.monotonic()
    while not sampled.wait(max(0.0, began + EARLY_PACE - time.monotonic())):
        began = time.monotonic()
        owed: dict[Place, Asked] = defaultdict(list)
        for sheet in known:
            for question in sheet.questions:
                if question.limited and sheet.silent(question):
                    owed[question.cell.place].append((sheet, question))
        if not owed:
            return
        _ask({where: _window(asked, EARLY_WINDOW) for where, asked in owed.items()}, min(connect_timeout, TIMEOUT_MAX))


def waves(sheets: Iterable[Sheet], connect_timeout: float, progress: Callable[[str], None]) -> None:
    """Ask suspects wave by wave until each is answered or confirmed; what WAVES_MAX waves leave is `unsure`.

    One wave without a refusal is not enough: a redirect caused by the asking itself takes a client's tokens for a
    second. A wave in which curl was late itself, or that could not be asked, confirms nothing.
    """
    suspects = _suspects(sheets)
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
    for sheet, question in (pair for cells in suspects.values() for pair in cells):
        sheet.unsure.add(question.cell.id)


def _suspects(sheets: Iterable[Sheet]) -> dict[Place, Asked]:
    """Per place where the limit was or may have been hit: its silent cells, those that declare no backend first.

    It was hit where a whole burst was refused, and may have been (by what others asked) where a cell that declares no
    backend is silent.
    """
    places: dict[Place, Asked] = defaultdict(list)
    for sheet in sheets:
        for question in sheet.questions:
            places[question.cell.place].append((sheet, question))
    found: dict[Place, Asked] = {}
    for where, asked in places.items():
        silent = _silent(asked)
        if silent and (_refused(asked) >= BURST or any(question.limited for _, question in silent)):
            found[where] = sorted(silent, key=lambda pair: not pair[1].limited)
    return found


def _refused(asked: Asked) -> int:
    return sum(one.outcome is Outcome.REFUSED for sheet, question in asked for one in sheet.attempts[question.cell.id])


def _window(asked: Asked, size: int) -> Asked:
    """The first `size` cells of each vantage."""
    taken: Counter[int] = Counter()
    window: Asked = []
    for sheet, question in asked:
        taken[id(sheet)] += 1
        if taken[id(sheet)] <= size:
            window.append((sheet, question))
    return window


def _ask(places: Mapping[Place, Asked], timeout: float) -> bool:
    """Ask every cell once, all vantages together; whether every curl noticed its time limits in time."""
    by_sheet: dict[int, tuple[Sheet, list[Want]]] = {}
    for sheet, question in (pair for asked in places.values() for pair in asked):
        by_sheet.setdefault(id(sheet), (sheet, []))[1].append(Want(question))
    meter = next(iter(by_sheet.values()))[0].meter
    earlier = len(meter.timings)
    run_all(lambda pair: pair[0].ask(pair[1], timeout), by_sheet.values(), len(by_sheet))
    return not any(timing.middle.is_near for timing in meter.timings[earlier:])


def _silent(asked: Asked) -> Asked:
    return [(sheet, question) for sheet, question in asked if sheet.silent(question)]


def _unconfirmed(asked: Asked) -> Asked:
    return [(sheet, question) for sheet, question in _silent(asked) if question.cell.id not in sheet.sure]


def _ids(asked: Asked) -> set[str]:
    return {question.cell.id for _, question in asked}


def _confirm(places: Mapping[Place, Asked], cells: Mapping[Place, set[str]]) -> None:
    """Silence where its node twice had a token to spare and nobody to refuse."""
    for where, asked in places.items():
        for sheet, question in asked:
            if question.cell.id in cells.get(where, ()):
                sheet.sure.add(question.cell.id)
