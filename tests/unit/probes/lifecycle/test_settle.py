"""A load balancer that tells its pool is waited for; of one that does not, the health it looks at must stand still."""

from __future__ import annotations

import pytest

from probes.lifecycle.settling import pools_late
from topologies.cluster.lb_targets import ANNOTATION, TargetPool, read_annotation, to_annotation
from topologies.common import waiting

BOTH = ("n1", "n2")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def test_no_balancer_is_waited_for_where_there_is_none() -> None:
    assert not pools_late(lambda: (), 30)()


def test_one_that_tells_is_late_until_it_sends_to_the_healthy_ones() -> None:
    assert not pools_late(lambda: (TargetPool("web", BOTH, BOTH), TargetPool("none", (), ())), 30)()
    assert pools_late(lambda: (TargetPool("web", (), BOTH), TargetPool("none", BOTH, ())), 30)() == (
        "the balancer of web sends to none; healthy: n1, n2; the balancer of none sends to n1, n2; healthy: none"
    )


def test_one_that_does_not_tell_has_its_time_from_the_last_change_of_health(time: Clock) -> None:
    healthy: tuple[str, ...] = ()
    check = pools_late(lambda: (TargetPool("web", None, healthy),), 30)

    assert "web does not report its pool, and has had 0 of 30 s" in check()
    time.now += 29
    healthy = BOTH
    assert "0 of 30 s" in check()
    time.now += 29
    assert "29 of 30 s" in check()
    time.now += 1
    assert not check()


def test_the_annotation_is_read_as_it_is_written() -> None:
    assert read_annotation({ANNOTATION: to_annotation(["n2", "n1"])}) == BOTH
    assert read_annotation({ANNOTATION: to_annotation([])}) == ()
    assert read_annotation({"other": "n1"}) is None
    assert read_annotation(None) is None
