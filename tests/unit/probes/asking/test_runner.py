"""Rounds, retries and trouble, on simulated vantages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from probes.asking import batch, curl, runner, schedule
from probes.asking.vantages.base import Completed, TransportError, UnusableError, at_once
from probes.observation import Attempt, Observation, Outcome
from tests.unit.support.questions import OK, REFUSED, SOURCE, TIMEOUT, ask, outcomes, question
from tests.unit.support.simulated_vantage import SimulatedVantage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.asking.vantages.base import Prober
    from topologies.frontends import Target


@pytest.mark.parametrize("outcome", Outcome)
def test_a_cell_gets_its_whole_sample_whatever_comes_back(outcome: Outcome) -> None:
    [observation] = ask([question(80)], lambda _: Attempt(outcome, SOURCE, "web-a"))

    assert outcomes(observation) == [outcome] * 5
    assert not any(one.scout for one in observation.attempts)
    assert (observation.target, observation.trouble) == ("198.18.1.12:80", "")


def flagged(flag: str, sample: int = 5) -> runner.Question:
    return question(80, sample=sample, limited=flag == "limited", sticky=flag == "sticky")


@pytest.mark.parametrize("flag", ["limited", "sticky"])
def test_one_attempt_of_some_cells_goes_ahead(flag: str) -> None:
    [observation] = ask([flagged(flag)], lambda _: OK)

    assert [one.scout for one in observation.attempts] == [True, False, False, False, False]
    assert {(one.source, one.backend) for one in observation.attempts} == {(SOURCE, "web-a")}


@pytest.mark.parametrize("flag", ["limited", "sticky"])
def test_a_sample_of_one_is_the_scout(flag: str) -> None:
    [observation] = ask([flagged(flag, sample=1)], lambda _: OK)

    assert [one.scout for one in observation.attempts] == [True]


def test_cells_that_may_be_limited_go_ahead_of_all_others() -> None:
    order: list[int] = []

    def note(target: Target) -> Attempt:
        order.append(target.port)
        return REFUSED if target.port < 100 else OK

    ask([question(100, sample=2), question(80, limited=True), question(81, limited=True)], note)

    assert order == [80, 81, 100, 100]


def test_what_may_be_silent_comes_first_in_its_batch() -> None:
    order: list[int] = []

    def note(target: Target) -> Attempt:
        order.append(target.port)
        return OK

    found = ask([question(100, sample=2), question(101, sample=2, silent=True)], note)

    assert order == [101, 101, 100, 100]
    assert [len(one.attempts) for one in found] == [2, 2]


def test_a_command_runs_before_it_may_be_fed() -> None:
    steps: list[str] = []

    class Slow(SimulatedVantage):
        def run(
            self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
        ) -> Completed:
            name = "ahead" if ":80/" in stdin else "sample"
            steps.append(f"{name} runs")
            if name == "ahead":
                sample_runs.wait(5)
            sample_runs.set()
            done = super().run(command, stdin, timeout, gate)
            steps.append(f"{name} is answered")
            return done

    sample_runs = threading.Event()
    runner.ask(
        {"pod-n1": [question(80, limited=True, sample=1), question(100)]}, {"pod-n1": Slow("pod-n1", lambda _: OK)}
    )

    assert sorted(steps[:2]) == ["ahead runs", "sample runs"]
    assert steps[2:] == ["ahead is answered", "sample is answered"]


def test_the_others_do_not_wait_long_for_a_silent_scout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "HEAD_START_S", 0.01)
    others_asked = threading.Event()

    def answer(target: Target) -> Attempt:
        if target.port == 100:
            others_asked.set()
        return OK if target.port == 100 or others_asked.wait(5) else TIMEOUT

    found = ask([question(100), question(80, limited=True)], answer)

    assert {outcome for one in found for outcome in outcomes(one)} == {Outcome.OK}


class Flaky:
    """Raises the errors given, one per run, then answers."""

    def __init__(self, *errors: Exception | bytes) -> None:
        self.name = "pod-n1"
        self.runs = 0
        self._errors = list(errors)
        self._inner = SimulatedVantage("pod-n1", lambda _: OK)

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        self.runs += 1
        if not self._errors:
            return self._inner.run(command, stdin, timeout, gate)
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
    assert vantage.runs == 3


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
        def run(
            self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
        ) -> Completed:
            gate()  # the sample's command may have been started before the scout's
            if self.runs:
                message = "gone"
                raise UnusableError(message)
            return super().run(command, stdin, timeout, gate)

    asked = [question(80, sticky=True)]
    [observation] = runner.ask({"pod-n1": asked}, {"pod-n1": Dies()}).values()

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


def test_a_large_matrix_is_asked_in_several_batches() -> None:
    wants = [batch.ProbeRequest(question(port, sample=10), 10) for port in range(1, 601)]

    parts = list(batch.chunks(wants))

    assert [want for part in parts for want in part] == wants
    assert max(sum(want.times for want in part) for part in parts) <= batch.ATTEMPTS_MAX
    assert len(parts) == 1 + 6000 // batch.ATTEMPTS_MAX
    assert curl.PARALLEL_MAX <= batch.ATTEMPTS_MAX


@pytest.mark.slow
def test_a_sample_larger_than_a_batch_is_split() -> None:
    """A host has fewer client ports than `--samples=30000`."""
    [observation] = ask([question(80, sample=30000)], lambda _: OK)

    assert outcomes(observation) == [Outcome.OK] * 30000


def test_progress_says_who_was_asked_what() -> None:
    lines: list[str] = []
    vantages: dict[str, Prober] = {
        "pod-n1": SimulatedVantage("pod-n1", lambda _: OK),
        "pod-n2": Flaky(UnusableError("gone")),
    }

    runner.ask({"pod-n1": [question(80)], "pod-n2": [question(80)]}, vantages, progress=lines.append)

    assert sorted(lines) == [
        "pod-n1: 1 cells, 0 attempts: none; 1 cells not asked: pod-n1: gone",
        "pod-n1: 1 cells, 5 attempts: 5 ok",
    ]


def test_observations_are_told_as_they_come() -> None:
    told: list[dict[str, Observation]] = []
    barrier = threading.Event()

    def late(_: Target) -> Attempt:
        barrier.wait(5)
        return OK

    def done(observations: dict[str, Observation]) -> None:
        told.append(observations)
        barrier.set()

    vantages = {"pod-n1": SimulatedVantage("pod-n1", lambda _: OK), "pod-n2": SimulatedVantage("pod-n2", late)}
    asked = {name: [question(80, vantage=name)] for name in vantages}

    found = runner.ask(asked, vantages, done=done)

    assert [list(one) for one in told[:2]] == [[asked[name][0].cell.id] for name in vantages]
    assert told[-1] == found


def test_nothing_asked_is_nothing_observed() -> None:
    assert runner.ask({}, {}) == {}
    assert runner.ask({"pod-n1": []}, {"pod-n1": SimulatedVantage("pod-n1", lambda _: OK)}) == {}
