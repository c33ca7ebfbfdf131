"""Outcomes of one cell under the kernel's limit of ICMP errors."""

from __future__ import annotations

import pytest

from probes.observation import Outcome, count_limited_refusals

OK, REFUSED, TIMEOUT = Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("outcomes", "by_icmp", "counted"),
    [
        ((REFUSED, TIMEOUT), True, (REFUSED, REFUSED)),
        ((OK, TIMEOUT, REFUSED), True, (OK, REFUSED, REFUSED)),
        ((REFUSED, TIMEOUT), False, (REFUSED, TIMEOUT)),
        ((TIMEOUT, TIMEOUT), True, (TIMEOUT, TIMEOUT)),
        ((OK, TIMEOUT), True, (OK, TIMEOUT)),
        ((), True, ()),
    ],
)
def test_timeouts_among_icmp_refusals_count_as_refusals(
    outcomes: tuple[Outcome, ...], by_icmp: bool, counted: tuple[Outcome, ...]
) -> None:
    assert count_limited_refusals(outcomes, by_icmp=by_icmp) == counted
