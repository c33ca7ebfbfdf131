"""How near a batch's answers came to their limits, from what curl measured."""

from __future__ import annotations

import pytest

from probes.asking.curl import ANSWER_TIME, Transfer
from probes.asking.load_meter import MIDDLE, NEAR, TAIL, BatchTiming, Fastest, LoadMeter, is_lost, measure
from probes.observation import Attempt, Outcome
from topologies.frontends import FrontendKind

NONE = Fastest(0.0, 0.0)


def transfer(exit_code: int = 0, connect: float = 0.01, total: float = 0.02) -> Transfer:
    return Transfer(exit_code, 200, connect, total, "", "", 1, 0, "")


def test_a_fast_batch_is_not_near_its_limits() -> None:
    reading = measure([transfer()] * 100, 2.0, TAIL, NONE)

    assert (reading.connect_s, reading.answer_s, reading.delay_s) == (0.01, 0.01, 0.0)
    assert reading.strain == pytest.approx(0.005)
    assert not reading.is_near


@pytest.mark.parametrize(
    "slow",
    [
        transfer(connect=1.02, total=1.03),  # a SYN was sent twice
        transfer(connect=0.01, total=NEAR * ANSWER_TIME + 0.05),
        transfer(28, connect=0.0, total=2.8),  # curl noticed its connect timeout 0.8 s late
    ],
)
def test_one_slow_answer_in_ten_brings_a_batch_near_its_limits(slow: Transfer) -> None:
    batch = [transfer()] * 90 + [slow] * 10

    assert measure(batch, 2.0, TAIL, NONE).is_near
    assert measure([slow], 2.0, TAIL, NONE).is_near


def test_a_distant_vantage_is_not_a_loaded_one() -> None:
    """700 ms to the cluster and back are the same for every connection: no load makes them."""
    far = [transfer(connect=0.7, total=1.4), transfer(connect=0.75, total=1.5)] * 20
    timing = BatchTiming.of(0.0, 1.0, far, 2.0)

    assert timing.tail.connect_s == pytest.approx(0.05)
    assert not timing.tail.is_near
    assert BatchTiming.of(0.0, 1.0, far[1:2], 2.0, Fastest(0.01, 0.01)).tail.is_near


def test_a_few_late_answers_do_not_make_a_slow_cluster() -> None:
    batch = [transfer()] * 60 + [transfer(connect=1.02, total=1.03)] * 40

    assert measure(batch, 2.0, TAIL, NONE).is_near
    assert not measure(batch, 2.0, MIDDLE, NONE).is_near


def test_what_was_lost_or_refused_does_not_measure_latency() -> None:
    hang, refused, silent = transfer(28, 0.01, 10.0), transfer(7, 0.0, 0.5), transfer(28, 0.0, 2.001)

    assert measure([hang, refused, silent], 2.0, TAIL, NONE).strain < 0.01


def test_a_batch_is_under_the_load_of_all_that_ran_with_it() -> None:
    meter, slow, fast = LoadMeter(), [transfer(), transfer(total=5.0)], [transfer()]
    early, late = BatchTiming.of(0.0, 1.0, fast, 2.0), BatchTiming.of(3.0, 4.0, fast, 2.0)
    for timing in (early, BatchTiming.of(0.5, 2.0, slow, 2.0), late):
        meter.note(timing)

    assert meter.worst_during([early]).is_near
    assert not meter.worst_during([late]).is_near
    assert meter.worst_during([early, late]).is_near
    assert not meter.worst_during([]).is_near


@pytest.mark.parametrize(
    ("outcome", "seconds", "lost"),
    [
        (Outcome.OK, 9.0, False),
        (Outcome.REFUSED, 1.5, False),
        (Outcome.TIMEOUT, 2.0, True),
        (Outcome.HANG, 10.0, True),
        (Outcome.RESET, 0.1, True),
        (Outcome.UNREACHABLE, 0.01, False),  # a router says so
        (Outcome.UNREACHABLE, 3.1, True),  # nobody answered ARP
    ],
)
def test_load_can_lose_a_connection_but_not_refuse_one(outcome: Outcome, seconds: float, lost: bool) -> None:
    assert is_lost(Attempt(outcome, seconds=seconds), FrontendKind.NODE_PORT) is lost
