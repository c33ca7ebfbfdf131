"""Which backend an answer is from: its host name, and on the host network the node's, as the pod reports it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.cluster_state.shortfalls import shortfalls
from topologies.loading.load import load, raw, validated
from topologies.loading.overrides import apply

if TYPE_CHECKING:
    from probes.observation import Attempt

GIVEN, _ = raw("lab-small")
TOPOLOGY = validated(apply(GIVEN, {"nodes.0.metadata_name": "ip-10-0-1-2.ec2.internal"}), "mine")
CELLS = [cell for cell in plan(TOPOLOGY).cells if cell.frontend.service.startswith("host")]
WORLD = session.simulate(TOPOLOGY, CELLS, lambda cell, snapshot: expect(TOPOLOGY, snapshot, cell))


def rename(attempt: Attempt, answers_as: str) -> Attempt:
    return replace(attempt, backend=answers_as) if attempt.backend == "host-a" else attempt


def results(answers_as: str, hostnames: dict[str, str]) -> set[Result]:
    """The verdicts of a run whose backend host-a answers by this name."""
    seen = {
        cell: replace(one, attempts=tuple(rename(each, answers_as) for each in one.attempts))
        for cell, one in WORLD.observations.items()
    }
    snapshot = replace(WORLD.snapshot, hostnames=hostnames)
    judge = Judge.over(TOPOLOGY, replace(WORLD, observations=seen, snapshot=snapshot), CELLS)
    return {judge(cell).result for cell in CELLS}


def test_there_are_cells() -> None:
    assert load("lab-small").workload.backends_by_name["host-a"].node == TOPOLOGY.nodes[0].name
    assert len(CELLS) > 10


@pytest.mark.parametrize("hostname", ["localhost.localdomain", "ip-10-0-1-2", "other"])
def test_the_host_name_that_the_pod_reports_identifies_it(hostname: str) -> None:
    assert results(hostname, {"host-a": hostname}) == {Result.PASS}


@pytest.mark.parametrize("hostname", ["ip-10-0-1-2.ec2.internal", "ip-10-0-1-2", "n1"])
def test_without_it_the_names_of_the_node_are_assumed(hostname: str) -> None:
    assert results(hostname, {}) == {Result.PASS}


def test_another_name_is_another_backend() -> None:
    assert Result.FAIL in results("web-a", {"host-a": "ip-10-0-1-2"})
    assert Result.FAIL in results("n1", {"host-a": "ip-10-0-1-2"})


def test_a_host_name_that_two_backends_report_identifies_none() -> None:
    shared = replace(WORLD.snapshot, hostnames={"host-a": "web-a"})
    reasons = shortfalls(TOPOLOGY, shared).reasons

    assert reasons == ("declared backend host-a answers as web-a, and so does another backend",)
    assert Result.FAIL not in results("web-a", {"host-a": "web-a"})
