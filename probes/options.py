"""The numbers that options take, each with its range. argparse prints what was given and what is allowed."""

from __future__ import annotations

import argparse

MOST_SAMPLES = 10_000
DAY_S = 86_400.0


def samples(text: str) -> int:
    """Return a number of attempts. ArgumentTypeError names the range."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_SAMPLES)) else 0
    if not 1 <= number <= MOST_SAMPLES:
        message = f"got {text[:80]!r}, want a whole number from 1 to {MOST_SAMPLES}"
        raise argparse.ArgumentTypeError(message)
    return number


def seconds(text: str) -> float:
    """Return a time to wait, more than none. ArgumentTypeError names the range."""
    number = _number(text)
    if not 0 < number <= DAY_S:
        message = f"got {text[:80]!r}, want seconds greater than 0 up to {DAY_S:g}"
        raise argparse.ArgumentTypeError(message)
    return number


def seconds_or_none(text: str) -> float:
    """Return a time to wait, or 0 for none. ArgumentTypeError names the range."""
    number = _number(text)
    if not 0 <= number <= DAY_S:
        message = f"got {text[:80]!r}, want seconds from 0 to {DAY_S:g}"
        raise argparse.ArgumentTypeError(message)
    return number


def _number(text: str) -> float:
    """Return the number, or one outside every range: NaN compares false with everything."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
