"""The benchmark of bounded load: its first round has neither bounds nor a second try."""

from __future__ import annotations

from bench.flood import unbounded
from tests.unit.probes.asking.test_low_load import HANG, SAMPLE, observe
from tests.unit.support.questions import OK, outcomes


def test_without_bounds_no_cell_is_asked_again() -> None:
    with unbounded():
        assert outcomes(observe(HANG, OK)) == [HANG.outcome] * SAMPLE

    assert len(outcomes(observe(HANG, OK))) == 2 * SAMPLE
