"""Addresses: no pod shares its address, and every source in an expectation has an owner."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from itertools import count, islice
from random import Random
from typing import Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.client import client_address, client_packet
from probes.oracle.connection import Origin
from probes.oracle.predict import expect
from probes.plan.plan import plan
from tests.unit.probes.oracle.variants import variants
from topologies.cluster_state.snapshot import declared
from topologies.frontends import resolve
from topologies.loading.load import TopologyError, parse
from topologies.schema.enums import CniKind, DetectLocal, Masquerade, ProxyMode
from topologies.schema.pod_addresses import NoRoomError, assign_pod_addresses
from topologies.schema.topology import Topology
from topologies.schema.validation.rules import complaints

VERSIONS = ("1.20.2", "1.23.4", "1.24.3", "1.27.1", "1.29.4", "1.36.2")
RANGES = (("10.0.0.0/16", "10.0.{}.0/24"), ("10.8.0.0/16", "10.8.{}.0/24"), ("10.0.0.0/25", "10.0.0.{1}/27"))
BALANCED = ("10.0.0.8/29", "10.9.0.0/24")
MASQUERADES = tuple(Masquerade)
PART = 0.5
DRAWN = 60


@cache
def clusters() -> tuple[Topology, ...]:
    """Yield small clusters with and without pod ranges, pods on the nodes' network, and Services at node addresses."""
    random = Random(904)
    drawn = (Topology.model_validate(_drawn(random)) for _ in count())
    return tuple(islice((topology for topology in drawn if not complaints(topology)), DRAWN))


def _drawn(random: Random) -> dict[str, Any]:
    mode = random.choice(tuple(ProxyMode))
    pods, part = random.choice(RANGES)
    nodes = [_node(number, part, random) for number in (1, 2, 3)]
    own = [address for node in nodes for key, address in node.items() if key.endswith("address")]
    return {
        "name": "drawn",
        "kubernetes": random.choice(VERSIONS[4:] if mode is ProxyMode.NFTABLES else VERSIONS),
        "nodes": nodes,
        "cni": {"kind": random.choice(tuple(CniKind)), "pod_cidr": pods, "masquerade": random.choice(MASQUERADES)},
        "proxy": {"mode": mode, "detect_local": random.choice(tuple(DetectLocal))},
        "load_balancer": {"kind": "inline", "address": "10.0.0.5", "addresses": random.choice(BALANCED)},
        "external": [{"name": "e1", "address": random.choice(("10.0.0.18", "10.7.0.1"))}],
        "workload": _workload(random.choice(own), random.choice(own)),
    }


def _node(number: int, part: str, random: Random) -> dict[str, Any]:
    node = {"name": f"n{number}", "address": f"10.0.0.{9 + number}"}
    if random.random() < PART:
        node["pod_cidr"] = part.format(number, 32 * number)
    if random.random() < PART:
        node |= {"secondary_address": f"10.1.0.{number}", "public_address": f"203.0.113.{number}"}
    return node


def _workload(one: str, other: str) -> dict[str, Any]:
    """Return Services, each at a node's address. The load balancer's range may contain addresses of nodes too."""
    local = {"external_traffic_policy": "Local"}
    return {
        "backends": [
            {"name": "web-a", "app": "web", "node": "n1"},
            {"name": "host-a", "app": "host", "node": "n2", "host_network": True, "port": 9090},
        ],
        "services": [
            {"name": "lb", "app": "web", "type": "LoadBalancer"},
            {"name": "lb-local", "app": "host", "type": "LoadBalancer", "port": 81, **local},
            {"name": "xip", "app": "host", "type": "NodePort", "port": 82, "external_ips": [one]},
            {"name": "xip-local", "app": "web", "type": "NodePort", "port": 83, "external_ips": [other], **local},
        ],
        "vantages": [
            *({"name": f"pod-n{x}", "kind": "pod", "node": f"n{x}"} for x in (1, 3)),
            *({"name": f"host-n{x}", "kind": "node", "node": f"n{x}"} for x in (1, 3)),
            {"name": "self", "kind": "backend", "backend": "web-a", "node": "n1"},
            {"name": "ext", "kind": "external", "external": "e1"},
        ],
    }


def test_no_pod_shares_its_address_with_anything_declared() -> None:
    alone = 0
    for topology in clusters():
        snapshot = declared(topology)
        pods = [snapshot.pods[pod] for pod in ("web-a", "pod-n1", "pod-n3")]
        states = snapshot.services.values()
        others = {address for node in topology.nodes for address in (node.address, node.secondary_address)} | _devices(
            topology
        )
        others |= {host.address for host in topology.external} | {topology.load_balancer.address}
        others |= {one for state in states for one in (state.cluster_ip, state.balanced_at, *state.external_ips)}
        assert len(set(pods)) == len(pods)
        assert not others & set(pods)
        assert all(pod in topology.cni.pod_cidr for pod in pods)
        alone += any(node.pod_cidr is None for node in topology.nodes)
    assert 10 < alone < DRAWN, "clusters of both kinds"


