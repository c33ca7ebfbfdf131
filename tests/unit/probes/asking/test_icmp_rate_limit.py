"""Silent cells asked again, at the pace the kernel's limit of ICMP errors allows."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.asking import icmp_rate_limit, runner
from probes.asking.vantages.base import Completed, UnusableError, at_once
from probes.observation import Attempt, Observation, Outcome
from tests.unit.support.questions import OK, REFUSED, TIMEOUT, ask, outcomes, question
from tests.unit.support.simulated_vantage import SimulatedVantage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from topologies.frontends import Target


class Kernel:
    """Refuses ports below 100 while it has tokens, one more for each wave; drops all others."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.waves = 0
        self._inner = SimulatedVantage("pod-n1", self._answer)
        self.name = "pod-n1"

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        return self._inner.run(command, stdin, timeout, gate)

    def wave(self, line: str) -> None:
        if "asked once more" in line:
            self.waves += 1
            self.tokens += 1

    def _answer(self, target: Target) -> Attempt:
        if target.port >= 100 or self.tokens < 1:
            return TIMEOUT
        self.tokens -= 1
        return REFUSED


@pytest.fixture
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_rate_limit, "PACE_S", 0.0)


def ask_kernel(kernel: Kernel, *questions: runner.Question) -> list[Observation]:
    return list(runner.ask({"pod-n1": questions}, {"pod-n1": kernel}, progress=kernel.wave).values())


def limited(ports: Sequence[int]) -> list[runner.Question]:
    return [question(port, limited=True) for port in ports]


@pytest.mark.usefixtures("no_pace")
def test_waves_find_every_refusal_that_the_limit_swallowed() -> None:
    found = ask_kernel(Kernel(tokens=6), *limited(range(80, 91)), question(100, sample=3))

    *refused, dropped = found
    assert all(outcomes(one)[-1] is Outcome.REFUSED for one in refused)
    assert [len(one.attempts) for one in refused] == [1] * 6 + [2, 3, 4, 5, 6]
    assert outcomes(dropped) == [Outcome.TIMEOUT] * (3 + 7)
    assert [one.sure for one in found] == [False] * 11 + [True]


@pytest.mark.usefixtures("no_pace")
def test_silence_is_sure_after_two_waves_in_which_nobody_is_refused() -> None:
    kernel = Kernel(tokens=9)

    found = ask_kernel(kernel, *limited(range(80, 86)), question(100, sample=3))

    assert [len(one.attempts) for one in found] == [1] * 6 + [5]
    assert [one.sure for one in found] == [False] * 6 + [True]
    assert kernel.waves == 2


@pytest.mark.usefixtures("no_pace")
def test_a_client_left_without_a_token_for_one_wave_is_asked_on() -> None:
    """A redirect caused by the asking itself empties the bucket for a second more."""
    [refused] = ask_kernel(Kernel(tokens=-1), *limited([80]))

    assert outcomes(refused) == [Outcome.TIMEOUT, Outcome.TIMEOUT, Outcome.REFUSED]
    assert not refused.sure


@pytest.mark.usefixtures("no_pace")
def test_every_refusal_is_found_however_many_one_node_owes_one_client() -> None:
    """Nine waves left 114 of 4,165 cells unsure where 53 refusals were owed at one place."""
    found = ask_kernel(Kernel(tokens=6), *limited(range(20, 80)), question(100, sample=3))

    *refused, dropped = found
    assert {outcomes(one)[-1] for one in refused} == {Outcome.REFUSED}
    assert dropped.sure


@pytest.mark.usefixtures("no_pace")
def test_waves_are_bounded_and_what_is_left_is_unsure() -> None:
    owed = icmp_rate_limit.ROUNDS_MAX + 5
    questions = [question(port % 99, limited=True, service=f"web-{port}") for port in range(owed)]

    found = ask_kernel(Kernel(tokens=0), *questions)

    assert sum(Outcome.REFUSED in outcomes(one) for one in found) == icmp_rate_limit.ROUNDS_MAX
    assert [one.unsure for one in found] == [Outcome.REFUSED not in outcomes(one) for one in found]
    assert not any(one.sure for one in found)


