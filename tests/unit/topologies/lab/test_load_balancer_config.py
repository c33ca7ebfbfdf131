from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from topologies.cluster.manifests import ADDRESS_ANNOTATION, SHARES_ANNOTATION, STATUS_ANNOTATION
from topologies.lab.load_balancer import config
from topologies.lab.load_balancer.ruleset import ruleset
from topologies.schema.enums import AnnouncedBy, EmptyPool, LoadBalancerKind
from topologies.schema.topology import Listener, LoadBalancer

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = IPv4Network("198.18.100.0/24")
EXTERNAL = IPv4Network("198.18.100.0/22")
NODES = (IPv4Address("198.18.1.11"), IPv4Address("198.18.1.12"))
INLINE = LoadBalancer(kind=LoadBalancerKind.INLINE)


def service(
    name: str, *, created: str = "1", ip: str = "", notes: dict[str, str] | None = None, **spec: object
) -> dict[str, Any]:
    port = {"port": 80, "nodePort": 30080, "protocol": "TCP"}
    return {
        "metadata": {"namespace": "default", "name": name, "creationTimestamp": created, "annotations": notes or {}},
        "spec": {"type": "LoadBalancer", "ports": [port], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": ip}]} if ip else {}},
    }


def always(_node: IPv4Address, _port: int) -> bool:
    return True


def made(
    *services: dict[str, Any],
    healthy: Callable[[IPv4Address, int], bool] = always,
    balancer: LoadBalancer = INLINE,
) -> list[config.ForwardingRule]:
    return config.frontends(services, config.assign(services, NETWORK), config.Targets(NODES, healthy), balancer)


def rules(*services: dict[str, Any], **how: object) -> str:
    balancer = INLINE.model_copy(update=how)
    return ruleset(made(*services, balancer=balancer), balancer, EXTERNAL)


def test_addresses_are_given_in_order_of_age() -> None:
    given = config.assign([service("young", created="2"), service("old", created="1")], NETWORK)

    assert {name: str(ip) for name, ip in given.items()} == {
        "default/old": "198.18.100.1",
        "default/young": "198.18.100.2",
    }


def test_an_address_is_kept_and_not_given_twice() -> None:
    given = config.assign([service("old", created="1"), service("has", created="2", ip="198.18.100.1")], NETWORK)

    assert str(given["default/has"]) == "198.18.100.1"
    assert str(given["default/old"]) == "198.18.100.2"


def test_a_wish_is_granted_if_it_is_free() -> None:
    given = config.assign([service("one", loadBalancerIP="198.18.100.9")], NETWORK)

    assert str(given["default/one"]) == "198.18.100.9"


def test_other_types_get_no_address() -> None:
    assert not config.assign([service("one", type="NodePort")], NETWORK)


def test_the_pool_of_a_cluster_service_is_every_node() -> None:
    assert made(service("one"))[0].pool == NODES


def test_the_pool_of_a_local_service_is_the_healthy_nodes() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)

    assert made(local, healthy=lambda node, _: node == NODES[1])[0].pool == (NODES[1],)


def test_the_rules_lead_to_the_node_port_and_keep_the_client_but_for_the_nodes_own_side() -> None:
    text = rules(service("one"))

    assert (
        "ip daddr 198.18.100.1 tcp dport 80 dnat to numgen inc mod 2 map { 0 : 198.18.1.11, 1 : 198.18.1.12 } : 30080"
        in text
    )
    assert 'iifname "in0" oifname "in0" ct status dnat masquerade' in text
    assert "\n    ct status dnat masquerade" not in text


def test_a_balancer_that_keeps_also_the_nodes_side_masquerades_nobody() -> None:
    assert "masquerade" not in rules(service("one"), masquerade_inside=False)


def test_full_nat_gives_everybody_the_balancers_address() -> None:
    text = rules(service("one"), keeps_client=False)

    assert text.count("masquerade") == 1
    assert "\n    ct status dnat masquerade" in text


