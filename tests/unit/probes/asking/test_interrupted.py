"""Ctrl-C while asking: it ends at once, nobody waits for a gate, and no thread keeps the interpreter alive."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from probes.asking import icmp_rate_limit, runner
from probes.asking.vantages.base import Completed, at_once
from tests.unit.support.paths import ROOT
from tests.unit.support.questions import OK, TIMEOUT, question
from tests.unit.support.simulated_vantage import SimulatedVantage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.observation import Attempt
    from topologies.frontends import Target

pytestmark = pytest.mark.slow

ASKING = """
import sys, time
from probes.asking import runner
from tests.unit.support.simulated_vantage import SimulatedVantage
from tests.unit.support.questions import OK, TIMEOUT, question

class Slow(SimulatedVantage):
    def run(self, command, stdin, timeout, gate):
        gate()
        time.sleep(60)

questions = {name: [question(80, vantage=name, limited=True), question(81, vantage=name)] for name in "abc"}
try:
    print("asking", flush=True)
    runner.ask(questions, {name: Slow(name, lambda _: OK) for name in questions}, together=TOGETHER)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


@pytest.mark.parametrize("together", [0, 1])
@pytest.mark.parametrize("moment", [0.0, 0.4, 1.2])
def test_ctrl_c_ends_the_process_at_once(moment: float, together: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASKING.replace("TOGETHER", str(together))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "asking\n"
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == "interrupted\n"


def test_what_waits_at_the_gate_is_not_asked_when_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate opened only at the end of the head start, so that a sample's commands waited for ever."""
    waits, ended = threading.Event(), threading.Event()
    told: list[object] = []

    class Waits(SimulatedVantage):
        def run(
            self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
        ) -> Completed:
            waits.set()
            try:
                gate()
                told.append(stdin)
            finally:
                ended.set()
            return super().run(command, stdin, timeout, gate)

    def interrupt(*_: object, **__: object) -> None:
        assert waits.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "wait", interrupt)

    with pytest.raises(KeyboardInterrupt):
        runner.ask({"a": [question(80, vantage="a")]}, {"a": Waits("a", lambda _: OK)}, done=told.append)

    assert ended.wait(5)
    assert told == []


def test_a_fault_of_our_own_while_asking_is_raised_and_wakes_the_others() -> None:
    def divide(_: Target) -> Attempt:
        raise ZeroDivisionError

    questions = {name: [question(80, vantage=name)] for name in "ab"}
    vantages = {"a": SimulatedVantage("a", divide), "b": SimulatedVantage("b", lambda _: OK)}

    with pytest.raises(ZeroDivisionError):
        runner.ask(questions, vantages)


def test_nobody_is_asked_early_after_a_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_rate_limit, "EARLY_PACE_S", 0.01)
    silent_asked = threading.Semaphore(0)

    def answer(target: Target) -> Attempt:
        if target.port == 80:
            silent_asked.release()
            return TIMEOUT
        for _ in range(3):
            silent_asked.acquire()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runner.ask(
            {"a": [question(80, vantage="a", limited=True), question(81, vantage="a")]},
            {"a": SimulatedVantage("a", answer)},
        )

    time.sleep(0.1)  # a round that was under way ends
    while silent_asked.acquire(blocking=False):
        pass
    assert not silent_asked.acquire(timeout=0.5)
