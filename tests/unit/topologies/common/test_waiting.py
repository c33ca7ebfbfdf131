from __future__ import annotations

import time

import pytest

from topologies.common.waiting import Deadline, WaitTimeoutError, spaced, unmet, until


def test_the_error_of_a_timeout_has_the_last_reason() -> None:
    with pytest.raises(WaitTimeoutError, match=r"pods ready: not after 0\.05 s: web-a is Pending"):
        until(lambda: "web-a is Pending", Deadline(0.05), "pods ready", every=0.01)


def test_an_unmet_condition_is_the_reason() -> None:
    with pytest.raises(WaitTimeoutError, match=r"removal of lab x: not after 0\.05 s: it is still there"):
        until(unmet(lambda: False, "it is still there"), Deadline(0.05), "removal of lab x", every=0.01)


def test_a_met_condition_ends_the_wait() -> None:
    until(unmet(lambda: ["any", "truth"]), Deadline(0), "nothing")


def test_a_wait_looks_once_even_after_its_deadline() -> None:
    until(lambda: "", Deadline(0), "nothing")


def test_successes_must_come_in_a_row() -> None:
    answers = iter(["", "late", "", "", ""])

    until(lambda: next(answers), Deadline(5), "synced", successes=3, every=0)

    assert not list(answers)


def test_too_few_successes_are_an_error() -> None:
    answers = iter(["n1 is late", *[""] * 99])

    with pytest.raises(WaitTimeoutError, match=r"n1 is late|successes in a row, want 1000"):
        until(lambda: next(answers), Deadline(0.03), "synced", successes=1000, every=0.01)


def test_a_deadline_passes() -> None:
    assert not Deadline(60).passed
    assert Deadline(0).passed
    assert Deadline(0).left == 0


def test_items_are_spaced() -> None:
    started = time.monotonic()

    assert list(spaced("abc", 0.05)) == ["a", "b", "c"]
    assert 0.1 <= time.monotonic() - started < 0.3
