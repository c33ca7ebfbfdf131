"""Numbers out of their range are refused where they are given, before anything is planned or asked."""

from __future__ import annotations

import argparse

import pytest

from probes import options, plugin


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "x", "", "10001", "9" * 5000, "\u00b2", "\u0663"])
def test_a_number_of_attempts_is_a_whole_one_within_bounds(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want a whole number from 1 to 10000"):
        options.samples(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "86401", "x", "", "9" * 5000])
def test_a_time_to_wait_is_more_than_none_and_at_most_a_day(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want seconds greater than 0 up to 86400"):
        options.seconds(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "86401", "x"])
def test_a_time_that_may_be_none_is_at_most_a_day(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want seconds from 0 to 86400"):
        options.seconds_or_none(text)


def test_numbers_within_bounds_are_read() -> None:
    assert (options.samples("1"), options.samples("10000")) == (1, 10_000)
    assert (options.seconds("0.5"), options.seconds("86400")) == (0.5, 86_400)
    assert options.seconds_or_none("0") == 0


@pytest.mark.parametrize(
    "option", ["--samples=-3", "--samples=0", "--connect-timeout=-1", "--settle-timeout=nan", "--balancer-settle=inf"]
)
def test_a_run_with_such_a_number_is_refused(option: str) -> None:
    parser = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(parser)
    with pytest.raises(pytest.UsageError, match=r"got '.*', want"):
        parser.parse([option])
