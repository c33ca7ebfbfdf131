"""loadBalancerSourceRanges in IPVS mode: a host-network process connects from the VIP; 1.29 is the first to drop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probes.oracle.predict import expect
from probes.plan.cell import Cell
from topologies.cluster_state.snapshot import declared
from topologies.frontends import Frontend, FrontendKind
from topologies.loading.load import load
from topologies.schema.topology import Topology

CASE = Path(__file__).with_name("cases") / "02-ipvs-source-ranges-node.yaml"
VIP = "198.18.100.1/32"
SECOND_CARD = CASE.with_name("balancer-address-of-second-card.yaml")


def case(version: str, ranges: list[str] | None = None, **changes: Any) -> Topology:
    raw = load(str(CASE)).model_dump(mode="json")
    raw["kubernetes"] = version
    raw["workload"]["services"][0] |= changes
    if ranges:
        raw["workload"]["services"][0]["load_balancer_source_ranges"] = ranges
    return Topology.model_validate(raw)


def asked(topology: Topology, vantage: str) -> tuple[str, tuple[str, ...]]:
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    snapshot = declared(topology)
    expectation = expect(topology, snapshot, Cell(client, Frontend("lb", FrontendKind.LOAD_BALANCER)))
    return "|".join(sorted(expectation.outcomes)), expectation.rules


@pytest.mark.parametrize(
    ("version", "outcome", "rule"),
    [
        ("1.25.0", "ok", None),
        ("1.27.16", "ok", None),
        ("1.28.15", "ok", None),  # #119791 was not backported
        ("1.29.0", "timeout", "F7"),
        ("1.30.3", "timeout", "F7"),
        ("1.36.2", "timeout", "F7"),
    ],
)
def test_a_node_process_outside_the_ranges_is_dropped_from_1_29_on(
    version: str, outcome: str, rule: str | None
) -> None:
    expected, rules = asked(case(version), "host-1")
    assert expected == outcome
    assert ("F7" in rules) is (rule == "F7")


@pytest.mark.parametrize(("version", "rule"), [("1.25.0", "F6"), ("1.28.15", "F6"), ("1.29.0", "F7"), ("1.36.2", "F7")])
def test_a_pod_outside_the_ranges_is_dropped_from_1_25_on(version: str, rule: str) -> None:
    assert asked(case(version), "pod-1") == ("timeout", ("R0.1", rule))


@pytest.mark.parametrize(
    ("ranges", "outcome"),
    [
        (["198.18.1.0/24"], "ok"),  # the nodes' network
        (["198.18.1.11/32"], "ok"),  # the client's node alone
        (["198.18.1.12/32"], "timeout"),  # another node
        ([VIP], "timeout"),  # the packet's source, which does not admit a host-network process
    ],
)
def test_from_1_29_on_the_ranges_admit_a_node_process_by_the_address_of_its_node(
    ranges: list[str], outcome: str
) -> None:
    assert asked(case("1.30.3", ranges), "host-1")[0] == outcome


@pytest.mark.parametrize("version", ["1.24.17", "1.28.15"])
def test_before_1_29_the_vip_in_the_ranges_admits_a_node_process(version: str) -> None:
    assert asked(case(version, [VIP]), "host-1")[0] == "ok"


@pytest.mark.parametrize("version", ["1.28.15", "1.29.0", "1.36.2"])
def test_a_virtual_server_without_endpoints_refuses_a_node_process_before_any_drop(version: str) -> None:
    topology = case(version, app="nobody")
    expected, rules = asked(topology, "host-1")
    assert (expected, rules[-1]) == ("refused", "R1.3")


def second_card(mode: str, version: str, ranges: str) -> Topology:
    raw = load(str(SECOND_CARD)).model_dump(mode="json")
    raw["kubernetes"] = version
    raw["proxy"]["mode"] = mode
    raw["workload"]["services"][0]["load_balancer_source_ranges"] = [ranges]
    return Topology.model_validate(raw)


def at_balancer(topology: Topology, vantage: str) -> str:
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    cell = Cell(client, Frontend("s", FrontendKind.LOAD_BALANCER))
    return "|".join(sorted(expect(topology, declared(topology), cell).outcomes))


@pytest.mark.parametrize(
    ("mode", "version"),
    [
        ("iptables", "1.20.2"),
        ("iptables", "1.24.3"),
        ("iptables", "1.25.0"),
        ("iptables", "1.36.0"),
        ("nftables", "1.29.0"),
        ("nftables", "1.30.3"),
        ("nftables", "1.36.0"),
    ],
)
def test_a_process_of_the_node_that_has_the_lb_address_is_admitted_by_the_nodes_address(
    mode: str, version: str
) -> None:
    admitted, outside = second_card(mode, version, "10.7.1.3/32"), second_card(mode, version, "10.7.1.4/32")
    assert at_balancer(admitted, "h1") == "ok"
    assert at_balancer(outside, "h1") == "timeout"
    assert at_balancer(admitted, "h2") != "ok", "the range has not the address of the other node"
