from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from probes.judging.compare import JudgedCell, judge, with_names
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.expectation import Alternative, Expectation, Path
from probes.plan.plan import plan
from topologies.common.addresses import IPAddress
from topologies.loading.load import load

CELL = plan(load("lab-small")).cells[0]
KEPT, OTHER = IPv4Address("198.18.3.100"), IPv4Address("10.244.2.1")
TWO = Expectation(
    (
        Path(Outcome.OK, frozenset({KEPT}), "web-a", 0.5, ("R3",)),
        Path(Outcome.OK, frozenset({KEPT}), "web-b", 0.5, ("R3",)),
    ),
    ("R3",),
    "all endpoints",
)
REFUSED = Expectation((Path(Outcome.REFUSED, by_icmp=True),), ("R1",), "no endpoint")
SILENT = Expectation((Path(Outcome.TIMEOUT),), ("R4.3",), "no local endpoint")


def ok(backend: str = "web-a", source: IPAddress = KEPT, scout: bool = False) -> Attempt:
    return Attempt(Outcome.OK, source, backend, scout=scout)


def case(expectation: Expectation, *attempts: Attempt, limited: bool = False, trouble: str = "") -> JudgedCell:
    return JudgedCell(CELL, expectation, Observation(CELL.id, "10.0.0.1:80", attempts, trouble), limited=limited)


BOTH = (*[ok("web-a")] * 6, *[ok("web-b")] * 6)


def test_what_was_expected_passes() -> None:
    assert judge(case(TWO, *BOTH)).result is Result.PASS


def test_an_answer_where_none_was_expected_names_the_backend_alone() -> None:
    verdict = judge(case(SILENT, ok("web-a")), Facet.BACKENDS)

    assert verdict.headline == "answered by web-a where no answer was expected"


@pytest.mark.parametrize(
    ("facet", "attempts", "told"),
    [
        (Facet.REACHABILITY, (*BOTH, Attempt(Outcome.TIMEOUT)), "timeout where ok was expected"),
        (Facet.SOURCE, (*BOTH, ok(source=OTHER)), "web-a saw 10.244.2.1, not 198.18.3.100"),
        (Facet.BACKENDS, (*BOTH, ok("stranger")), "answered by stranger"),
        (Facet.BACKENDS, (ok("web-a"),) * 14, "web-b never answered in 14 connections"),
    ],
)
def test_each_facet_fails_for_its_own_fault_alone(facet: Facet, attempts: tuple[Attempt, ...], told: str) -> None:
    verdicts = {one: judge(case(TWO, *attempts), one) for one in Facet}

    assert verdicts[facet].result is Result.FAIL
    assert told in str(verdicts[facet])
    assert verdicts[Facet.AFFINITY].result is Result.PASS


@pytest.mark.parametrize(
    ("expectation", "attempts", "mixes", "told"),
    [
        (TWO, (*BOTH, Attempt(Outcome.TIMEOUT)), True, True),
        (TWO, (*BOTH, Attempt(Outcome.HANG)), True, True),
        (TWO, (*BOTH, Attempt(Outcome.TIMEOUT)), False, False),  # not ipvs
        (TWO, (*BOTH, *[Attempt(Outcome.TIMEOUT)] * 2), True, False),  # two are no accident
        (TWO, (*BOTH, Attempt(Outcome.REFUSED)), True, False),  # somebody said no
        (TWO, (Attempt(Outcome.TIMEOUT),), True, False),  # nothing was answered at all
        (SILENT, (Attempt(Outcome.TIMEOUT), Attempt(Outcome.TIMEOUT)), True, False),
    ],
)
def test_a_single_lost_connection_in_ipvs_mode_fails_and_names_its_suspect(
    expectation: Expectation, attempts: tuple[Attempt, ...], mixes: bool, told: bool
) -> None:
    verdict = judge(replace(case(expectation, *attempts), mixes=mixes))

    assert verdict.result is (Result.PASS if expectation is SILENT else Result.FAIL)
    assert ("perhaps" in dict(verdict.account)) is told


