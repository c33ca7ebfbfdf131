"""Rounds, retries and trouble, on simulated vantages."""

from __future__ import annotations

import threading
from collections import Counter
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from probes import curl, runner
from probes.cell import Cell
from probes.observation import Attempt, Observation, Outcome
from probes.vantages.base import Completed, TransportError, UnusableError
from probes.vantages.simulated import SimulatedVantage
from topologies.frontends import Frontend, FrontendKind, Target
from topologies.model import Vantage, VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCE = IPv4Address("10.244.1.7")
OK = Attempt(Outcome.OK, source=SOURCE, backend="web-a", seconds=0.01)
REFUSED = Attempt(Outcome.REFUSED)
TIMEOUT = Attempt(Outcome.TIMEOUT, seconds=2.0)


def question(port: int, *, vantage: str = "pod-n1", node: str = "n2", sample: int = 5) -> runner.Question:
    where = Vantage(name=vantage, kind=VantageKind.POD, node="n1")
    cell = Cell(where, Frontend(f"web-{port}", FrontendKind.NODE_PORT, node=node), sample=sample)
    return runner.Question(cell, Target(IPv4Address("198.18.1.12"), port))


def ask(questions: list[runner.Question], answer: Callable[[Target], Attempt]) -> list[Observation]:
    found = runner.ask({"pod-n1": questions}, {"pod-n1": SimulatedVantage("pod-n1", answer)})
    assert list(found) == [one.cell.id for one in questions]
    return list(found.values())


def outcomes(observation: Observation) -> list[Outcome]:
    return [one.outcome for one in observation.attempts]


def test_an_answered_cell_gets_its_whole_sample() -> None:
    [observation] = ask([question(80)], lambda _: OK)

    assert outcomes(observation) == [Outcome.OK] * 5
    assert [one.scout for one in observation.attempts] == [True, False, False, False, False]
    assert {(one.source, one.backend) for one in observation.attempts} == {(SOURCE, "web-a")}
    assert (observation.target, observation.trouble) == ("198.18.1.12:80", "")


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.OK])
def test_any_other_cell_gets_two_more_attempts(outcome: Outcome) -> None:
    [observation] = ask([question(80, sample=12)], lambda _: Attempt(outcome))

    assert outcomes(observation) == [outcome] * 3


def test_a_sample_of_one_is_the_scout() -> None:
    [observation] = ask([question(80, sample=1)], lambda _: OK)

    assert [one.scout for one in observation.attempts] == [True]


