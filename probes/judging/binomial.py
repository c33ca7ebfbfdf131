"""Exact tests of how likely chance explains a count: binomial, and Fisher's for two samples. Pure."""

from __future__ import annotations

from math import comb

ROUNDING = 1 + 1e-9  # two probabilities that differ by less are the same


def two_sided_p_value(successes: int, tries: int, share: float) -> float:
    """Return the probability that `tries` with this share of successes give a count as unlikely as this, or more so."""
    likely = [comb(tries, count) * share**count * (1 - share) ** (tries - count) for count in range(tries + 1)]
    return sum(one for one in likely if one <= likely[successes] * ROUNDING)


def fisher_p_value(successes: int, tries: int, other_successes: int, other_tries: int) -> float:
    """Return the probability that two samples of one share differ as these do, or more: Fisher's exact test."""
    total, all_successes = tries + other_tries, successes + other_successes
    counts = range(max(0, all_successes - other_tries), min(tries, all_successes) + 1)
    likely = {
        one: comb(tries, one) * comb(other_tries, all_successes - one) / comb(total, all_successes) for one in counts
    }
    return sum(one for one in likely.values() if one <= likely[successes] * ROUNDING)
