"""Rounds of attempts against simulated clients: what holds, since when, and what could not be asked."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl
from probes.asking.batch import ClientHost
from probes.asking.vantages.base import TransportError, UnusableError
from probes.contract.judging import ContractResult
from probes.contract.sources import Level
from probes.observation import Attempt, Outcome
from probes.scenarios import asking as module
from probes.scenarios.asking import Asker, Asking, TimeLimits
from probes.scenarios.catalogue import scenarios
from probes.scenarios.keeping import allowed_backends
from probes.scenarios.model import HTTP, AddressKind, Asked, Check
from probes.scenarios.stage import Stage
from probes.scenarios.verdicts import PredictedCheck, judge, level_of
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.common.addresses import IPAddress
from topologies.frontends import Target, UnresolvedError
from topologies.loading import overrides
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from topologies.schema.topology import Topology

    Answer = Callable[[Target], Attempt]

OWN = IPAddress("192.0.2.1")  # of every simulated client
OK = Attempt(Outcome.OK, source=OWN, backend="web-1", seconds=0.01)
REFUSED, TIMEOUT = Attempt(Outcome.REFUSED), Attempt(Outcome.TIMEOUT, seconds=0.2)
ROW = "clusterip-pod-reaches-ready"
SOON = TimeLimits(limit_s=0.6, connect_s=0.2)
OLDER = Version(1, 35, 0)  # row 11 binds up to 1.35


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.05)
    monkeypatch.setattr(module, "PAUSE_S", 0.01)


@pytest.fixture(scope="module")
def stage() -> Stage:
    topology = overrides.read("lab-flannel", overrides.parse(["kubernetes=1.37.2"]))[1]
    return Stage.build(topology, scenarios())


def check(stage: Stage, promise: str = "ok", row: str = ROW) -> Check:
    return Check(row, stage.pods[0], Asked("s-affinity", AddressKind.CLUSTER_IP), promise)


def ask(asking: Asking, answer: Answer, patience: TimeLimits = SOON) -> Asking:
    def resolve(_: Asked) -> Target:
        return Target(IPAddress("10.96.0.1"), 80)

    host = ClientHost(SimulatedVantage(asking.check.client.name, answer), curl.Ports())
    Asker(lambda _: host, resolve, patience).ask([asking], time.monotonic())
    return asking


def after(first: int, before: Attempt, then: Attempt) -> Answer:
    """The first attempts end in one way, all others in another."""
    answers = itertools.chain(itertools.repeat(before, first), itertools.repeat(then))
    return lambda _: next(answers)


def fail(error: Exception) -> Answer:
    def answer(_: Target) -> Attempt:
        raise error

    return answer


def test_a_promise_that_holds_from_the_first_attempt_on_has_no_earlier_one(stage: Stage) -> None:
    found = judge(ask(Asking(check(stage), stage.topology), lambda _: OK), PredictedCheck())

    assert found.result is ContractResult.KEPT
    assert found.not_before_s is None
    assert found.converged_s is not None
    assert found.text == "ok from kept, answered by web-1"


def test_the_change_took_effect_between_the_last_attempt_that_failed_and_the_next(stage: Stage) -> None:
    asking = ask(Asking(check(stage), stage.topology), after(6, REFUSED, OK), TimeLimits(5.0, 0.2))
    found = judge(asking, PredictedCheck())

    assert found.result is ContractResult.KEPT
    assert found.not_before_s is not None
    assert found.converged_s is not None
    assert found.not_before_s == round(asking.rounds[1].began_s, 3)
    assert found.converged_s == round(asking.rounds[2].begun_s, 3)
    assert found.not_before_s < found.converged_s


def test_one_failure_among_many_attempts_breaks_a_round(stage: Stage) -> None:
    asking = ask(Asking(check(stage), stage.topology), after(1, TIMEOUT, OK), TimeLimits(5.0, 0.2))

    assert asking.is_kept
    assert asking.failures == 1


def test_a_promise_that_held_once_only_is_broken(stage: Stage) -> None:
    turns = itertools.cycle([OK] * 3 + [REFUSED] * 3)
    found = judge(ask(Asking(check(stage), stage.topology), lambda _: next(turns)), PredictedCheck())

    assert found.result is ContractResult.BROKEN
    assert found.converged_s is None


def test_a_promise_that_nothing_is_served_must_hold_for_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.3)
    asking = ask(Asking(check(stage, "unanswered"), stage.topology), lambda _: REFUSED, TimeLimits(5.0, 0.2))

    assert asking.is_kept
    assert asking.rounds[-1].begun_s >= 0.3
    assert len(asking.rounds) > 2


def test_a_failure_during_the_change_breaks_a_promise_for_all_of_it(stage: Stage) -> None:
    throughout = replace(check(stage), throughout=True)
    found = judge(
        ask(Asking(throughout, stage.topology), after(1, TIMEOUT, OK), TimeLimits(5.0, 0.2)), PredictedCheck()
    )

    assert found.result is ContractResult.BROKEN
    assert found.text.startswith("1 of 3 rounds after the change: ")
    assert found.converged_s is not None


@pytest.mark.parametrize("error", [TransportError("the exec was cut"), UnusableError("curl is missing")])
def test_a_client_that_cannot_be_asked_shows_nothing(stage: Stage, error: TransportError) -> None:
    found = judge(ask(Asking(check(stage), stage.topology), fail(error)), PredictedCheck())

    assert found.result is ContractResult.NOT_ASKED
    assert str(error) in found.text
    assert (found.converged_s, found.not_before_s) == (None, None)


def test_a_client_that_is_lost_after_a_failure_shows_nothing_either(stage: Stage) -> None:
    answers = itertools.chain([REFUSED] * 3, iter(lambda: None, 1))

    def answer(_: Target) -> Attempt:
        if found := next(answers):
            return found
        message = "the exec was cut"
        raise UnusableError(message)

    found = judge(ask(Asking(check(stage), stage.topology), answer), PredictedCheck())

    assert found.result is ContractResult.NOT_ASKED


def test_connections_that_are_lost_at_an_overloaded_client_show_nothing(stage: Stage) -> None:
    late = Attempt(Outcome.TIMEOUT, seconds=2.0)  # curl noticed a limit of 0.2 s after 2 s
    found = judge(ask(Asking(check(stage), stage.topology), lambda _: late), PredictedCheck())

    assert found.result is ContractResult.NOT_ASKED
    assert "overloaded" in found.text
    unserved = judge(ask(Asking(check(stage, "unanswered"), stage.topology), lambda _: late), PredictedCheck())
    assert unserved.result is ContractResult.NOT_ASKED


def test_a_service_without_that_address_is_not_asked(stage: Stage) -> None:
    def resolve(_: Asked) -> Target:
        message = "s-affinity.clusterip: got no address from the API"
        raise UnresolvedError(message)

    asking = Asking(check(stage), stage.topology)
    host = ClientHost(SimulatedVantage("pod-n1", lambda _: OK), curl.Ports())
    Asker(lambda _: host, resolve, SOON).ask([asking], time.monotonic())

    assert judge(asking, PredictedCheck()).result is ContractResult.NOT_ASKED


def test_what_a_version_does_not_promise_is_free(stage: Stage) -> None:
    old = overrides.read("lab-flannel", overrides.parse(["kubernetes=1.20.2"]))[1]
    topology = old.model_copy(update={"workload": stage.topology.workload})
    asking = Asking(check(stage, row="ports-added-and-deleted"), topology, free=True)
    found = judge(ask(asking, lambda _: REFUSED), PredictedCheck())

    assert found.result is ContractResult.FREE
    assert found.text == "refused"


def keeping(one: Check, topology: Topology) -> Answer:
    """Answers that keep the promise of a check."""
    if one.promise.startswith(HTTP):
        return lambda _: Attempt(Outcome.WRONG_BACKEND, http_status=int(one.promise.removeprefix(HTTP)))
    assert one.expected is not None
    if Outcome.OK not in one.expected.outcomes:
        return lambda _: REFUSED
    names = sorted(allowed_backends(one, topology))
    turns = itertools.cycle(names[:1] if one.promise.endswith("from-one") else names)
    return lambda _: replace(OK, backend=next(turns))


def breaking(one: Check) -> Answer:
    """Answers that break it: served in place of not, not in place of served, by others, spread in place of sticky."""
    if one.promise.startswith(HTTP):
        flipped = 503 if one.promise == "http-200" else 200
        return lambda _: Attempt(Outcome.WRONG_BACKEND, http_status=flipped)
    if one.promise.endswith("from-one"):
        turns = itertools.cycle(["web-1", "web-2"])
        return lambda _: replace(OK, backend=next(turns))
    if one.promise.endswith("from-all"):
        return lambda _: OK
    if one.only or one.promise.endswith("from-local"):
        return lambda _: replace(OK, backend="somebody")
    assert one.expected is not None
    opposite = REFUSED if Outcome.OK in one.expected.outcomes else OK
    return lambda _: opposite


def promising(one: Check, topology: Topology) -> Topology:
    """The cluster, or the same of an older version if its own promises nothing."""
    newest = one.row.level_at(topology.proxy_version)
    return topology if newest is not Level.UNSPECIFIED else topology.model_copy(update={"kubernetes": OLDER})


def every_check(stage: Stage) -> list[tuple[str, Check, Topology]]:
    found: dict[str, tuple[str, Check, Topology]] = {}
    for scenario in scenarios():
        state: Topology | None = stage.topology
        for step in scenario.steps(stage):
            state = step.change.declare(state) if state else None
            for one in step.checks:  # one client of each kind of check
                key = f"{scenario.id} {step.name} {one.asked.place} {one.promise} {one.client.kind}"
                found.setdefault(key, (key, one, state or stage.topology))
    return list(found.values())


@pytest.mark.slow
def test_what_keeps_a_promise_is_kept_and_its_opposite_is_noticed(stage: Stage) -> None:
    every = every_check(stage)
    assert len(every) > 50

    for name, one, declared in every:
        topology = promising(one, declared)
        level = one.row.level_at(topology.proxy_version)
        if level is Level.UNSPECIFIED:
            continue  # the next test
        quick = replace(one, wait_s=0.02 if one.wait_s else 0.0)
        kept = judge(ask(Asking(quick, topology), keeping(one, topology), TimeLimits(3.0, 0.2)), PredictedCheck())
        assert kept.result is ContractResult.KEPT, (name, kept)
        broken = judge(ask(Asking(quick, topology), breaking(one), TimeLimits(0.15, 0.2)), PredictedCheck())
        want = ContractResult.BROKEN if level is Level.MUST else ContractResult.UNUSUAL
        assert broken.result is want, (name, broken)


def test_what_is_free_is_free_whatever_is_seen(stage: Stage) -> None:
    every = [one for one in every_check(stage) if level_of(one[1], stage.topology) is Level.UNSPECIFIED]
    assert {one.row_id for _, one, _ in every} == {"clusterip-undeclared-port", "headless-label-ignored"}

    for _, one, declared in every:
        for client in (keeping(one, declared), breaking(one)):
            seen = judge(ask(Asking(one, declared, free=True), client, TimeLimits(0.1, 0.2)), PredictedCheck())
            assert seen.result is ContractResult.FREE, seen