@pytest.mark.slow
def test_every_source_belongs_to_somebody() -> None:
    answered = 0
    for topology in clusters():
        snapshot = declared(topology)
        names = AddressNames.of(topology, snapshot)
        for cell in plan(topology).cells:
            expectation = expect(topology, snapshot, cell)
            assert sum(path.share for path in expectation.paths) == pytest.approx(1)
            unknown = [source for source in expectation.sources if names.shorten(source) == str(source)]
            assert not unknown, (cell.id, expectation)
            answered += Outcome.OK in expectation.outcomes
    assert answered > DRAWN


def test_an_address_of_a_node_never_leads_to_the_balancer() -> None:
    for topology in clusters():
        snapshot = declared(topology)
        nodes = {address for node in topology.nodes for address in (node.address, node.secondary_address)}
        for cell in plan(topology).cells:
            if cell.frontend.kind == "externalip" and resolve(cell.frontend, topology, snapshot).address in nodes:
                rules = expect(topology, snapshot, cell).rules
                assert not [rule for rule in rules if rule.startswith("L")], (cell.id, rules)


def test_an_address_of_a_node_is_named_as_the_nodes() -> None:
    held = next(one for one in variants() if "held" in one.name)
    own = held.topology.nodes[0]
    assert own.secondary_address
    names = AddressNames.of(held.topology, held.snapshot)
    assert names.describe(own.address) == "198.18.1.11 (primary of n1)"
    assert names.describe(own.secondary_address) == "198.18.7.11 (secondary of n1)"


def test_the_long_and_the_short_name_of_an_address_agree() -> None:
    held = next(one for one in variants() if "held" in one.name)
    names = AddressNames.of(held.topology, held.snapshot)
    address, unknown = held.topology.nodes[0].address, IPv4Address("192.0.2.7")
    assert (names.describe(address), names.shorten(address)) == ("198.18.1.11 (primary of n1)", "primary(n1)")
    assert (names.describe(address, address), names.shorten(address, address)) == ("198.18.1.11 (kept)", "kept")
    assert (names.describe(unknown), names.shorten(unknown)) == ("192.0.2.7", "192.0.2.7")
    pod, own = next((pod, own) for pod, own in held.snapshot.pods.items() if own not in node_addresses(held.topology))
    assert (names.describe(own), names.shorten(own)) == (f"{own} ({pod})", pod)


def node_addresses(topology: Topology) -> set[object]:
    return {node.address for node in topology.nodes} | _devices(topology)


def _devices(topology: Topology) -> set[object]:
    """The addresses of bridges and tunnel devices."""
    cni = topology.cni
    found: set[object] = {cni.bridge_address_of(node) for node in topology.nodes}
    return (found | {cni.tunnel_address_of(node) for node in topology.nodes}) - {None}


def test_a_pod_that_does_not_run_has_no_address() -> None:
    topology = clusters()[0]
    running = declared(topology)
    stopped = replace(running, pods={})
    for vantage in topology.workload.vantages:
        packet = client_packet(vantage, topology, running)
        assert client_address(vantage, topology, running) == packet.source
        known = client_address(vantage, topology, stopped)
        assert known == (None if packet.origin is Origin.POD else packet.source)


def test_a_range_without_room_is_named() -> None:
    topology = clusters()[0]
    cni = topology.cni.model_copy(update={"pod_cidr": IPv4Network("10.5.0.0/30")})
    small = topology.model_copy(update={"cni": cni})
    node = topology.nodes[0].model_copy(update={"pod_cidr": None})
    with pytest.raises(NoRoomError, match=r"10\.5\.0\.0/30 has no address left for pod b"):
        assign_pod_addresses(small, [("a", node), ("b", node)])


def test_a_range_holds_as_many_pods_as_it_has_addresses() -> None:
    """Fit 13 pods into a /28: its network address is the VXLAN interface's, .1 is cni0's, .15 is the broadcast."""
    pods = ", ".join(f"{{name: p{number}, app: a, node: n1}}" for number in range(12))
    text = """{name: small, kubernetes: "1.30.3", cni: {kind: flannel-vxlan},
        nodes: [{name: n1, address: 192.0.2.1, pod_cidr: 10.244.1.0/28}],
        workload: {services: [], backends: [%s], vantages: [{name: x, kind: pod, node: n1}]}}"""
    snapshot = declared(parse(text % pods, "small.yaml"))

    assert {int(address) & 15 for address in snapshot.pods.values()} == set(range(2, 15))
    with pytest.raises(TopologyError, match="at least 17 addresses: 14 pods"):
        parse(text % f"{pods}, {{name: more, app: a, node: n1}}", "small.yaml")


def test_taken_addresses_and_the_ranges_of_other_nodes_are_skipped() -> None:
    topology = next(one for one in clusters() if one.nodes[0].pod_cidr and not one.nodes[1].pod_cidr)
    node = topology.nodes[1]
    given = assign_pod_addresses(topology, [(f"p{number}", node) for number in range(40)])
    assert len(set(given.values())) == 40
    for other in topology.nodes:
        assert not any(other.pod_cidr and address in other.pod_cidr for address in given.values())
        assert other.address not in given.values()
    assert IPv4Address(int(topology.cni.pod_cidr.network_address)) not in given.values()
