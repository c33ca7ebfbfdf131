"""A connection lost to our own load is asked again, once; one lost without load, or at low load, counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.asking import low_load
from probes.asking.load_meter import is_lost
from probes.judging.compare import JudgedCell, judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.expectation import Expectation, Path
from tests.unit.support.questions import OK, REFUSED, SOURCE, TIMEOUT, ask, outcomes, question
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from typing import Any

    from topologies.frontends import Target

SAMPLE = 5
BUSY = 50  # cells that show how slow answers are
SLOW = replace(OK, seconds=3.0)  # simulated curl connects in half of that, 1.5 s of the limit of 2 s
QUICK = replace(OK, seconds=0.01)  # the fastest answer, by which the others are slow
HANG = Attempt(Outcome.HANG, seconds=10.0)
EXPECTED = Expectation((Path(Outcome.OK, frozenset({SOURCE}), "web-a"),), ("R3",), "one endpoint")
HALF = Expectation((replace(EXPECTED.paths[0], share=0.5), Path(Outcome.TIMEOUT, share=0.5)), ("L13",), "sent home")


def observe(first: Attempt, again: Attempt, *, busy: Attempt = SLOW, sample: int = SAMPLE, **flags: Any) -> Observation:
    """A cell among others, of which one attempt of each five is `first` in its sample, and `again` afterwards."""
    asked: Counter[int] = Counter()

    def answer(target: Target) -> Attempt:
        asked[target.port] += 1
        if target.port != 80:
            return QUICK if target.port == 100 else busy
        return first if asked[80] <= sample else again

    others = [question(port) for port in range(100, 100 + BUSY)]
    return ask([question(80, sample=sample, **flags), *others], answer)[0]


def verdict(observation: Observation, expectation: Expectation = EXPECTED, facet: Facet | None = None) -> Result:
    cell = question(80).cell
    return judge(JudgedCell(cell, expectation, replace(observation, cell=cell.id)), facet).result


@pytest.mark.parametrize("lost", [HANG, TIMEOUT, Attempt(Outcome.RESET)])
def test_what_our_own_load_lost_is_asked_again_and_does_not_count(lost: Attempt) -> None:
    seen = observe(lost, OK)

    assert outcomes(seen) == [lost.outcome] * SAMPLE + [Outcome.OK] * SAMPLE
    assert [one.loaded for one in seen.attempts] == [True] * SAMPLE + [False] * SAMPLE
    assert "connections took 1.50 s longer than the fastest (limit 2 s)" in seen.load
    assert verdict(seen) is Result.PASS


@pytest.mark.parametrize("lost", [HANG, TIMEOUT, Attempt(Outcome.RESET)])
def test_what_a_healthy_and_idle_cluster_loses_counts_and_is_not_asked_again(lost: Attempt) -> None:
    seen = observe(lost, OK, busy=OK)

    assert outcomes(seen) == [lost.outcome] * SAMPLE
    assert seen.load == ""
    assert verdict(seen) is Result.FAIL


def test_a_little_load_does_not_explain_a_cell_that_lost_every_attempt() -> None:
    """Otherwise every cell that must be silent would be asked twice in every run."""
    seen = observe(TIMEOUT, OK, busy=replace(OK, seconds=2 * 0.4 * 2.0))

    assert outcomes(seen) == [Outcome.TIMEOUT] * SAMPLE
    assert verdict(seen) is Result.FAIL


def test_a_little_load_does_not_explain_silence_beside_the_error_of_a_router() -> None:
    """A router limits its ICMP errors: one attempt is unreachable, and the others time out."""
    replies = iter([Attempt(Outcome.UNREACHABLE, seconds=0.01), *[TIMEOUT] * (SAMPLE - 1)])
    busy = replace(OK, seconds=2 * 0.4 * 2.0)

    def answer(target: Target) -> Attempt:
        return next(replies, OK) if target.port == 80 else (QUICK if target.port == 100 else busy)

    seen = ask([question(80), *(question(port) for port in range(100, 150))], answer)[0]

    assert Counter(outcomes(seen)) == {Outcome.UNREACHABLE: 1, Outcome.TIMEOUT: SAMPLE - 1}
    assert seen.load == ""


def test_a_little_load_may_explain_a_single_loss() -> None:
    replies = iter([OK, HANG, OK, OK, OK])
    busy = replace(OK, seconds=2 * 0.4 * 2.0)

    def answer(target: Target) -> Attempt:
        return next(replies, OK) if target.port == 80 else (QUICK if target.port == 100 else busy)

    seen = ask([question(80), *(question(port) for port in range(100, 150))], answer)[0]

    assert verdict(seen) is Result.PASS
    assert len(seen.attempts) == 2 * SAMPLE


def test_what_is_lost_at_low_load_too_counts() -> None:
    seen = observe(TIMEOUT, TIMEOUT)

    assert [one.loaded for one in seen.attempts] == [True] * SAMPLE + [False] * low_load.FEW
    assert seen.trouble == ""
    assert verdict(seen) is Result.FAIL


def test_a_cell_that_answered_under_load_gets_its_whole_sample_again() -> None:
    replies = iter([OK, HANG, OK, OK, HANG])

    def answer(target: Target) -> Attempt:
        return next(replies, OK) if target.port == 80 else (QUICK if target.port == 100 else SLOW)

    seen = ask([question(80), *(question(port) for port in range(100, 150))], answer)[0]

    assert Counter(outcomes(seen)) == {Outcome.OK: 3 + SAMPLE, Outcome.HANG: 2}
    assert len(seen.counted) == 3 + SAMPLE


def test_answers_that_are_slow_at_low_load_too_make_a_lost_cell_inconclusive() -> None:
    """Half of the answers at low load take most of their limit: the other half may have taken more than all of it."""
    replies = iter([HANG] * SAMPLE + [SLOW, HANG, SLOW, SLOW, HANG])

    def answer(target: Target) -> Attempt:
        return next(replies, SLOW) if target.port == 80 else (QUICK if target.port == 100 else SLOW)

    seen = ask([question(80), *(question(port) for port in range(100, 150))], answer)[0]

    assert "answers are slow even with few connections open" in seen.trouble
    assert "--connect-timeout" in seen.trouble
    assert verdict(seen) is Result.INCONCLUSIVE


def test_silence_that_an_icmp_limit_may_explain_is_left_to_the_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.asking.icmp_rate_limit.PACE_S", 0.0)

    seen = observe(TIMEOUT, TIMEOUT, limited=True)

    assert not any(one.loaded for one in seen.attempts)
    assert seen.sure


def test_the_decision_is_the_same_whatever_is_expected() -> None:
    """Nothing that asks may import what is expected (.importlinter); a cell that must be silent is asked again, too."""
    silent = Expectation((Path(Outcome.TIMEOUT),), ("R4.3",), "no local endpoint")

    assert verdict(observe(TIMEOUT, TIMEOUT), silent) is Result.PASS
    assert verdict(observe(TIMEOUT, OK), silent) is Result.FAIL


def seen_as(*attempts: Attempt) -> Observation:
    return Observation("c", attempts=attempts, load="connections took 1.50 s (limit 2 s)")


def loaded(one: Attempt) -> Attempt:
    return replace(one, loaded=True, lost=is_lost(one, FrontendKind.NODE_PORT))


def test_only_losses_under_load_are_nobodys_verdict() -> None:
    assert verdict(seen_as(loaded(HANG), loaded(TIMEOUT))) is Result.INCONCLUSIVE
    assert verdict(seen_as(loaded(HANG), loaded(TIMEOUT)), Expectation((Path(Outcome.TIMEOUT),), (), "")) is (
        Result.INCONCLUSIVE
    )


def test_a_wrong_answer_under_load_is_wrong() -> None:
    stranger = replace(OK, backend="web-b")

    assert verdict(seen_as(loaded(HANG), loaded(stranger), OK, OK)) is Result.FAIL
    assert verdict(seen_as(loaded(HANG), loaded(Attempt(Outcome.REFUSED)), OK, OK)) is Result.FAIL


def test_a_balancer_that_refuses_under_load_is_asked_again() -> None:
    """Its health checks share the nodes with our load; a NodePort's refusal is the node's own."""
    balanced = observe(REFUSED, OK, frontend=FrontendKind.LOAD_BALANCER)
    direct = observe(REFUSED, OK)

    assert {one.outcome for one in balanced.counted} == {Outcome.OK}
    assert verdict(balanced) is Result.PASS
    assert {one.outcome for one in direct.counted} == {Outcome.REFUSED}


def test_a_refusal_that_its_service_declares_is_not_asked_again() -> None:
    seen = observe(REFUSED, TIMEOUT, frontend=FrontendKind.LOAD_BALANCER, limited=True)

    assert outcomes(seen) == [Outcome.REFUSED]
    assert not seen.attempts[0].loaded


def test_a_share_is_counted_at_low_load_alone() -> None:
    """Of 30 attempts under load 15 were lost and do not count; with the 15 answered ones 30 of 45 would be too many."""
    under_load = [loaded(OK)] * 15 + [loaded(TIMEOUT)] * 15

    assert verdict(seen_as(*under_load, *[OK] * 15, *[TIMEOUT] * 15), HALF, Facet.SHARES) is Result.PASS
    assert verdict(seen_as(*under_load, *[OK] * 30), HALF, Facet.SHARES) is Result.FAIL


def test_the_account_says_what_did_not_count_and_why() -> None:
    cell = question(80).cell
    account = dict(judge(JudgedCell(cell, EXPECTED, seen_as(loaded(HANG), loaded(OK), OK, OK))).account)

    assert account["load"] == (
        "asked again at low load; before, connections took 1.50 s (limit 2 s), so 1 lost do not count"
    )
    assert account["observed"].startswith("3 of 3 ok by web-a")
