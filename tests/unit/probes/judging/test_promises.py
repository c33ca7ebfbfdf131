"""The suites: what they promise is what the oracle says, and no cell of any topology is left out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

import suites
from probes import session
from probes.judging import suite
from probes.judging.promise import BackendSet, Promise, PromiseError, SourceKind
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.expectation import Expectation, Path
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from probes.plan.selection import select
from reports.terminal import failure
from tests.unit.support.library import LIBRARY
from topologies.cluster_state.snapshot import declared
from topologies.loading import overrides
from topologies.loading.load import load, names
from topologies.schema.enums import AddressIs, ProxyMode

if TYPE_CHECKING:
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

TESTS = suite.tests_of(suites)
PROMISES = tuple(test for test in TESTS if test.promise)
VERSIONS = {"iptables": ("1.20.2", "1.36.2"), "ipvs": ("1.20.2", "1.26.0"), "nftables": ("1.29.1",)}
DECLARED = ((), *(((mode, version)) for mode, versions in VERSIONS.items() for version in versions))
LB = {"frontend": "loadbalancer"}
PASSED = {"inside": True, "status": ("hostname", "proxy")}
JUDGED = {  # every facet and its cells, as the suites had them when a promise could still be conditional
    Facet.REACHABILITY: ({},),
    Facet.SOURCE: (
        {"frontend": ("endpoint", "externalip")},
        {"frontend": ("clusterip", "dnsname", "nodeport"), "endpoints": True},
        {**LB, "declared": True, "endpoints": True},
        {**LB, "declared": True, **PASSED},
        {**LB, "declared": False, "listener": ("none", "own")},
    ),
    Facet.BACKENDS: (
        {"frontend": ("clusterip", "dnsname", "nodeport", "externalip"), "endpoints": True},
        {**LB, "declared": True, "endpoints": True},
        {**LB, "listener": ("own", "leads")},
        {"endpoints": False},
    ),
    Facet.AFFINITY: ({"affinity": "ClientIP"},),
    Facet.SHARES: ({**LB, **PASSED}, {**LB, "inside": True, "listener": "leads", "excludes": False}),
}


def changed(name: str, given: tuple[str, ...]) -> Topology:
    if not given:
        return load(name)
    mode, version = given
    return overrides.declared(
        name, overrides.parse([f"mode={mode}", f"kubernetes={version}", f"proxy.version={version}"])
    )


@pytest.mark.parametrize("name", LIBRARY)
def test_the_oracle_says_what_is_promised_of_every_selected_cell(name: str) -> None:
    wrong = []
    for topology in (changed(name, given) for given in DECLARED):
        if topology.proxy.mode is ProxyMode.IPVS and topology.load_balancer.address_is is AddressIs.NODE:
            continue  # kube-ipvs0 of each node has the others' addresses and cuts them off: `hold` judges by the rules
        snapshot = declared(topology)
        told = cache(partial(predict, model_cluster(topology, snapshot)))
        for test, cell in suite.items(PROMISES, plan(topology).cells, topology):
            if differs := promise_of(test).contradiction(told(cell), cell, topology, snapshot):
                wrong.append(f"{topology.proxy.mode} {topology.proxy_version} {test.name}[{cell.id}]: {differs}")

    assert wrong == []


@pytest.mark.parametrize("name", LIBRARY)
def test_every_cell_is_judged_in_every_facet_that_it_always_was(name: str) -> None:
    topology = load(name)
    cells = plan(topology).cells
    judged = {(test.facet, cell.id) for test, cell in suite.items(TESTS, cells, topology)}
    wanted = {
        (facet, cell.id)
        for facet, choices in JUDGED.items()
        for one in choices
        for cell in select(cells, topology, one)
    }

    assert judged == wanted


@pytest.mark.parametrize("name", LIBRARY)
def test_what_is_promised_is_not_judged_by_the_rules_alone_as_well(name: str) -> None:
    topology = load(name)
    pairs = list(suite.items(TESTS, plan(topology).cells, topology))
    promised = {(test.facet, cell.id) for test, cell in pairs if test.promise}
    rest = [(test.facet, cell.id) for test, cell in pairs if not test.promise]

    assert bool(promised) != suite.drops_by_policy(topology)
    assert promised.isdisjoint(rest)
    assert len(rest) == len(set(rest))


@pytest.mark.slow
def test_every_promise_is_tried_somewhere_in_the_library() -> None:
    tried = set()
    for name in names():
        topology = load(name)
        tried |= {test.name for test, _ in suite.items(PROMISES, plan(topology).cells, topology)}

    assert tried == {test.name for test in PROMISES}


def test_a_failure_prints_an_expected_line_that_agrees_with_the_promise() -> None:
    for name in ("lab-flannel", "lab-balancer"):
        topology = load(name)
        cells = plan(topology).cells
        for test, cell in {test.name: (test, cell) for test, cell in suite.items(PROMISES, cells, topology)}.values():
            message = failure_of(test, cell, topology)
            (line,) = (line for line in message.splitlines() if line.strip().startswith("expected"))
            ways = line.strip().removeprefix("expected  ").split("; or ")
            promise = promise_of(test)
            assert {way.split(",")[0] for way in ways} <= set(promise.outcomes), message
            assert promise.source is SourceKind.ANY or all(
                ("(kept)" in way) is (promise.source is SourceKind.KEPT) for way in ways
            ), message


def promise_of(test: suite.SuiteTest) -> Promise:
    assert test.promise is not None
    return test.promise


def failure_of(test: suite.SuiteTest, cell: Cell, topology: Topology) -> str:
    """Return what a test says if every answer comes from two strangers, or no answer comes where one is promised."""
    stranger = Attempt(Outcome.OK, topology.nodes[-1].address, "stranger", seconds=0.1)
    promise = promise_of(test)
    attempts: tuple[Attempt, ...] = (stranger, replace(stranger, source=IPv4Address("192.0.2.1"), backend="another"))
    if test.facet is Facet.REACHABILITY and Outcome.OK in promise.outcomes:
        attempts = (Attempt(Outcome.TIMEOUT),) * cell.sample
    answers = session.Answers(declared(topology), {cell.id: Observation(cell.id, attempts=attempts)}, {}, {})
    judge = Judge.over(topology, answers, [cell])
    with pytest.raises(AssertionError) as caught:
        test.run(cell, lambda one, facet: suite.hold(promise, judge(one, facet), one, judge))
    return failure.format_failure(test.function.__doc__, str(caught.value)).replace("\nE   ", "\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ok", Promise(frozenset({Outcome.OK}))),
        ("ok kept", Promise(frozenset({Outcome.OK}), SourceKind.KEPT)),
        ("ok from-all node", Promise(frozenset({Outcome.OK}), SourceKind.NODE, BackendSet.ALL)),
        ("timeout|unreachable", Promise(frozenset({Outcome.TIMEOUT, Outcome.UNREACHABLE}))),
        ("unanswered", Promise(frozenset(Outcome) - {Outcome.OK})),
    ],
)
def test_a_promise_is_read_from_words(text: str, wanted: Promise) -> None:
    assert Promise.parse(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "okay", "ok keep", "refused kept", "ok kept node", "ok|timeout kept", "ok kept kept"]
)
def test_a_promise_that_cannot_be_read_says_what_can(text: str) -> None:
    with pytest.raises(PromiseError, match=r"want outcomes joined by \|.*kept node any.*from-all"):
        Promise.parse(text)


TOPOLOGY = load("lab-flannel")
SNAPSHOT = declared(TOPOLOGY)
CELL = next(cell for cell in plan(TOPOLOGY).cells if cell.id == "pod-n1-to-web.clusterip-v4-tcp")
ExpectedPath = tuple[Outcome, IPv4Address | None, str | None]
OWN, NODE = SNAPSHOT.pods["pod-n1"], TOPOLOGY.node("n1").address


def expected(*paths: ExpectedPath, sticky: bool = False) -> Expectation:
    made = tuple(Path(one, frozenset({seen} if seen else ()), backend) for one, seen, backend in paths)
    return Expectation(made, (), "", sticky)


@pytest.mark.parametrize(
    ("text", "paths", "differs"),
    [
        ("ok", [(Outcome.OK, OWN, "web-a"), (Outcome.TIMEOUT, None, None)], "timeout"),
        ("ok kept", [(Outcome.OK, OWN, "web-a"), (Outcome.OK, NODE, "web-b")], str(NODE)),
        ("ok node", [(Outcome.OK, OWN, "web-a")], str(OWN)),
        ("ok from-all", [(Outcome.OK, OWN, "web-a")], "web-b"),
        ("ok from-local", [(Outcome.OK, OWN, "web-a"), (Outcome.OK, OWN, "web-b")], "web-b"),
        ("ok from-one", [(Outcome.OK, OWN, "web-a")], "session affinity"),
        ("unanswered", [(Outcome.OK, OWN, "web-a")], "ok"),
        ("ok kept from-all", [(Outcome.OK, OWN, "web-a"), (Outcome.OK, OWN, "web-b")], ""),
        ("ok node from-local", [(Outcome.OK, NODE, "web-a")], ""),
        ("unanswered", [(Outcome.HANG, None, None)], ""),
    ],
)
def test_an_expectation_contradicts_a_promise(text: str, paths: list[ExpectedPath], differs: str) -> None:
    found = Promise.parse(text).contradiction(expected(*paths), CELL, TOPOLOGY, SNAPSHOT)

    assert differs in found
    assert bool(found) is bool(differs)


def judge_of(topology: Topology, snapshot: Snapshot) -> Judge:
    answers = session.simulate(
        topology, [CELL], lambda cell, known: predict(model_cluster(topology, known), cell), snapshot
    )
    return Judge.over(topology, answers, [CELL])


def test_a_cluster_that_is_not_the_declared_one_makes_a_promised_cell_inconclusive() -> None:
    """Without a live endpoint every connection is refused: no pass for `answered by all`."""
    bare = replace(SNAPSHOT.services["web"], endpoints=())
    judge = judge_of(TOPOLOGY, replace(SNAPSHOT, services={**SNAPSHOT.services, "web": bare}))

    held = suite.hold(Promise.parse("ok"), judge(CELL, Facet.REACHABILITY), CELL, judge)

    assert held.result is Result.INCONCLUSIVE
    assert "backend web-a" in held.headline


def test_a_promise_that_the_topology_itself_breaks_leaves_the_verdict_to_the_rules() -> None:
    judge = judge_of(TOPOLOGY, SNAPSHOT)

    held = suite.hold(Promise.parse("refused"), judge(CELL, Facet.REACHABILITY), CELL, judge)

    assert held.result is Result.PASS
    assert held.account[0] == (
        "promise",
        "does not apply to this topology (ok, not refused): judged by the rules of its mode alone",
    )


def test_a_marker_without_a_facet_is_an_error() -> None:
    @pytest.mark.cells(frontend="nodeport")
    def bare() -> None: ...

    with pytest.raises(suite.MarkerError, match="want one Facet before the selectors"):
        suite.SuiteTest.of(bare)
