"""What chance does: the exact binomial test. Pure."""

from __future__ import annotations

from math import comb

ALIKE = 1 + 1e-9  # two probabilities that differ by rounding only are the same


def of(got: int, tries: int, share: float) -> float:
    """The probability that `tries` with this share of successes give a count as unlikely as `got`, or more so."""
    likely = [comb(tries, count) * share**count * (1 - share) ** (tries - count) for count in range(tries + 1)]
    return sum(one for one in likely if one <= likely[got] * ALIKE)


def of_two(got: int, tries: int, other_got: int, other_tries: int) -> float:
    """Return the probability that two samples of one share differ as these do, or more: Fisher's exact test."""
    total, successes = tries + other_tries, got + other_got
    counts = range(max(0, successes - other_tries), min(tries, successes) + 1)
    likely = {one: comb(tries, one) * comb(other_tries, successes - one) / comb(total, successes) for one in counts}
    return sum(one for one in likely.values() if one <= likely[got] * ALIKE)
