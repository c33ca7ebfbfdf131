"""The exact binomial test."""

from __future__ import annotations

import pytest

from probes.judging import binomial


@pytest.mark.parametrize(
    ("got", "tries", "share", "expected"),
    [
        (5, 10, 0.5, 1.0),  # the likeliest count: everything is at most as likely
        (0, 10, 0.5, 2 / 1024),
        (10, 10, 0.5, 2 / 1024),
        (0, 4, 0.25, 1 - 4 * 0.25 * 0.75**3),
    ],
)
def test_it_is_the_two_sided_exact_probability(got: int, tries: int, share: float, expected: float) -> None:
    assert binomial.two_sided_p_value(got, tries, share) == pytest.approx(expected)
