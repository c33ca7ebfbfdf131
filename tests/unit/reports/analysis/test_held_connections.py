from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.asking.continuous.events import HeldAnswer, HeldConnection, VantageEvents
from reports.analysis.held_connections import Fate, follow_connections
from reports.analysis.measured import Interval

if TYPE_CHECKING:
    from reports.analysis.held_connections import HeldFate

WHOLE = Interval(10.0, 14.0)
PHASES = {"stopped": Interval(10.0, 12.0), "synced": Interval(12.0, 14.0)}


def answers(begin: float, end: float, source: str = "10.0.0.1") -> list[HeldAnswer]:
    times = [begin + 0.2 * number for number in range(round((end - begin) / 0.2))]
    return [HeldAnswer(sent, sent + 0.01, source) for sent in times]


def held_with(**given: Any) -> HeldConnection:
    values: dict[str, Any] = {"cell": "c", "opened": 9.0, "backend": "web-a", "answers": answers(9, 15)}
    return HeldConnection(**(values | given))


def followed(**given: Any) -> HeldFate:
    held = held_with(**given)
    [fate] = follow_connections([VantageEvents("v", connections=(held,))], WHOLE, PHASES, zero=10.0)
    return fate


def test_one_that_is_always_answered_survives() -> None:
    fate = followed()

    assert (fate.fate, fate.at_s, fate.phase, fate.is_lost) == (Fate.SURVIVED, None, None, False)
    assert fate.slowest_s == pytest.approx(0.01)


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_one_that_ends_in_a_phase_is_lost_there(how: str) -> None:
    fate = followed(answers=answers(9, 12.5), lost_at=12.5, how=how)

    assert (fate.fate, fate.at_s, fate.phase, fate.is_lost) == (Fate(how), 2.5, "synced", True)


def test_one_without_an_answer_hangs_since_its_question() -> None:
    fate = followed(answers=answers(9, 11), waits_since=11.0)

    assert (fate.fate, fate.at_s, fate.phase, fate.is_lost) == (Fate.HUNG, 1.0, "stopped", True)


def test_one_that_is_lost_later_survives_this_step() -> None:
    assert followed(lost_at=14.5, how="reset").fate is Fate.SURVIVED


def test_one_that_is_answered_late_stalls() -> None:
    late = [*answers(9, 11), HeldAnswer(11.0, 12.7, "10.0.0.1"), *answers(12.8, 15)]
    fate = followed(answers=late)

    assert (fate.fate, fate.at_s, fate.is_lost) == (Fate.STALLED, 1.0, False)
    assert fate.slowest_s == pytest.approx(1.7)


def test_one_whose_client_ended_is_not_judged() -> None:
    assert followed(answers=answers(9, 11)).fate is Fate.UNKNOWN


def test_another_client_address_is_reported() -> None:
    assert followed(answers=[*answers(9, 12), *answers(12, 15, "10.0.0.2")]).source_changed == ("10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize(
    "given", [{"opened": 10.5}, {"lost_at": 9.5, "how": "reset"}, {"waits_since": 9.5}, {"opened": 20.0}]
)
def test_one_that_was_not_open_when_the_step_began_is_left_out(given: dict[str, Any]) -> None:
    held = held_with(**given)

    assert follow_connections([VantageEvents("v", connections=(held,))], WHOLE, PHASES, zero=10.0) == ()
