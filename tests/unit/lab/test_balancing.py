from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from topologies.lab import balancing
from topologies.model import EmptyPool

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = IPv4Network("198.18.100.0/24")
NODES = (IPv4Address("198.18.1.11"), IPv4Address("198.18.1.12"))


def service(name: str, *, created: str = "1", ip: str = "", **spec: object) -> dict[str, Any]:
    port = {"port": 80, "nodePort": 30080, "protocol": "TCP"}
    return {
        "metadata": {"namespace": "default", "name": name, "creationTimestamp": created},
        "spec": {"type": "LoadBalancer", "ports": [port], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": ip}]} if ip else {}},
    }


def always(_node: IPv4Address, _port: int) -> bool:
    return True


def made(*services: dict[str, Any], healthy: Callable[[IPv4Address, int], bool] = always) -> list[balancing.Frontend]:
    return balancing.frontends(services, balancing.assign(services, NETWORK), NODES, healthy)


def test_addresses_are_given_in_order_of_age() -> None:
    given = balancing.assign([service("young", created="2"), service("old", created="1")], NETWORK)

    assert {name: str(ip) for name, ip in given.items()} == {
        "default/old": "198.18.100.1",
        "default/young": "198.18.100.2",
    }


def test_an_address_is_kept_and_not_given_twice() -> None:
    given = balancing.assign([service("old", created="1"), service("has", created="2", ip="198.18.100.1")], NETWORK)

    assert str(given["default/has"]) == "198.18.100.1"
    assert str(given["default/old"]) == "198.18.100.2"


def test_a_wish_is_granted_if_it_is_free() -> None:
    given = balancing.assign([service("one", loadBalancerIP="198.18.100.9")], NETWORK)

    assert str(given["default/one"]) == "198.18.100.9"


def test_other_types_get_no_address() -> None:
    assert not balancing.assign([service("one", type="NodePort")], NETWORK)


def test_the_pool_of_a_cluster_service_is_every_node() -> None:
    assert made(service("one"))[0].pool == NODES


def test_the_pool_of_a_local_service_is_the_healthy_nodes() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)

    assert made(local, healthy=lambda node, _: node == NODES[1])[0].pool == (NODES[1],)


def test_the_rules_lead_to_the_node_port_and_keep_the_client_but_for_the_nodes_own_side() -> None:
    text = balancing.ruleset(made(service("one")), EmptyPool.REFUSE)

    assert (
        "ip daddr 198.18.100.1 tcp dport 80 dnat to numgen inc mod 2 map { 0 : 198.18.1.11, 1 : 198.18.1.12 }" in text
    )
    assert text.count("masquerade") == 1
    assert 'iifname "in0" oifname "in0" masquerade' in text


def test_an_empty_pool_is_refused_by_the_host_itself_or_dropped_if_declared() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    empty = made(local, healthy=lambda *_: False)

    assert "198.18.100.1" not in balancing.ruleset(empty, EmptyPool.REFUSE)
    assert "ip daddr 198.18.100.1 tcp dport 80 drop" in balancing.ruleset(empty, EmptyPool.DROP)


def test_only_external_ips_that_are_routed_here_count() -> None:
    services = [service("one", externalIPs=["198.18.101.1", "192.0.2.1"])]

    assert balancing.external_ips(services, IPv4Network("198.18.100.0/22")) == {IPv4Address("198.18.101.1")}
