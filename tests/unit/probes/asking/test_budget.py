"""The connections of a run: how many, who gets them next, and how slow answers make them fewer."""

from __future__ import annotations

import threading
from threading import Event
from typing import TYPE_CHECKING

import pytest

from probes.asking import runner
from probes.asking.budget import FAST, LEAST, MOST, SLOW, STEP, AbortedError, Budget, Pace
from probes.asking.vantages.base import Completed, UnusableError, at_once
from tests.unit.support.questions import OK, question
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.common.threads import run_all, start
from topologies.common.waiting import Deadline, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def test_all_batches_of_all_vantages_together_stay_within_the_budget() -> None:
    budget = Budget(Pace(limit=500, most=500))
    held: list[int] = []

    def batch(number: int) -> None:
        with budget.connections(f"v{number % 7}", 300) as granted:
            held.append(granted)

    run_all(batch, range(50), 20)

    assert held == [300] * 50
    assert 300 <= budget.peak <= 500


def test_a_batch_larger_than_the_budget_gets_all_of_it() -> None:
    budget = Budget(Pace(limit=100, most=100))

    with budget.connections("v", 300) as granted:
        assert granted == 100


def test_who_holds_least_is_next_and_nobody_is_passed_over() -> None:
    budget, order, first = Budget(Pace(limit=300, most=300)), [], Event()
    waiting = []

    def wait(owner: str, count: int) -> None:
        with budget.connections(owner, count):
            order.append((owner, count))
            first.wait(5)

    with budget.connections("greedy", 200):
        for owner, count in (("greedy", 100), ("modest", 300), ("small", 10)):
            waiting.append(start(wait, owner, count))
            until(lambda: "" if len(budget._waiting) == len(waiting) or order else "not there", Deadline(5), owner)
    first.set()
    for one in waiting:
        one.result(5)

    assert order[0] == ("greedy", 100)  # it fitted while nobody else waited
    assert order[1:] == [("modest", 300), ("small", 10)]  # the small one would have fitted at once


def test_connections_are_returned_by_a_batch_that_dies() -> None:
    budget = Budget(Pace(limit=10, most=10))

    def die() -> None:
        with budget.connections("v", 10):
            message = "gone"
            raise UnusableError(message)

    with pytest.raises(UnusableError):
        start(die).result(5)

    with budget.connections("v", 10) as granted:
        assert granted == 10


def test_the_end_of_a_run_wakes_everybody_who_waits() -> None:
    budget = Budget(Pace(limit=10, most=10))

    def wait() -> None:
        with budget.connections("other", 10):
            pass

    with budget.connections("v", 10):
        waiting = start(wait)
        until(lambda: "" if budget._waiting else "nobody waits", Deadline(5), "a waiting batch")
        budget.abort()
        with pytest.raises(AbortedError):
            waiting.result(5)


def test_slow_answers_halve_the_budget_once_and_fast_ones_let_it_grow() -> None:
    pace = Pace()

    pace.note(SLOW, began=0.0, now=1.0)
    pace.note(SLOW, began=0.5, now=1.5)  # it began before the first change, and says nothing of its effect
    assert pace.limit == MOST // 2

    pace.note(SLOW, began=1.0, now=2.0)
    assert pace.limit == MOST // 4

    pace.note((SLOW + FAST) / 2, began=2.0, now=3.0)
    assert pace.limit == MOST // 4

    pace.note(FAST / 2, began=2.0, now=3.0)
    assert pace.limit == MOST // 4 + STEP


def test_the_budget_has_a_least_and_a_most() -> None:
    pace = Pace()
    for second in range(30):
        pace.note(1.0, second, second + 1)
    assert pace.limit == LEAST

    for second in range(30, 90):
        pace.note(0.0, second, second + 1)
    assert pace.limit == MOST


def test_a_smaller_budget_lets_a_batch_start_with_fewer_connections() -> None:
    budget = Budget(Pace(limit=200, most=200, least=10), clock=lambda: 1.0)

    with budget.connections("v", 200):
        budget.learn(1.0, began=0.0)
    with budget.connections("v", 200) as granted:
        assert granted == 100


class Counting(SimulatedVantage):
    """Counts the connections that are open at once, over all vantages that share `open_now`."""

    lock = threading.Lock()

    def __init__(self, name: str, open_now: list[int]) -> None:
        super().__init__(name, lambda _: OK)
        self._open_now = open_now

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        size = min(300, stdin.count("url=") * 5)
        self._count(size)
        try:
            return super().run(command, stdin, timeout, gate)
        finally:
            self._count(-size)

    def _count(self, size: int) -> None:
        with self.lock:
            self._open_now.append((self._open_now[-1] if self._open_now else 0) + size)


@pytest.mark.slow
def test_a_large_matrix_never_has_more_connections_open_than_the_budget() -> None:
    """Seven vantages with 4,500 connections each opened 10,500 at once, and lost one cell in seven on a healthy lab."""
    open_now: list[int] = []
    names = [f"v{number}" for number in range(7)]
    questions = {name: [question(port, vantage=name, home=name) for port in range(1, 901)] for name in names}

    found = runner.ask(questions, {name: Counting(name, open_now) for name in names})

    assert len(found) == 6300
    assert not any(one.trouble for one in found.values())
    assert max(open_now) <= MOST
