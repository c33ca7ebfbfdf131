"""The bounds that every fuzz shares."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.bounds import WHOLE, HangError, Memory, in_time, rounds


def test_a_tenth_of_the_cases_runs_unless_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WHOLE, raising=False)
    tenth = len(rounds(1000))
    monkeypatch.setenv(WHOLE, "1")

    assert (tenth, len(rounds(1000))) == (100, 1000)


def test_a_case_that_hangs_is_ended_and_named() -> None:
    with pytest.raises(HangError, match=r"not done after 0\.05 s"), in_time(0.05):
        time.sleep(5)


def test_the_peak_of_memory_is_counted_from_the_start() -> None:
    earlier = bytearray(300 * 2**20)
    earlier[::4096] = b"x" * len(earlier[::4096])
    del earlier
    memory = Memory()
    held = bytearray(200 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    del held

    assert 190 <= memory.peak_mb() < 290
