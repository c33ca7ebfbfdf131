from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from topologies.lab.network import nat, plan
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

API_HOST = IPv4Address("198.18.1.10")
PORTS = {"n1": "n1-x", "n2": "n2-x"}


def spoofing_checked(name: str) -> Topology:
    topology = load(name)
    cni = topology.cni.model_copy(update={"anti_spoof": True})
    return topology.model_copy(update={"cni": cni, "nodes": topology.nodes[:2]})


def test_a_public_address_is_the_routers_to_translate_and_no_nodes() -> None:
    topology = load("lab-small")
    first = topology.nodes[0].model_copy(update={"public_address": IPv4Address("198.18.5.11")})
    declared = topology.model_copy(update={"nodes": (first, *topology.nodes[1:])})

    rules = nat.public_addresses(declared)

    assert "dnat to ip daddr map { 198.18.5.11 : 198.18.1.11 }" in rules
    assert 'iifname "wan0" snat to ip saddr map { 198.18.1.11 : 198.18.5.11 }' in rules
    assert all("198.18.5.11" not in str(host.legs) for host in plan.fabric(declared))


def test_without_public_addresses_the_router_translates_nothing() -> None:
    assert not nat.public_addresses(load("lab-small"))


def test_on_an_overlay_a_node_sends_from_its_own_address_alone_except_to_the_api_server() -> None:
    assert 'iifname "n1-x" ether type ip ip daddr != 198.18.1.10 ip saddr != { 198.18.1.11 } drop' in nat.source_checks(
        spoofing_checked("lab-flannel"), PORTS, API_HOST
    )


def test_without_overlay_a_nodes_pods_may_be_seen() -> None:
    assert "ip saddr != { 198.18.1.12, 10.244.2.0/24 } drop" in nat.source_checks(
        spoofing_checked("lab-eni"), PORTS, API_HOST
    )


def test_nothing_is_checked_unless_declared() -> None:
    assert not nat.source_checks(load("lab-flannel"), {}, API_HOST)