def test_an_answer_where_none_was_expected_is_a_wrong_source_too() -> None:
    assert judge(case(SILENT, ok()), Facet.SOURCE).result is Result.FAIL


def test_few_attempts_do_not_prove_a_backend_missing() -> None:
    assert judge(case(TWO, ok("web-a"), ok("web-a")), Facet.BACKENDS).result is Result.PASS


def test_affinity_is_judged_without_the_scout() -> None:
    sticky = replace(TWO, sticky=True)

    assert judge(case(sticky, ok("web-b", scout=True), ok(), ok()), Facet.AFFINITY).result is Result.PASS
    assert judge(case(sticky, ok(), ok("web-b")), Facet.AFFINITY).result is Result.FAIL


PER_NODE = replace(TWO, sticky_per_node=0.25)


def test_nodes_with_an_affinity_of_their_own_may_all_keep_a_client_on_one_backend() -> None:
    moving = [ok("web-a"), ok("web-b")] * 6

    assert judge(case(PER_NODE, *moving)).result is Result.PASS
    assert judge(case(PER_NODE, *[ok("web-a")] * 14), Facet.BACKENDS).result is Result.PASS
    assert judge(case(PER_NODE, ok("stranger"), *moving), Facet.BACKENDS).result is Result.FAIL


def test_a_client_that_a_balancer_keeps_on_one_node_fails_if_each_connection_selects_a_node() -> None:
    verdict = judge(case(PER_NODE, *[ok("web-a")] * 14), Facet.AFFINITY)

    assert verdict.headline == "14 connections had the same answer, as if the load balancer always selected one node"
    assert judge(case(PER_NODE, *[ok("web-a")] * 7), Facet.AFFINITY).result is Result.PASS  # chance: 2 x 0.25^7
    assert judge(case(replace(PER_NODE, sticky_per_node=1.0), *[ok()] * 99), Facet.AFFINITY).result is Result.PASS


def test_no_share_is_judged_if_attempts_depend_on_each_other() -> None:
    half = replace(PER_NODE, paths=(TWO.paths[0], Path(Outcome.TIMEOUT, share=0.5)))

    assert judge(case(half, *[ok()] * 40, Attempt(Outcome.TIMEOUT)), Facet.SHARES).result is Result.PASS
    assert judge(case(replace(half, sticky_per_node=0.0), *[ok()] * 40), Facet.SHARES).result is Result.FAIL


def test_trouble_is_inconclusive_never_unreachable() -> None:
    assert judge(case(SILENT, trouble="exec refused")).result is Result.INCONCLUSIVE
    assert judge(case(SILENT)).result is Result.INCONCLUSIVE


def test_refusals_among_timeouts_are_one_answer_where_icmp_is_expected() -> None:
    mixed = (Attempt(Outcome.REFUSED), Attempt(Outcome.TIMEOUT), Attempt(Outcome.TIMEOUT))

    passed = judge(case(REFUSED, *mixed))
    assert passed.result is Result.PASS
    assert "1 of 3 refused (of the same refusal: kernels limit ICMP errors)" in str(passed)
    assert judge(case(SILENT, *mixed)).result is Result.FAIL


def test_silence_for_an_icmp_refusal_is_inconclusive_only_where_the_limit_was_hit() -> None:
    silence = (Attempt(Outcome.TIMEOUT),) * 3

    assert judge(case(REFUSED, *silence)).result is Result.FAIL
    assert judge(case(REFUSED, *silence, limited=True)).result is Result.INCONCLUSIVE


def test_a_host_network_pod_is_known_by_its_nodes_name() -> None:
    named = with_names(Observation("c", attempts=(ok("n2"), ok("web-a"))), {"n2": "host-a"})

    assert [attempt.backend for attempt in named.attempts] == ["host-a", "web-a"]


HALF = Expectation((replace(TWO.paths[0], share=0.5), Path(Outcome.TIMEOUT, share=0.5)), ("L13",), "sent home")