class Kernel:
    """Refuses ports below 100 while it has tokens, one more for each wave; drops all others."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.asked: Counter[int] = Counter()
        self._inner = SimulatedVantage("pod-n1", self._answer)
        self.name = "pod-n1"

    def run(self, command: Sequence[str], stdin: str, timeout: float) -> Completed:
        self.tokens += 1
        return self._inner.run(command, stdin, timeout)

    def _answer(self, target: Target) -> Attempt:
        self.asked[target.port] += 1
        if target.port >= 100 or self.tokens < 1:
            return TIMEOUT
        self.tokens -= 1
        return REFUSED


def ask_kernel(kernel: Kernel, ports: Sequence[int]) -> list[Observation]:
    return list(runner.ask({"pod-n1": [question(port) for port in ports]}, {"pod-n1": kernel}).values())


def test_waves_find_every_refusal_that_the_limit_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PACE", 0.01)
    kernel = Kernel(tokens=5)  # and one for the first run

    found = ask_kernel(kernel, [*range(80, 91), 100, 101])

    refused, dropped = found[:-2], found[-2:]
    assert all(outcomes(one)[-1] is Outcome.REFUSED for one in refused)  # 6 scouts, 1 in the sample, 4 waves
    assert [len(one.attempts) for one in refused] == [1] * 6 + [2, 3, 4, 5, 6]
    assert {outcome for one in dropped for outcome in outcomes(one)} == {Outcome.TIMEOUT}


def test_waves_end_when_nobody_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PACE", 0.01)

    found = ask_kernel(Kernel(tokens=9), [*range(80, 85), 100])

    assert [len(one.attempts) for one in found] == [1] * 5 + [3]


def test_waves_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PACE", 0.0)

    found = ask_kernel(Kernel(tokens=5), range(50, 90))

    assert max(len(one.attempts) for one in found) == 2 + runner.WAVES_MAX


def test_few_refusals_leave_tokens_for_a_sample_of_three() -> None:
    assert [len(one.attempts) for one in ask_kernel(Kernel(tokens=9), [80, 100])] == [3, 3]


def test_silence_alone_is_not_asked_again() -> None:
    found = ask([question(80), question(81)], lambda _: TIMEOUT)

    assert [len(one.attempts) for one in found] == [3, 3]


def test_silence_of_another_node_is_not_asked_again() -> None:
    refused = [question(port) for port in range(80, 84)]
    elsewhere = question(99, node="n3")

    found = ask([*refused, elsewhere], lambda target: TIMEOUT if target.port == 99 else REFUSED)

    assert outcomes(found[-1]) == [Outcome.TIMEOUT] * 3


class Flaky:
    """Raises the errors given, one per run, then answers."""

    def __init__(self, *errors: Exception | bytes) -> None:
        self.name = "pod-n1"
        self.runs = 0
        self._errors = list(errors)
        self._inner = SimulatedVantage("pod-n1", lambda _: OK)

    def run(self, command: Sequence[str], stdin: str, timeout: float) -> Completed:
        self.runs += 1
        if not self._errors:
            return self._inner.run(command, stdin, timeout)
        error = self._errors.pop(0)
        if isinstance(error, bytes):
            return Completed(error)
        raise error


def ask_flaky(vantage: Flaky) -> Observation:
    [observation] = runner.ask({"pod-n1": [question(80)]}, {"pod-n1": vantage}).values()
    return observation


def test_a_cut_stream_is_tried_three_times() -> None:
    vantage = Flaky(TransportError("cut"), TransportError("cut"))

    assert outcomes(ask_flaky(vantage)) == [Outcome.OK] * 5
    assert vantage.runs == 4  # cut, cut, scout, sample


def test_a_stream_that_stays_cut_is_trouble_and_no_outcome() -> None:
    observation = ask_flaky(Flaky(*[TransportError("exec into pod x/y was cut")] * 3))

    assert observation.attempts == ()
    assert observation.trouble == "pod-n1: exec into pod x/y was cut"


def test_what_cannot_get_better_is_tried_once() -> None:
    vantage = Flaky(*[UnusableError("host key wrong")] * 9)

    assert "host key wrong" in ask_flaky(vantage).trouble
    assert vantage.runs == 1


def test_torn_output_is_asked_for_once_more() -> None:
    assert outcomes(ask_flaky(Flaky(b"half a li"))) == [Outcome.OK] * 5

    vantage = Flaky(*[b"half a li"] * 9)
    assert "no end mark" in ask_flaky(vantage).trouble
    assert vantage.runs == 2


def test_trouble_in_the_sample_keeps_the_scouts() -> None:
    class Dies(Flaky):
        def run(self, command: Sequence[str], stdin: str, timeout: float) -> Completed:
            if self.runs:
                raise UnusableError("gone")  # noqa: EM101
            return super().run(command, stdin, timeout)

    observation = ask_flaky(Dies())

    assert [one.scout for one in observation.attempts] == [True]
    assert observation.trouble == "pod-n1: gone"


def test_one_dead_vantage_leaves_the_others_standing() -> None:
    dead = Flaky(UnusableError("no answer within 5 s"))
    asked = {"pod-n1": [question(80)], "pod-n2": [question(80, vantage="pod-n2")], "ext": [question(80, vantage="ext")]}

    found = runner.ask(asked, {"pod-n1": dead, "pod-n2": SimulatedVantage("pod-n2", lambda _: OK)})

    dead_one, good, missing = found.values()
    assert "no answer" in dead_one.trouble
    assert outcomes(good) == [Outcome.OK] * 5
    assert not good.trouble
    assert "no such vantage" in missing.trouble


def test_all_vantages_are_asked_at_once() -> None:
    barrier = threading.Barrier(4, timeout=5)

    def meet(_: Target) -> Attempt:
        barrier.wait()
        return OK

    names = [f"v{number}" for number in range(4)]
    asked = {name: [question(80, vantage=name, sample=1)] for name in names}

    found = runner.ask(asked, {name: SimulatedVantage(name, meet) for name in names})

    assert {one.trouble for one in found.values()} == {""}


def test_no_attempt_waits_for_a_silent_one() -> None:
    many = [question(port, sample=10) for port in range(1, 601)]
    wants = [runner._Want(one, 2, silent=number % 2 == 0) for number, one in enumerate(many)]

    shards = list(runner._shards(wants))

    silent = [sum(want.times for want in shard if want.silent) for shard in shards]
    assert sum(silent) == 600
    assert max(silent) <= runner.SILENT_MAX < curl.PARALLEL_MAX
    assert Counter(map(id, (want for shard in shards for want in shard))) == Counter(map(id, wants))


def test_progress_says_who_was_asked_what() -> None:
    lines: list[str] = []

    runner.ask({"pod-n1": [question(80)]}, {"pod-n1": SimulatedVantage("pod-n1", lambda _: OK)}, progress=lines.append)

    assert lines == ["pod-n1: 1 cells, 5 attempts: 5 ok"]


def test_nothing_asked_is_nothing_observed() -> None:
    assert runner.ask({}, {}) == {}
    assert runner.ask({"pod-n1": []}, {"pod-n1": SimulatedVantage("pod-n1", lambda _: OK)}) == {}