def test_a_client_among_the_backends_gets_another_one() -> None:
    text = rules(service("one"), excludes_source=True)

    assert (
        "ip saddr 198.18.1.11 ip daddr 198.18.100.1 tcp dport 80 dnat to numgen inc mod 1 map { 0 : 198.18.1.12 }"
        in text
    )


def test_a_client_that_is_the_only_backend_gets_nobody() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    only = made(local, healthy=lambda node, _: node == NODES[0])
    silent = INLINE.model_copy(update={"excludes_source": True, "empty_pool": EmptyPool.DROP})
    text = ruleset(only, silent, EXTERNAL)

    assert "ip saddr 198.18.1.11 ip daddr 198.18.100.1 tcp dport 80 accept" in text
    assert "ip saddr 198.18.1.11 ip daddr 198.18.100.1 tcp dport 80 drop" in text


def test_an_empty_pool_is_refused_by_the_host_itself_or_dropped_if_declared() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    empty = made(local, healthy=lambda *_: False)

    assert "198.18.100.1" not in ruleset(empty, INLINE, EXTERNAL)
    assert "ip daddr 198.18.100.1 tcp dport 80 drop" in ruleset(
        empty, INLINE.model_copy(update={"empty_pool": EmptyPool.DROP}), EXTERNAL
    )


def test_a_balancer_that_registers_all_asks_no_health() -> None:
    local = service("one", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    every = INLINE.model_copy(update={"announced_by": AnnouncedBy.ALL, "health_checks": False})

    assert made(local, healthy=lambda *_: False, balancer=every)[0].pool == NODES


def test_a_shared_address_is_its_owners_and_comes_with_it() -> None:
    sharing = service("two", created="0", notes={SHARES_ANNOTATION: "one"}, ports=[{"port": 81, "nodePort": 30081}])
    given = config.assign([sharing, service("one")], NETWORK)

    assert given["default/two"] == given["default/one"]
    assert [one.port for one in made(sharing, service("one"))] == [80, 81]
    assert "default/two" not in config.assign([sharing], NETWORK)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("", {"ip": "198.18.100.1"}),
        ("hostname", {"hostname": "one.lb.hairpin.local"}),
        ("proxy", {"ip": "198.18.100.1", "ipMode": "Proxy"}),
    ],
)
def test_the_status_has_the_form_that_the_service_declares(wanted: str, told: dict[str, str]) -> None:
    notes = {STATUS_ANNOTATION: wanted} if wanted else {}

    assert config.status(service("one", notes=notes), NETWORK[1], INLINE) == told


def test_an_address_behind_a_hostname_is_kept() -> None:
    has = service("has", created="2", notes={ADDRESS_ANNOTATION: "198.18.100.1"})

    assert str(config.assign([service("old"), has], NETWORK)["default/has"]) == "198.18.100.1"


def test_listeners_of_no_service_answer_themselves_or_lead_to_one() -> None:
    listeners = (
        Listener(name="ingress", port=443),
        Listener(name="range", port=30001, until=30005, leads_to="one"),
        Listener(name="elsewhere", port=9000, service="two"),
        Listener(name="taken", port=80),
    )
    balancer = INLINE.model_copy(update={"listeners": listeners})
    text = ruleset(made(service("one"), balancer=balancer), balancer, EXTERNAL)

    assert "tcp dport 443 redirect to :20001" in text
    assert "tcp dport 30001-30005 dnat to numgen inc mod 2" in text
    assert "9000" not in text
    assert text.count("tcp dport 80 ") == 1
    assert config.own_listeners(balancer) == {"ingress": 20001, "elsewhere": 20003, "taken": 20004}


def test_only_external_ips_that_are_routed_here_count() -> None:
    services = [service("one", externalIPs=["198.18.101.1", "192.0.2.1"])]

    assert config.external_ips(services, IPv4Network("198.18.100.0/22")) == {IPv4Address("198.18.101.1")}
