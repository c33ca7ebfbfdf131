"""Which silences may be the kernel's ICMP limit, and asking those again, at the pace the limit allows."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from probes.batch import Question, Want
from probes.clock import spaced
from probes.observation import BURST, Outcome
from probes.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WAVES_MAX = 9
PACE = 1.1  # seconds between two waves; the kernel gives one token a second
TIMEOUT_MAX = 1.0  # seconds; a refusal needs one round trip, and a second SYN would take the next wave's token

Place = tuple[str, str]
Asked = list[tuple[Sheet, Question]]


def waves(sheets: Iterable[Sheet], connect_timeout: float, progress: Callable[[str], None]) -> None:
    """Ask every suspect once a wave, until its place has refused nobody twice in a row: then silence is silence.

    Once is not enough: a redirect that the asking itself has caused leaves a client without a token for a second.
    """
    suspects = _suspects(sheets)
    barren: set[Place] = set()
    for _ in spaced(range(WAVES_MAX), PACE):
        if not suspects:
            return
        progress(f"{sum(map(len, suspects.values()))} silent cells where refusals are limited: asked once more")
        _wave(suspects, min(connect_timeout, TIMEOUT_MAX))
        again = {where for where, asked in suspects.items() if len(_silent(asked)) == len(asked)}
        _note_sure(suspects[where] for where in again & barren)
        suspects = {where: _silent(asked) for where, asked in suspects.items() if where not in again & barren}
        suspects = {where: asked for where, asked in suspects.items() if asked}
        barren = again


def _suspects(sheets: Iterable[Sheet]) -> dict[Place, Asked]:
    """Per place where the limit was or may have been hit: its silent cells.

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
            found[where] = silent
    return found


def _refused(asked: Asked) -> int:
    return sum(one.outcome is Outcome.REFUSED for sheet, question in asked for one in sheet.attempts[question.cell.id])


def _wave(suspects: dict[Place, Asked], timeout: float) -> None:
    by_sheet: dict[int, tuple[Sheet, list[Want]]] = {}
    for sheet, question in (pair for asked in suspects.values() for pair in asked):
        by_sheet.setdefault(id(sheet), (sheet, []))[1].append(Want(question))
    with ThreadPoolExecutor(max_workers=len(by_sheet)) as pool:
        list(pool.map(lambda pair: pair[0].ask(pair[1], timeout), by_sheet.values()))


def _silent(asked: Asked) -> Asked:
    return [(sheet, question) for sheet, question in asked if sheet.silent(question)]


def _note_sure(places: Iterable[Asked]) -> None:
    """Silence where its node twice had a token to spare and nobody to refuse."""
    for sheet, question in (pair for asked in places for pair in asked):
        sheet.sure.add(question.cell.id)
