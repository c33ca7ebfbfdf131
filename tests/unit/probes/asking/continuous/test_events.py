from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.asking.continuous.events import parse, read_events
from probes.observation import Outcome

if TYPE_CHECKING:
    from pathlib import Path

CELLS = ["a", "b"]
LINES = [
    '["clock", 100.0, 1100.0]',
    '["attempt", 1, 101.0, 101.2, "ok", "10.0.0.1", "web-a"]',
    '["attempt", 0, 100.5, 100.6, "refused", "", ""]',
    '["held", 0, 1, 100.1, "web-b"]',
    '["answer", 0, 1, 100.2, 100.3, "10.0.0.1"]',
    '["lost", 0, 1, 100.4, 110.4, "hung"]',
    '["held", 1, 1, 100.1, "web-b"]',
    '["lost", 1, 1, 100.4, 100.5, "reset"]',
    '["held", 1, 2, 101.0, "web-b"]',
    '["waiting", 1, 2, 101.4, 102.4]',
    '["unheld", 1, 3, 101.4, "refused"]',
    '["end", 103.0]',
]


def test_attempts_are_in_the_order_of_their_beginning() -> None:
    seen = parse(LINES, "v", CELLS, clock=1000.0)

    assert [(one.cell, one.outcome) for one in seen.attempts] == [("a", Outcome.REFUSED), ("b", Outcome.OK)]
    assert seen.complaints == ()


def test_connections_have_their_answers_and_their_end() -> None:
    hung, reset, waiting = parse(LINES, "v", CELLS, clock=1000.0).connections

    assert (hung.how, hung.lost_at, hung.waits_since, len(hung.answers)) == ("hung", 110.4, 100.4, 1)
    assert (reset.how, reset.lost_at, reset.waits_since) == ("reset", 100.5, None)
    assert (waiting.how, waiting.lost_at, waiting.waits_since) == ("", None, 101.4)


def test_times_of_another_kernel_become_ours() -> None:
    seen = parse(LINES, "v", CELLS, clock=600.0)

    assert seen.attempts[0].began == pytest.approx(500.5)
    assert seen.connections[0].answers[0].answered == pytest.approx(500.3)


@pytest.mark.parametrize(
    "line", ['["attempt", 7, 1.0, 1.0, "ok"]', '["answer", 0, 9, 1, 1, ""]', "Traceback", "[", "{}", '["x", 1]', "null"]
)
def test_what_is_no_event_is_kept_as_a_complaint(line: str) -> None:
    assert parse([line], "v", CELLS, clock=0.0).complaints == (line,)


def test_a_line_that_is_cut_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "v.jsonl"
    file.write_text("\n".join([*LINES[:3], '["attempt", 1, 101.0, 1']))

    seen = read_events(file, "v", CELLS)

    assert len(seen.attempts) == 2
    assert seen.complaints == ()


def test_a_client_that_wrote_nothing_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none", "v", CELLS).attempts == ()
