"""The lab's load balancer realises each fact: its nodes, its nft rules, its routes to announced addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from tests.unit.topologies.lab.test_load_balancer_config import EXTERNAL, NETWORK, NODES, service
from topologies.lab.load_balancer import config
from topologies.lab.load_balancer.announcements import announced, cluster_ips
from topologies.lab.load_balancer.config import Ready, Targets
from topologies.lab.load_balancer.ruleset import is_routed, ruleset
from topologies.lab.network import plan
from topologies.lab.network.nat import source_checks
from topologies.loading.overrides import declared
from topologies.schema.topology import LoadBalancer

ADDRESS = IPv4Address("198.18.100.1")
PODS = (Ready(IPv4Address("10.244.1.10"), 8080, NODES[0]), Ready(IPv4Address("10.244.2.10"), 8080, NODES[1]))
LOCAL: dict[str, Any] = {"externalTrafficPolicy": "Local", "healthCheckNodePort": 32000}
RANGES = [(node, (IPv4Network(f"10.244.{number}.0/24"),)) for number, node in enumerate(NODES, start=1)]


def targets(healthy: tuple[IPv4Address, ...] = NODES, **more: Any) -> Targets:
    return Targets(NODES, lambda node, _: node in healthy, **more)


def balancer(**facts: object) -> LoadBalancer:
    return LoadBalancer.model_validate({"kind": "custom", **facts})


def made(one: dict[str, Any], having: Targets, facts: LoadBalancer) -> list[config.ForwardingRule]:
    return config.frontends([one], config.assign([one], NETWORK), having, facts)


def text(one: dict[str, Any], having: Targets, facts: LoadBalancer) -> str:
    return ruleset(made(one, having, facts), facts, EXTERNAL, RANGES)


@pytest.mark.parametrize(
    ("facts", "healthy", "ready", "nodes"),
    [
        ({"kind": "metallb-l2"}, NODES[1:], {"default/one": PODS}, NODES[1:]),
        ({"kind": "metallb-l2"}, NODES, {"default/one": PODS}, NODES[:1]),
        ({"kind": "metallb-l2"}, NODES, {}, ()),
        ({"kind": "kube-vip"}, (), {}, NODES[:1]),
        ({"kind": "metallb-bgp"}, NODES[1:], {"default/one": PODS}, NODES[1:]),
        ({"kind": "metallb-bgp", "announced_by": "all"}, NODES[1:], {"default/one": PODS}, NODES),
        ({"kind": "gcp"}, (), {}, NODES),
        ({"kind": "azure"}, (), {}, ()),
        ({"kind": "inline", "health_checks": False}, (), {}, NODES),
    ],
)
def test_a_local_service_is_sent_to_the_nodes_of_its_balancer(
    facts: dict[str, Any],
    healthy: tuple[IPv4Address, ...],
    ready: dict[str, tuple[Ready, ...]],
    nodes: tuple[IPv4Address, ...],
) -> None:
    one, found = service("one", **LOCAL), balancer(**facts)
    assert config.list_nodes(one, targets(healthy, ready=ready), found) == nodes


def test_the_declared_leader_announces_if_it_may() -> None:
    one, facts = service("one", **LOCAL), balancer(kind="metallb-l2")
    ready = {"default/one": PODS}
    assert config.list_nodes(one, targets(leader=NODES[1], ready=ready), facts) == NODES[1:]
    assert config.list_nodes(one, targets(NODES[:1], leader=NODES[1], ready=ready), facts) == NODES[:1]


def test_an_announced_address_is_routed_to_its_nodes_and_not_translated() -> None:
    one, facts = service("one", **LOCAL), balancer(kind="metallb-bgp")
    having = targets(NODES[1:], ready={"default/one": PODS})

    assert is_routed(facts)
    assert announced(made(one, having, facts), having, facts) == {ADDRESS: NODES[1:]}
    assert "dnat to" not in text(one, having, facts)
    assert announced(made(one, targets(), facts), targets(), facts) == {}  # withdrawn without an endpoint


def test_a_pass_through_balancer_refuses_or_drops_other_ports_and_empty_pools() -> None:
    one, having = service("one", **LOCAL), targets(())
    dropping = balancer(kind="azure")
    refusing = balancer(arrives_at="address", announced_by="endpoints")

    assert announced(made(one, having, dropping), having, dropping) == {ADDRESS: NODES}
    assert f"ip daddr {ADDRESS} tcp dport 80 drop" in text(one, having, dropping)
    assert f"\n    ip daddr {ADDRESS} drop" in text(one, having, dropping)
    assert f"ip daddr {ADDRESS} tcp dport 80 meta l4proto tcp reject with tcp reset" in text(one, having, refusing)
    assert f"\n    ip daddr {ADDRESS} meta l4proto tcp reject" in text(one, targets(), refusing)


def test_a_balancer_that_translates_may_drop_other_ports() -> None:
    received = text(service("one"), targets(), balancer(kind="nlb-instance", listens=True)).partition("chain input")[2]

    assert [line.strip() for line in received.splitlines()[2:-2]] == [
        f"ip daddr {ADDRESS} tcp dport 80 accept",
        f"ip daddr {ADDRESS} tcp dport 7777 accept",
        f"ip daddr {ADDRESS} drop",
    ]


def test_pods_are_the_targets_of_a_balancer_that_sends_to_them() -> None:
    facts = balancer(kind="nlb-ip")
    found = text(service("one"), targets(ready={"default/one": PODS}), facts)

    assert "dnat to numgen inc mod 2 map { 0 : 10.244.1.10, 1 : 10.244.2.10 } : 8080" in found
    assert "ct status dnat masquerade" in found
    assert "dnat to" not in text(service("one"), targets(), facts)


def test_an_empty_pool_is_refused_although_nodes_receive_other_ports() -> None:
    facts = balancer(arrives_at="pod", other_ports="nodes")
    refusal = f"ip daddr {ADDRESS} tcp dport 80 meta l4proto tcp reject with tcp reset"

    assert refusal in text(service("one"), targets(), facts)
    assert refusal not in text(service("one"), targets(ready={"default/one": PODS}), facts)


def test_source_ranges_are_enforced_if_declared() -> None:
    fenced = service("one", loadBalancerSourceRanges=["198.18.3.100/32"])
    rule = f"ip daddr {ADDRESS} tcp dport 80 ip saddr != {{ 198.18.3.100/32 }} drop"

    assert rule in text(fenced, targets(), balancer(source_ranges=True))
    assert rule not in text(fenced, targets(), balancer())


STICKY: dict[str, Any] = {"sessionAffinity": "ClientIP"}
BY_CLIENT = "jhash ip saddr mod 2 seed 0x1 map"


def test_the_clients_address_selects_the_node_if_balancer_and_service_have_affinity() -> None:
    facts = balancer(session_affinity="client-ip")
    selected = f"dnat to {BY_CLIENT} {{ 0 : 198.18.1.11, 1 : 198.18.1.12 }} : 30080"

    assert selected in text(service("one", **STICKY), targets(), facts)
    assert "jhash" not in text(service("one"), targets(), facts)
    assert "jhash" not in text(service("one", **STICKY), targets(), balancer())


def test_the_clients_address_selects_a_pod_or_one_of_the_other_nodes() -> None:
    pods = balancer(kind="nlb-ip", session_affinity="client-ip")
    others = balancer(kind="tke-clb", session_affinity="client-ip")
    ready = targets(ready={"default/one": PODS})

    assert f"{BY_CLIENT} {{ 0 : 10.244.1.10, 1 : 10.244.2.10 }} : 8080" in text(service("one", **STICKY), ready, pods)
    assert "ip saddr 198.18.1.11 ip daddr 198.18.100.1 tcp dport 80 dnat to jhash ip saddr mod 1" in text(
        service("one", **STICKY), targets(), others
    )


def test_the_clients_address_selects_the_mark_of_a_node_that_gets_packets_unchanged() -> None:
    one, facts = service("one", **STICKY, **LOCAL), balancer(kind="gcp")
    match = f"ip daddr {ADDRESS} tcp dport 80 meta mark set jhash ip saddr mod"

    assert config.mark_nodes(NODES) == {NODES[0]: 101, NODES[1]: 102}
    assert f"{match} 2 seed 0x1 map {{ 0 : 101, 1 : 102 }}" in text(one, targets(), facts)
    assert f"{match} 1 seed 0x1 map {{ 0 : 102 }}" in text(one, targets(NODES[1:]), facts)
    assert "mark" not in text(one, targets(), balancer(kind="metallb-bgp"))


def test_a_hairpin_is_masqueraded_at_the_clients_own_node_only() -> None:
    translated = text(service("one"), targets(), balancer(hairpin=True, masquerade_inside=False))
    unchanged = text(service("one"), targets(), balancer(kind="azure", hairpin=True))
    own = "{ 198.18.1.11, 10.244.1.0/24 }"

    assert f"ip saddr {own} ip daddr {own} ct status dnat masquerade" in translated
    assert f"ip saddr {own} ip daddr {{ {ADDRESS} }} rt ip nexthop 198.18.1.11 masquerade" in unchanged


def test_a_balancer_that_keeps_no_client_masquerades_what_it_passes_on_too() -> None:
    assert f"ip daddr {{ {ADDRESS} }} masquerade" in text(
        service("one"), targets(), balancer(arrives_at="address", keeps_client=False)
    )


def test_cluster_ips_are_announced_by_the_nodes_with_an_endpoint_if_the_policy_is_local() -> None:
    services = [
        service("one", clusterIP="10.96.0.50"),
        service("two", clusterIP="10.96.0.51", **LOCAL),
        service("three", clusterIP="10.96.0.52", **LOCAL),
        service("headless", clusterIP="None"),
    ]
    having = targets(ready={"default/two": PODS[1:]})

    assert cluster_ips(services, having, balancer(kind="bgp-cluster-ips")) == {
        IPv4Address("10.96.0.50"): NODES,
        IPv4Address("10.96.0.51"): NODES[1:],
        IPv4Address("10.96.0.52"): NODES,
    }
    assert cluster_ips(services, having, balancer(kind="metallb-bgp")) == {}


def test_ready_endpoints_are_read_from_the_api() -> None:
    ready = {
        "metadata": {"namespace": "default", "name": "one"},
        "subsets": [
            {
                "addresses": [{"ip": "10.244.1.10", "nodeName": "n1"}, {"ip": "192.0.2.1"}],
                "notReadyAddresses": [{"ip": "10.244.1.11", "nodeName": "n1"}],
                "ports": [{"port": 8080}],
            }
        ],
    }
    empty = {"metadata": {"namespace": "default", "name": "two"}}

    assert config.ready_endpoints([ready, empty], {"n1": NODES[0]}) == {"default/one": PODS[:1], "default/two": ()}


def test_only_a_balancer_that_translates_and_keeps_nodes_needs_a_network_without_neighbours() -> None:
    assert plan.layer3(declared("lab-routed", {"load_balancer.masquerade_inside": False}))
    facts = {"load_balancer": {"kind": "metallb-bgp", "addresses": "198.18.100.0/24"}}
    assert not plan.layer3(declared("lab-routed", facts))


def test_a_source_check_admits_the_addresses_of_the_networks_own_balancer() -> None:
    ports = {f"n{number}": f"port{number}" for number in range(1, 5)}
    checked, api_host = {"cni.anti_spoof": True}, IPv4Address("198.18.1.10")
    pool = {"addresses": "198.18.100.0/24"}

    assert "198.18.100.0/24" in source_checks(
        declared("lab-vpc", {"load_balancer": {"kind": "gcp", **pool}, **checked}), ports, api_host
    )
    announced_by_nodes = declared("lab-vpc", {"load_balancer": {"kind": "metallb-bgp", **pool}, **checked})
    assert "198.18.100.0/24" not in source_checks(announced_by_nodes, ports, api_host)
