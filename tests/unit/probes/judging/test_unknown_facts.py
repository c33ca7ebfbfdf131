"""A topology without its facts judges the cluster that it is: every cell passes, and few of them by chance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Outcome
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from tests.unit.support.library import LIBRARY
from topologies.cluster_state.snapshot import declared
from topologies.common.addresses import IPAddress
from topologies.loading.load import load
from topologies.schema import facts
from topologies.schema.enums import BridgeAddress

if TYPE_CHECKING:
    from collections.abc import Collection

    from probes.session import Answers
    from topologies.schema.topology import Topology

CELLS = 30  # of each topology, evenly spread
STRANGER = IPAddress("192.0.2.99")


def without_facts(topology: Topology) -> Topology:
    """Return the topology with every fact unknown, and every node's pod range too."""
    listed = {fact.path for fact in facts.FACTS if fact.path not in facts.ONLY_AT_NODES}
    ranges = {facts.join(node.name, "pod_cidr") for node in topology.nodes if node.pod_cidr}
    if topology.cni.bridge_address is not BridgeAddress.POD_CIDR:
        return topology.model_copy(update={"unknown": frozenset(listed)})
    nodes = tuple(node.model_copy(update={"pod_cidr": None}) for node in topology.nodes)
    return topology.model_copy(update={"unknown": frozenset(listed | ranges), "nodes": nodes})


def judged(topology: Topology, answers: Answers, step: int) -> Judge:
    return Judge.over(topology, answers, plan(topology).cells[::step])


def simulated(topology: Topology, wanted: Collection[str] = ()) -> Answers:
    """Return the answers of a cluster that is as the topology declares, to the wanted cells, or to all."""
    model = model_cluster(topology, declared(topology))
    cells = [cell for cell in plan(topology).cells if not wanted or cell.id in wanted]
    return session.simulate(topology, cells, lambda cell, _: predict(model, cell))


@pytest.mark.parametrize("name", LIBRARY)
def test_a_cluster_passes_with_every_fact_unknown(name: str) -> None:
    topology = load(name)
    unknown = without_facts(topology)
    cells = plan(unknown).cells
    step = max(1, len(cells) // CELLS)

    judge = judged(unknown, simulated(topology, {cell.id for cell in cells[::step]}), step)

    predicted = [cell for cell in cells[::step] if judge.expectation(cell).paths]
    for cell in predicted:
        for facet in (None, *Facet):
            assert judge(cell, facet).result is Result.PASS, judge(cell, facet)
    assert len(predicted) > 0.85 * len(cells[::step])
    for cell in set(cells[::step]) - set(predicted):  # too many choices
        assert judge(cell).result is Result.INCONCLUSIVE


def test_a_source_that_no_choice_explains_fails_with_every_fact_unknown() -> None:
    topology = load("lab-small")
    answers = simulated(topology)
    cells = plan(without_facts(topology)).cells
    lost = tuple(Attempt(Outcome.HANG) for _ in range(3))
    bent = {cell.id: replace(answers.observations[cell.id], attempts=lost) for cell in cells[::9]}
    judge = judged(without_facts(topology), replace(answers, observations={**answers.observations, **bent}), 9)

    expected = {cell: judge.expectation(cell).outcomes for cell in cells[::9]}
    found = [judge(cell).result for cell, outcomes in expected.items() if outcomes and Outcome.HANG not in outcomes]

    assert set(found) == {Result.FAIL}


def test_an_address_that_is_not_known_is_no_known_address() -> None:
    """Without its pod_cidr, the bridge of n1 has any address except those that the cluster is known to have."""
    topology = load("lab-flannel")
    nodes = tuple(one.model_copy(update={"pod_cidr": None}) if one.name == "n1" else one for one in topology.nodes)
    unknown = topology.model_copy(update={"nodes": nodes, "unknown": frozenset({"nodes.n1.pod_cidr"})})
    cell = next(one for one in plan(unknown).cells if one.id == "host-n1-to-web-lb-local.loadbalancer-v4-tcp")
    answers = simulated(topology)
    seen = answers.observations[cell.id]

    def verdict(source: str) -> Result:
        attempts = tuple(replace(one, source=IPAddress(source)) for one in seen.attempts if one.backend == "web-a")
        other = tuple(one for one in seen.attempts if one.backend != "web-a")
        bent = {**answers.observations, cell.id: replace(seen, attempts=(*attempts, *other))}
        return Judge.over(unknown, replace(answers, observations=bent), [cell])(cell, Facet.SOURCE).result

    assert str(topology.cni.bridge_address_of(topology.node("n1"))) == "10.244.1.1"
    assert verdict("10.244.1.1") is Result.PASS
    assert verdict("172.17.0.1") is Result.PASS
    assert verdict("198.18.1.11") is Result.FAIL  # the primary address of n1
    assert verdict("10.244.2.1") is Result.FAIL  # cni0 of n2
    assert verdict("198.18.3.100") is Result.FAIL  # the external host
