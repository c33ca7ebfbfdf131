from __future__ import annotations

from threading import Barrier, Event

import pytest

from topologies.common.threads import ends_within, map_all, start


def test_results_come_in_the_order_of_the_items_whatever_ends_first() -> None:
    both = Event()

    def work(item: int) -> int:
        if item == 1:
            assert both.wait(20)
        both.set()
        return item * 10

    assert map_all(work, [1, 2], at_once=2) == [10, 20]


def test_no_items_need_no_thread() -> None:
    assert map_all(str, [], at_once=4) == []


def test_calls_run_at_once() -> None:
    together = Barrier(3, timeout=20)

    assert set(map_all(lambda _: together.wait(), range(3), at_once=3)) == {0, 1, 2}


def test_the_first_exception_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        map_all(lambda item: 1 // item, [1, 0], at_once=2)


def test_a_call_that_hangs_is_left_alone() -> None:
    end = Event()
    hanging = start(end.wait, 20)

    assert not ends_within(hanging, 0.01)
    end.set()
    assert ends_within(hanging, 20)
    assert hanging.result() is True
