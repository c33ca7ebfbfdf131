"""A rule is confirmed if a real kube-proxy contradicted its natural alternative, not an impossible one."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from probes.oracle.catalogue import CATALOGUE, CONFIRMED, confirmed, undistinguished
from probes.oracle.mutation import alternatives, mutations
from probes.oracle.predict import expect, predict
from probes.plan.cell import Cell
from probes.plan.plan import plan
from tests.confirmed import confirmed_by, merge
from tests.truth.rows import ROWS
from tests.unit.probes.oracle.test_mutations import deciding_cells
from tests.unit.support.observed_world import CLIENTS, world_of
from topologies.cluster_state.snapshot import Endpoint
from topologies.frontends import At, Frontend, FrontendKind
from topologies.loading import overrides
from topologies.loading.load import names
from topologies.schema.topology import Vantage

RULES = {rule.id: rule for rule in CATALOGUE}
FLANNEL = {"kind": "flannel-vxlan"}
TOLD = json.loads(CONFIRMED.read_text())
TABLE = {row.place: row for row in ROWS}
PLACES = sorted({place for places in TOLD["runs"].values() for place in places})


def asked(client: str, service: str, kind: FrontendKind, **more: Any) -> Cell:
    return Cell(Vantage.model_validate({"name": client, **CLIENTS[client]}), Frontend(service, kind, **more))


def test_ready_endpoints_alone_are_not_confirmed_by_recordings_without_an_unready_one() -> None:
    assert [place for place in confirmed(RULES["E2"]) if not place.endswith("(live)")] == []
    assert len(undistinguished(RULES["E2"])) >= 10


def test_an_unready_endpoint_in_a_recording_would_confirm_that_only_ready_ones_count() -> None:
    there = world_of("1.30.3", FLANNEL)
    unready = Endpoint("pod-x", IPv4Address("10.244.3.30"), 8080, "n3", ready=False, serving=False)
    state = there.snapshot.services["pod-c"]
    services = {**there.snapshot.services, "pod-c": replace(state, endpoints=(*state.endpoints, unready))}
    there = replace(there, snapshot=replace(there.snapshot, services=services))
    cell = asked("c1", "pod-c", FrontendKind.CLUSTER_IP)

    with alternatives.assume_alternative("E2"):
        backends = predict(there, cell).backends

    assert predict(there, cell).backends == {"pod-b"}
    assert backends == {"pod-b", "pod-x"}


def test_a_packet_from_a_bridge_is_a_rule_of_its_own_that_no_recording_confirms() -> None:
    recordings = [place for place in confirmed(RULES["D5"]) if not place.endswith("(live)")]
    assert recordings == []
    assert [place for place in confirmed(RULES["D2"]) if not place.endswith("(live)")]


def test_asking_a_nodes_own_bridge_under_local_would_tell_a_pods_address_from_a_bridges() -> None:
    there = world_of("1.30.3", FLANNEL)
    cell = asked("n1", "pod-l", FrontendKind.NODE_PORT, node="n1", at=At.BRIDGE)
    with mutations.collect_deciding_rules() as deciding:
        seen = predict(there, cell).sources
    with alternatives.assume_alternative("D5"):
        otherwise = predict(there, cell).sources

    assert "D5" in deciding
    assert seen == {IPv4Address("10.244.1.1")}  # preserved
    assert otherwise == {IPv4Address("10.244.1.0")}  # the VXLAN interface's


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_has_a_natural_alternative_that_some_kube_proxy_could_give(rule: str) -> None:
    """Check every decision in the standard matrix: each address has an owner, and each packet a result."""
    for variant, cell, _ in deciding_cells()[rule][::10]:
        with alternatives.assume_alternative(rule):
            expectation = expect(variant.topology, variant.snapshot, cell)
        assert expectation.paths, cell.id
        assert mutations.UNOWNED not in expectation.sources, cell.id


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_live_run_confirms_only_what_its_cells_contradict(place: str) -> None:
    """Use the library's present topology. All of its cells passed in that run (docs/observations.md)."""
    mode, version, name, *_ = place.split()
    if name not in names():
        pytest.skip(f"{name} is not in the library")
    row = TABLE.get(place)
    topology = overrides.declared(name, overrides.parse(row.overrides if row else ()))
    assert (topology.proxy.mode, str(topology.proxy_version)) == (mode, version)

    there = confirmed_by(topology, plan(topology).cells)

    assert {rule for rule, places in TOLD["runs"].items() if place in places} <= there


def test_what_the_truth_table_no_longer_shows_confirms_nothing() -> None:
    row = ROWS[0].place
    runs = {"R1.1": ["iptables 1.20.2 lab-cards", row], "R1.2": [row]}

    assert merge(runs, {"R1.3": [row]}) == {"R1.1": ["iptables 1.20.2 lab-cards"], "R1.3": [row]}
