"""Every row that needs a change is asked by a scenario, and kube-proxy's rules keep what the scenarios promise."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest

from probes.contract.load import rows
from probes.scenarios.catalogue import scenarios
from probes.scenarios.results import BROKEN, KEPT
from probes.scenarios.stage import Stage
from probes.scenarios.verdicts import predict_checks
from topologies.loading import overrides
from topologies.schema.enums import ProxyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.scenarios.model import Check, ContractScenario
    from topologies.schema.topology import Topology

OPEN: dict[str, str] = {}  # rows with a change that no scenario makes, and why


def read(name: str = "lab-flannel", *changed: str) -> Topology:
    return overrides.read(name, overrides.parse(list(changed)))[1]


def checks_of(scenario: ContractScenario, topology: Topology) -> tuple[Check, ...]:
    return tuple(chain.from_iterable(step.checks for step in scenario.steps(Stage.build(topology, [scenario]))))


def predicted(topology: Topology, *, promised: bool = True) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Scenario, row, result and rules of every check. `promised`: of scenarios that can be run only."""
    for scenario in scenarios():
        stage = Stage.build(topology, [scenario])
        state: Topology | None = stage.topology
        for step in () if promised and stage.why_not(scenario) else scenario.steps(stage):
            state = step.change.declare(state) if state else None
            for check, one in zip(step.checks, predict_checks(step.checks, state), strict=True):
                yield scenario.id, check.row_id, one.result, one.rules


def test_every_row_with_a_change_is_asked_by_a_scenario_or_open() -> None:
    asked = {name for scenario in scenarios() for name in scenario.rows}
    needing = {row.id for row in rows() if row.scenario}

    assert needing - asked == set(OPEN)


def test_a_scenario_asks_its_rows_and_no_others() -> None:
    topology = read("lab-flannel", "kubernetes=1.37.2")

    for scenario in scenarios():
        assert {one.row_id for one in checks_of(scenario, topology)} == set(scenario.rows), scenario.id
        assert {one.row.id for one in checks_of(scenario, topology)} == set(scenario.rows)


def test_scenarios_have_names_of_their_own_and_share_no_service() -> None:
    ids = [one.id for one in scenarios()]
    services = [one["name"] for scenario in scenarios() for one in scenario.services]

    assert len(set(ids)) == len(ids)
    assert len(set(services)) == len(services)
    for scenario in scenarios():
        apps = {one.app for one in scenario.backings}
        assert {one["app"] for one in scenario.services} <= apps, scenario.id


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_kube_proxy_keeps_every_promise_that_the_rules_know(mode: str) -> None:
    found = list(predicted(read("lab-flannel", "kubernetes=1.37.2", f"mode={mode}")))

    assert {one for one in found if one[2] == BROKEN} == set()
    assert sum(one[2] == KEPT for one in found) > 90


def test_ipvs_breaks_external_traffic_policy_as_its_rules_say() -> None:
    found = set(predicted(read("lab-flannel", "kubernetes=1.37.2", "mode=ipvs")))

    assert {one for one in found if one[2] == BROKEN} == {
        ("external-policy-switched", "local-outside-node-without", BROKEN, ("R4i.3", "R4i.4")),
        ("external-policy-switched", "local-pod-other-node-without", BROKEN, ("R4i.3", "R4i.4")),
        ("terminating", "local-terminating-nodeport", BROKEN, ("E1", "R4i.3", "R4i.4")),
    }


def test_a_kube_proxy_before_1_26_does_not_serve_terminating_endpoints() -> None:
    found = set(predicted(read("lab-flannel", "kubernetes=1.25.16"), promised=False))
    broken = {one[1] for one in found if one[2] == BROKEN}

    assert broken == {
        "all-terminating-clusterip",
        "all-terminating-nodeport",
        "local-terminating-clusterip",
        "local-terminating-nodeport",
        "health-check-node-port-only-terminating",
    }
    assert {rule for one in found if one[2] == BROKEN for rule in one[3]} == {"E2", "R1.2"}


def test_another_implementation_is_not_predicted() -> None:
    topology = read("lab-flannel", "kubernetes=1.37.2")
    other = topology.proxy.model_copy(update={"kind": ProxyKind.CILIUM})

    assert {one[2] for one in predicted(topology.model_copy(update={"proxy": other}))} == {""}


@pytest.mark.parametrize(
    ("changed", "scenario", "why"),
    [
        (["load_balancer={kind: none}"], "rolling-update", "the cluster lacks load-balancer"),
        (["nodes=1"], "affinity-switched", "it needs 2 nodes, and pods can run on 1"),
        (["kubernetes=1.20.2"], "terminating", "it needs Kubernetes 1.22.0 or newer, and this is 1.20.2"),
        (["kubernetes=1.20.2"], "evicted", "Kubernetes 1.20.2 promises none of its rows"),
        (["kubernetes=1.37.2"], "terminating", ""),
        (["kubernetes=1.37.2"], "same-zone", "the cluster lacks zones"),
        (["nodes=1"], "scaled-to-zero", ""),
    ],
)
def test_what_a_cluster_lacks_is_the_reason_of_a_skip(changed: list[str], scenario: str, why: str) -> None:
    one = next(one for one in scenarios() if one.id == scenario)

    assert Stage.build(read("lab-flannel", *changed), [one]).why_not(one) == why


def test_a_client_is_served_in_its_zone_or_by_all_if_that_has_no_endpoint() -> None:
    topology = read("lab-flannel", "kubernetes=1.37.2")
    zones = {"n1": "a", "n2": "b", "n3": "b", "n4": "c"}
    nodes = tuple(node.model_copy(update={"zone": zones[node.name]}) for node in topology.nodes)
    zoned = topology.model_copy(update={"nodes": nodes})
    [scenario] = [one for one in scenarios() if one.id == "same-zone"]
    stage = Stage.build(zoned, [scenario])
    near, local = scenario.steps(stage)

    assert stage.why_not(scenario) == ""
    assert [sorted(one.only) for one in near.checks] == [["web-1"], ["web-2"], ["web-2"], ["web-1", "web-2"]]
    assert [one.promise for one in local.checks] == ["ok from-local", "ok from-local", "unanswered", "unanswered"]


@pytest.mark.parametrize("name", ["lab-flannel", "lab-eni", "lab-small"])
def test_clients_are_on_at_most_four_nodes_and_outside(name: str) -> None:
    topology = read(name)
    stage = Stage.build(topology, scenarios())

    assert 1 <= len(stage.nodes) <= 4
    assert [one.node for one in stage.pods] == list(stage.nodes)
    assert {one.node for one in stage.hosts} == set(stage.nodes)
    assert len(stage.outside) == len(topology.external)
    names = [one.name for one in stage.topology.workload.vantages] + list(stage.backings)
    assert len(set(names)) == len(names)