@pytest.mark.usefixtures("no_pace")
def test_a_wave_asks_no_more_than_a_window_of_each_vantage() -> None:
    kernel = Kernel(tokens=6)

    found = ask_kernel(kernel, *[question(port % 99, limited=True, service=f"web-{port}") for port in range(100)])

    asked = sum(len(one.attempts) for one in found)
    assert {outcomes(one)[-1] for one in found} == {Outcome.REFUSED}
    assert asked - len(found) <= kernel.waves * icmp_rate_limit.WINDOW


@pytest.mark.usefixtures("no_pace")
def test_silent_cells_of_several_windows_are_all_confirmed() -> None:
    silent = [question(200 + port, sample=3) for port in range(2 * icmp_rate_limit.WINDOW + 1)]

    found = ask_kernel(kernel := Kernel(tokens=99), *limited(range(80, 86)), *silent)

    assert all(one.sure for one in found[6:])
    assert kernel.waves == 2 * 3


@pytest.mark.usefixtures("no_pace")
def test_a_wave_in_which_curl_was_late_confirms_nothing() -> None:
    """A refusal that arrived while curl did not run looks like a timeout."""
    late = replace(TIMEOUT, seconds=icmp_rate_limit.TIMEOUT_MAX_S + 0.6)

    [silent] = ask([question(80, limited=True)], lambda _: late)

    assert (silent.sure, silent.unsure) == (False, True)
    assert len(silent.attempts) == 1 + icmp_rate_limit.IDLE_MAX


def test_cells_that_were_rate_limited_are_asked_again_while_others_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_rate_limit, "EARLY_PACE_S", 0.01)
    asked: Counter[int] = Counter()
    told = threading.Event()

    def answer(target: Target) -> Attempt:
        asked[target.port] += 1
        if target.port == 80 and asked[80] == 3:
            told.set()
            return REFUSED
        return OK if target.port == 100 and told.wait(5) else TIMEOUT

    refused, other = ask([question(80, limited=True), question(100)], answer)

    assert outcomes(refused) == [Outcome.TIMEOUT, Outcome.TIMEOUT, Outcome.REFUSED]
    assert outcomes(other) == [Outcome.OK] * 5
    assert asked[80] == 3


@pytest.mark.usefixtures("no_pace")
def test_a_bucket_that_was_empty_before_is_seen_by_its_silent_cells() -> None:
    [refused] = ask_kernel(Kernel(tokens=0), *limited([80]))

    assert outcomes(refused) == [Outcome.TIMEOUT, Outcome.REFUSED]


def test_silence_beside_less_than_a_burst_of_refusals_is_not_asked_again() -> None:
    kernel = Kernel(tokens=9)

    found = ask_kernel(kernel, *limited(range(80, 85)), question(100, sample=3))

    assert outcomes(found[-1]) == [Outcome.TIMEOUT] * 3
    assert kernel.waves == 0


def test_silence_of_another_node_is_not_asked_again() -> None:
    refused = [question(port, limited=True) for port in range(80, 88)]
    elsewhere = question(99, node="n3", sample=3)

    found = ask([*refused, elsewhere], lambda target: TIMEOUT if target.port == 99 else REFUSED)

    assert outcomes(found[-1]) == [Outcome.TIMEOUT] * 3


@pytest.mark.usefixtures("no_pace")
def test_a_wave_that_could_not_be_asked_proves_nothing() -> None:
    class Dies(Kernel):
        def run(
            self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
        ) -> Completed:
            if self.waves:
                message = "gone"
                raise UnusableError(message)
            return super().run(command, stdin, timeout, gate)

    [silent] = ask_kernel(Dies(tokens=0), *limited([80]))

    assert (outcomes(silent), silent.trouble, silent.sure) == ([Outcome.TIMEOUT], "pod-n1: gone", False)
