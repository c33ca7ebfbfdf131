"""Endpoints have the conditions that the EndpointSlice controller of a version gives pods in the declared state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.plan.plan import plan
from topologies.cluster_state.declared_workload import declared_workload
from topologies.cluster_state.snapshot import declared
from topologies.frontends import FrontendKind, resolve
from topologies.loading.load import TopologyError, load, parse
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

READY, UNREADY = (True, True, False), (False, False, False)
TERMINATING, TERMINATING_UNREADY = (False, True, True), (False, False, True)
FILE = """
name: mine
kubernetes: "1.31.3"
nodes: 2
cni: {kind: flannel-vxlan}
workload:
  vantages: [{name: x, kind: pod, node: n1}]
  services: [{name: a, app: a, publish_not_ready_addresses: %s}]
  backends: [{name: a-1, app: %s, node: n1, state: %s}]
"""


def with_state(state: str, kubernetes: str = "1.37.2", **service: Any) -> Topology:
    """Return lab-small with its backend web-a in a state; `service`: keys of all its Services."""
    raw = load("lab-small").model_dump(mode="json") | {"kubernetes": kubernetes}
    for backend in raw["workload"]["backends"]:
        if backend["name"] == "web-a":
            backend["state"] = state
    for one in raw["workload"]["services"]:
        one.update(service)
    return Topology.model_validate(raw)


def conditions(topology: Topology, service: str = "web") -> Mapping[str, tuple[bool, bool, bool]]:
    endpoints = declared(topology).services[service].endpoints
    return {one.backend: (one.ready, one.serving, one.terminating) for one in endpoints}


@pytest.mark.parametrize(
    ("state", "kubernetes", "publish", "expected"),
    [
        ("ready", "1.37.2", False, READY),
        ("unready", "1.20.2", False, UNREADY),
        ("unready", "1.37.2", False, UNREADY),
        ("unready", "1.20.2", True, (True, False, False)),
        ("unready", "1.37.2", True, (True, False, False)),
        ("terminating", "1.21.14", False, None),
        ("terminating", "1.22.0", False, TERMINATING),
        ("terminating", "1.37.2", False, TERMINATING),
        ("terminating", "1.21.14", True, READY),
        ("terminating", "1.37.2", True, (True, True, True)),
        ("terminating-unready", "1.20.2", False, None),
        ("terminating-unready", "1.37.2", False, TERMINATING_UNREADY),
        ("terminating-unready", "1.37.2", True, (True, False, True)),
    ],
)
def test_conditions_follow_the_state_the_version_and_the_service(
    state: str, kubernetes: str, publish: bool, expected: tuple[bool, bool, bool] | None
) -> None:
    topology = with_state(state, kubernetes, publish_not_ready_addresses=publish)
    assert conditions(topology).get("web-a") == expected
    assert declared_workload(topology, declared(topology)) == declared(topology)


def test_a_node_has_an_endpoint_only_if_it_is_ready() -> None:
    for state in ("unready", "terminating", "terminating-unready"):
        topology = with_state(state)
        web = topology.service("web")
        assert "n1" not in topology.endpoint_nodes(web)
        assert [one.name for one in topology.not_ready_backends(web)] == ["web-a"]
    published = with_state("unready", publish_not_ready_addresses=True)
    assert "n1" in published.endpoint_nodes(published.service("web"))
    assert published.not_ready_backends(published.service("web")) == ()


@pytest.mark.parametrize("kubernetes", ["1.20.2", "1.37.2"])
@pytest.mark.parametrize("state", ["unready", "terminating", "terminating-unready"])
def test_the_pod_itself_is_asked_at_its_address_in_every_state(state: str, kubernetes: str) -> None:
    topology = with_state(state, kubernetes)
    snapshot = declared(topology)
    cell = next(
        cell
        for cell in plan(topology).cells
        if cell.frontend.kind is FrontendKind.ENDPOINT and cell.frontend.backend == "web-a"
    )
    assert resolve(cell.frontend, topology, snapshot).address == snapshot.pods["web-a"]


def test_a_state_without_a_service_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"backends\[0\].state: got unready, want ready, because .* selects app b"):
        parse(FILE % ("false", "b", "unready"), "mine.yaml")
    assert parse(FILE % ("false", "b", "ready"), "mine.yaml")
    assert parse(FILE % ("true", "a", "unready"), "mine.yaml")


def test_an_unknown_state_is_refused_with_the_possible_ones() -> None:
    with pytest.raises(TopologyError, match="want one of ready, unready, terminating, terminating-unready"):
        parse(FILE % ("false", "a", "dying"), "mine.yaml")
