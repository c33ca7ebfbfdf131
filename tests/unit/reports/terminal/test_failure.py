from __future__ import annotations

from probes.judging.verdict import Result, Verdict
from reports.terminal.failure import format_failure

ACCOUNT = "the client address was not kept\n    asked     11 x tcp\n    expected  kept"


def test_a_failure_is_the_promise_and_the_account() -> None:
    printed = format_failure(
        "A backend sees the client.\n\n    Whatever the node.", f"{ACCOUNT}\nassert <Result.FAIL> is 1\n +  where"
    )

    assert printed.splitlines() == [
        "A backend sees the client.",
        "",
        "Whatever the node.",
        "E   the client address was not kept",
        "E       asked     11 x tcp",
        "E       expected  kept",
    ]


def test_a_test_without_a_docstring_has_its_account() -> None:
    assert format_failure(None, "nothing observed") == "E   nothing observed"


def test_a_promise_that_does_not_apply_is_not_printed_above_another_expectation() -> None:
    verdict = Verdict(
        "cell", Result.FAIL, "timeout where ok was expected", (("promise", "does not apply"), ("asked", "1"))
    )

    assert format_failure("It is refused.", str(verdict)).splitlines() == [
        "E   timeout where ok was expected",
        "E       promise   does not apply",
        "E       asked     1",
    ]
