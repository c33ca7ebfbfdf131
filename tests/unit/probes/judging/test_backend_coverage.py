"""A backend is missing where chance cannot hide it, told from every attempt that had it to choose."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.judging.backend_coverage import UNSEEN, BackendPool, picker
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.expectation import Expectation, Path
from probes.oracle.predict import expect
from probes.plan.plan import plan
from probes.session import Answers, simulate
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

SEEN = frozenset({IPv4Address("10.244.1.7")})
TOPOLOGY = load("lab-flannel")
CELLS = plan(TOPOLOGY).cells


def expectation(*names: str) -> Expectation:
    paths = tuple(Path(Outcome.OK, SEEN, name, 1 / len(names)) for name in names)
    return Expectation(paths, ("R3",), "all endpoints")


def observation(*names: str) -> Observation:
    return Observation("c", attempts=tuple(Attempt(Outcome.OK, backend=name) for name in names))


@settings(deadline=None)
@given(samples=st.lists(st.lists(st.sampled_from("abcd"), max_size=30), max_size=8), others=st.integers(0, 3))
def test_a_backend_is_missing_if_chance_cannot_explain_that_no_attempt_reached_it(
    samples: list[list[str]], others: int
) -> None:
    names = "abcdefg"[: 4 + others]
    pool = BackendPool()
    for sample in samples:
        pool.add(expectation(*names), observation(*sample))

    attempts = sum(map(len, samples))
    hidden = (1 - 1 / len(names)) ** attempts
    unmet = set(names) - {name for sample in samples for name in sample}
    assert (pool.attempts, pool.cells) == (attempts, len(samples))
    assert pool.missing == (unmet if hidden <= UNSEEN * (1 + 1e-9) else frozenset())


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_a_pool_is_as_one_large_sample(sizes: list[int]) -> None:
    pooled, large = BackendPool(), BackendPool()
    for size in sizes:
        pooled.add(expectation("a", "b"), observation(*"a" * size))
    large.add(expectation("a", "b"), observation(*"a" * sum(sizes)))

    assert pooled.seen == large.seen
    assert pooled.hidden == pytest.approx(large.hidden)


def test_several_ways_to_one_backend_add_up() -> None:
    two_ways = replace(expectation("a"), paths=tuple(Path(Outcome.OK, SEEN, "a", 0.5) for _ in range(2)))
    pool = BackendPool()
    pool.add(two_ways, observation("b"))

    assert pool.missing == {"a"}


def test_the_picker_is_the_node_asked_or_the_clients_own_or_outside() -> None:
    found = {cell.id: picker(cell) for cell in CELLS}

    assert found["pod-n1-to-web-np.nodeport.n2-v4-tcp"] == ("web-np", "n2")
    assert found["host-n3-to-web-np.nodeport.loopback-v4-tcp"] == ("web-np", "n3")
    assert found["pod-n3-to-web.clusterip-v4-tcp"] == ("web", "n3")
    assert found["ext-e1-to-web-lb.loadbalancer-v4-tcp"] == ("web-lb", "outside")


GIVEN = simulate(TOPOLOGY, CELLS, lambda cell, snapshot: expect(TOPOLOGY, snapshot, cell))


def answers(change: Callable[[str, Observation], Observation]) -> Answers:
    return replace(GIVEN, observations={cell: change(cell, seen) for cell, seen in GIVEN.observations.items()})


def never(backend: str, seen: Observation) -> Observation:
    """The same answers, all by one of the other backends."""
    others = [one for one in seen.attempts if one.backend != backend]
    return replace(seen, attempts=tuple(others[index % len(others)] for index, _ in enumerate(seen.attempts)))


def failing(there: Answers) -> set[str]:
    judge = Judge.over(TOPOLOGY, there, CELLS)
    return {cell.id for cell in CELLS if judge(cell, Facet.BACKENDS).result is not Result.PASS}


def test_one_cell_that_misses_a_backend_is_chance() -> None:
    unlucky = "pod-n1-to-web.clusterip-v4-tcp"

    assert failing(answers(lambda cell, seen: never("web-a", seen) if cell == unlucky else seen)) == set()


def test_a_backend_that_no_client_of_a_node_reaches_fails_exactly_there() -> None:
    concerned = {cell.id for cell in CELLS if picker(cell) == ("web-np", "n1")}

    found = failing(answers(lambda cell, seen: never("web-a", seen) if cell in concerned else seen))

    assert found == concerned


def test_affinity_is_no_picking() -> None:
    sticky = [cell for cell in CELLS if cell.frontend.service == "web-affinity"]
    met = {one.backend for cell in sticky for one in GIVEN.observations[cell.id].attempts if one.backend}
    judge = Judge.over(TOPOLOGY, GIVEN, CELLS)

    assert met == {"web-a"}
    assert {judge(cell, Facet.BACKENDS).result for cell in sticky} == {Result.PASS}


def test_the_complaint_tells_the_size_of_the_pool() -> None:
    concerned = {cell.id for cell in CELLS if picker(cell) == ("web-np", "n1")}
    there = answers(lambda cell, seen: never("web-a", seen) if cell in concerned else seen)
    one = next(cell for cell in CELLS if cell.id in concerned)

    told = str(Judge.over(TOPOLOGY, there, CELLS)(one, Facet.BACKENDS))

    assert f"web-a never answered in {11 * len(concerned)} connections of {len(concerned)} cells" in told
