"""Endpoints have the conditions that the EndpointSlice controller of a version gives pods in the declared state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from probes.plan.plan import plan
from topologies.cluster_state.declared_workload import declared_workload
from topologies.cluster_state.shortfalls import changes, residents, shortfalls
from topologies.cluster_state.snapshot import Endpoint, PodStatus, declared
from topologies.frontends import FrontendKind, resolve
from topologies.loading.load import TopologyError, load, parse
from topologies.schema.enums import EndpointState
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.cluster_state.snapshot import Snapshot

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


def live(topology: Topology, **found: EndpointState) -> Snapshot:
    """Return a snapshot as an API gives it. `found`: the states of backends that are not in the declared one."""
    states = {one.name: one.state for one in topology.workload.backends} | {
        name.replace("_", "-"): state for name, state in found.items()
    }
    statuses = {
        name: PodStatus(name, node, _not_ready(states.get(name, EndpointState.READY)), 0, states.get(name))
        for _, name, node in residents(topology)
    }
    return replace(declared(topology), statuses=statuses)


def _not_ready(state: EndpointState) -> str:
    return "it is being deleted" if state.terminating else "" if state.serving else "Running, not Ready"


def with_entry(topology: Topology, service: str, **changed: Any) -> Snapshot:
    """Return a live snapshot whose Service has another entry for web-a."""
    snapshot = live(topology)
    state = snapshot.services[service]
    entries = tuple(replace(one, **changed) if one.backend == "web-a" else one for one in state.endpoints)
    return replace(snapshot, services={**snapshot.services, service: replace(state, endpoints=entries)})


@pytest.mark.parametrize("kubernetes", ["1.20.2", "1.37.2"])
@pytest.mark.parametrize("state", list(EndpointState))
def test_a_backend_in_its_declared_state_lacks_nothing(state: EndpointState, kubernetes: str) -> None:
    topology = with_state(state, kubernetes)
    assert shortfalls(topology, live(topology)).found == ()
    assert changes(topology, live(topology), live(topology)).found == ()


@pytest.mark.parametrize(
    ("state", "found", "reason"),
    [
        ("terminating", EndpointState.READY, "declared backend web-a is ready, want terminating"),
        ("terminating", EndpointState.TERMINATING_UNREADY, "is terminating-unready, want terminating"),
        ("unready", EndpointState.READY, "declared backend web-a is ready, want unready"),
        ("terminating-unready", EndpointState.UNREADY, "is unready, want terminating-unready"),
        ("ready", EndpointState.TERMINATING, "declared backend web-a is not Ready: it is being deleted"),
    ],
)
def test_another_state_than_declared_spoils_the_cells_of_its_services(
    state: str, found: EndpointState, reason: str
) -> None:
    topology = with_state(state)
    lacking = shortfalls(topology, live(topology, web_a=found))
    cells = [cell for cell in plan(topology).cells if cell.frontend.service == "web"]
    assert any(one.endswith(reason) for one in lacking.reasons)
    assert all(lacking.reason(cell.vantage, cell.frontend) for cell in cells)


def test_a_backend_that_does_not_run_is_not_in_its_declared_state() -> None:
    topology = with_state("unready")
    snapshot = live(topology)
    crashed = replace(snapshot.statuses["web-a"], state=None, not_ready="CrashLoopBackOff (exit code 1)")
    lacking = shortfalls(topology, replace(snapshot, statuses={**snapshot.statuses, "web-a": crashed}))
    assert lacking.backends == ("declared backend web-a is CrashLoopBackOff (exit code 1), want unready",)


@pytest.mark.parametrize(
    ("state", "kubernetes", "changed", "reason"),
    [
        ("terminating", "1.37.2", {"ready": True, "terminating": False}, "that is ready, want terminating and serving"),
        ("terminating", "1.37.2", {"serving": False}, "terminating and not serving, want terminating and serving"),
        ("unready", "1.37.2", {"ready": True}, "that is ready, want not ready"),
    ],
)
def test_an_endpoint_in_another_condition_may_still_settle(
    state: str, kubernetes: str, changed: dict[str, bool], reason: str
) -> None:
    topology = with_state(state, kubernetes)
    lacking = shortfalls(topology, with_entry(topology, "web", **changed))
    assert lacking.unsettled.startswith("Service web has an endpoint for backend web-a that is ")
    assert lacking.unsettled.endswith(reason)


def test_an_older_control_plane_must_have_no_entry_for_a_terminating_backend() -> None:
    topology = with_state("terminating", "1.20.2")
    snapshot, web = live(topology), live(topology).services["web"]
    listed = Endpoint("web-a", snapshot.pods["web-a"], 8080, "n1")
    stale = replace(web, endpoints=(listed, *web.endpoints))
    lacking = shortfalls(topology, replace(snapshot, services={**snapshot.services, "web": stale}))
    assert lacking.unsettled == "Service web has an endpoint for backend web-a that is ready, want none"


def test_a_terminating_backend_that_ends_while_cells_are_asked_spoils_them() -> None:
    topology = with_state("terminating")
    before = live(topology)
    after = replace(before, statuses={name: one for name, one in before.statuses.items() if name != "web-a"})
    unready = live(topology, web_a=EndpointState.TERMINATING_UNREADY)
    assert changes(topology, before, after).backends[0].endswith("backend web-a is gone")
    assert changes(topology, before, unready).backends[0].endswith("backend web-a is not terminating any more")


def test_a_condition_that_changes_while_cells_are_asked_spoils_them() -> None:
    topology = with_state("terminating")
    found = changes(topology, live(topology), with_entry(topology, "web", serving=False)).reasons
    assert [one.partition(" had endpoints ")[2] for one in found] == [
        "web-a 10.244.1.10 (terminating and serving) before, web-a 10.244.1.10 (terminating and not serving) after"
    ]