@pytest.mark.parametrize(
    ("answered", "result"), [(30, Result.FAIL), (0, Result.FAIL), (4, Result.FAIL), (12, Result.PASS)]
)
def test_an_intermittent_cell_is_answered_as_often_as_its_share_says(answered: int, result: Result) -> None:
    attempts = (*[ok()] * answered, *[Attempt(Outcome.TIMEOUT)] * (30 - answered))

    assert judge(case(HALF, *attempts), Facet.SHARES).result is result


def test_few_attempts_do_not_prove_a_share_wrong() -> None:
    assert judge(case(HALF, ok(), ok(), ok()), Facet.SHARES).result is Result.PASS


KEPT_OR_SILENT = Expectation(
    (Path(Outcome.OK, frozenset({KEPT}), "web-a", 0.5), Path(Outcome.TIMEOUT, share=0.5)),
    ("R3", "R4.3"),
    "2 results are possible, with cni.masquerade unknown",
    alternatives=(
        Alternative(TWO, ((("cni.masquerade", ("none",)),),)),
        Alternative(SILENT, ((("cni.masquerade", ("egress", "flannel")),),)),
    ),
)


@pytest.mark.parametrize(
    ("attempts", "passes"),
    [
        (BOTH, True),
        ((Attempt(Outcome.TIMEOUT),) * 6, True),
        ((*BOTH, Attempt(Outcome.TIMEOUT)), False),  # each attempt fits an alternative, but no alternative fits all
        ((ok("web-a"),) * 14, False),  # web-b never answered, which only TWO allows to judge
        ((*BOTH, ok(source=OTHER)), False),
        ((Attempt(Outcome.REFUSED),), False),
    ],
)
def test_all_attempts_and_facets_must_fit_one_alternative(attempts: tuple[Attempt, ...], passes: bool) -> None:
    one = case(KEPT_OR_SILENT, *attempts)
    by_facet = {judge(one, facet).result for facet in Facet}

    assert judge(one).result is (Result.PASS if passes else Result.FAIL)
    assert by_facet == ({Result.PASS} if passes else {Result.PASS, Result.FAIL})


def test_no_share_is_judged_by_the_mean_of_alternatives() -> None:
    rare = Expectation((replace(TWO.paths[0], share=0.1), Path(Outcome.TIMEOUT, share=0.9)), (), "rare")
    often = Expectation((replace(TWO.paths[0], share=0.9), Path(Outcome.TIMEOUT, share=0.1)), (), "often")
    either = Expectation(TWO.paths, (), "", alternatives=(Alternative(rare, ()), Alternative(often, ())))
    lost = Attempt(Outcome.TIMEOUT)

    assert judge(case(either, *[ok()] * 90, *[lost] * 10)).result is Result.PASS
    assert judge(case(either, *[ok()] * 10, *[lost] * 90)).result is Result.PASS
    assert judge(case(either, *[ok()] * 50, *[lost] * 50)).result is Result.FAIL


def test_affinity_is_judged_only_if_the_alternative_that_fits_has_it() -> None:
    either = Expectation(
        TWO.paths, (), "", alternatives=(Alternative(replace(TWO, sticky=True), ()), Alternative(TWO, ()))
    )

    assert judge(case(either, *BOTH)).result is Result.PASS
    assert judge(case(either, *[ok("web-a")] * 14)).result is Result.PASS


def test_a_refusal_that_one_alternative_allows_and_the_kernel_limits_is_no_failure() -> None:
    either = Expectation((), (), "", alternatives=(Alternative(REFUSED, ()), Alternative(TWO, ())))
    either = replace(either, paths=(*REFUSED.paths, *TWO.paths))

    assert judge(case(either, *[Attempt(Outcome.TIMEOUT)] * 3, limited=True)).result is Result.INCONCLUSIVE
    assert judge(case(either, *[Attempt(Outcome.TIMEOUT)] * 3)).result is Result.FAIL
    assert "the nearest of 2 results" in judge(case(either, *[Attempt(Outcome.TIMEOUT)] * 3)).headline
