"""The presets of a load balancer: complete, with a source each, and overridden by what a file declares."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from probes.plan.plan import NO_NODE, plan
from topologies.cluster_state.shortfalls import shortfalls
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.load import TopologyError, parse
from topologies.schema.enums import (
    AddressIs,
    AnnouncedBy,
    ArrivesAt,
    BalancerStatus,
    EmptyPool,
    LoadBalancerKind,
    OtherPorts,
)
from topologies.schema.load_balancer import LoadBalancer
from topologies.schema.presets.load_balancer import ALIASES, FACTS, PRESETS, complete

if TYPE_CHECKING:
    from topologies.schema.topology import Topology


UNKNOWN_CLOUD = PRESETS[LoadBalancerKind.UNKNOWN_CLOUD]


def balancer(**given: Any) -> LoadBalancer:
    return LoadBalancer.model_validate(given)


def declared(text: str, cni: str = "{kind: eni}") -> Topology:
    nodes = "[{name: n1, address: 192.0.2.1}, {name: n2, address: 192.0.2.2}]"
    file = f"name: mine\nkubernetes: '1.30.3'\nnodes: {nodes}\ncni: {cni}\nlab: {{}}\nload_balancer: {text}"
    return parse(file, "mine")


def test_every_kind_is_a_preset_with_a_source() -> None:
    assert set(PRESETS) == set(LoadBalancerKind)
    assert all(preset.about and preset.source for preset in PRESETS.values())
    assert set(LoadBalancer.model_fields) >= FACTS


@pytest.mark.parametrize("kind", LoadBalancerKind)
def test_a_preset_survives_the_form_in_which_a_lab_reads_it(kind: LoadBalancerKind) -> None:
    preset = balancer(kind=kind)
    assert LoadBalancer.model_validate_json(preset.model_dump_json()) == preset


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("inline", {"arrives_at": ArrivesAt.NODE_PORT, "keeps_client": True, "avoids_empty_nodes": True}),
        ("full-nat", {"arrives_at": ArrivesAt.NODE_PORT, "keeps_client": False}),
        (
            "metallb-l2",
            {
                "arrives_at": ArrivesAt.ADDRESS,
                "announced_by": AnnouncedBy.LEADER,
                "avoids_empty_nodes": True,
                "empty_pool": EmptyPool.WITHDRAW,
                "other_ports": OtherPorts.NODES,
            },
        ),
        ("metallb-bgp", {"arrives_at": ArrivesAt.ADDRESS, "announced_by": AnnouncedBy.ENDPOINTS}),
        ("kube-vip", {"announced_by": AnnouncedBy.LEADER, "avoids_empty_nodes": False}),
        ("kube-vip-election", {"announced_by": AnnouncedBy.LEADER, "avoids_empty_nodes": True}),
        ("servicelb", {"address_is": AddressIs.NODE, "arrives_at": ArrivesAt.ADDRESS}),
        ("nlb-instance", {"status": BalancerStatus.HOSTNAME, "keeps_client": True, "masquerade_inside": False}),
        ("nlb-ip", {"arrives_at": ArrivesAt.POD, "keeps_client": False, "source_ranges": False}),
        ("azure", {"arrives_at": ArrivesAt.ADDRESS, "status": BalancerStatus.IP, "hairpin": False}),
        ("azure-no-floating", {"arrives_at": ArrivesAt.NODE_PORT, "status": BalancerStatus.IP}),
        ("gcp", {"arrives_at": ArrivesAt.ADDRESS, "avoids_empty_nodes": True}),
        ("tke-clb", {"excludes_source": True}),
        ("bgp-cluster-ips", {"advertises_cluster_ips": True, "arrives_at": ArrivesAt.ADDRESS}),
    ],
)
def test_a_preset_gives_the_documented_facts(kind: str, facts: dict[str, object]) -> None:
    preset = balancer(kind=kind)
    assert {name: getattr(preset, name) for name in facts} == facts


@pytest.mark.parametrize(("alias", "kind"), ALIASES.items())
def test_an_alias_is_its_preset(alias: str, kind: LoadBalancerKind) -> None:
    assert balancer(kind=alias) == balancer(kind=kind)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("klipper-lb", LoadBalancerKind.SERVICELB),
        ("kube-vip", LoadBalancerKind.KUBE_VIP),
        ("gke", LoadBalancerKind.GCP),
        ("aks", LoadBalancerKind.AZURE),
        ("azure", LoadBalancerKind.AZURE),
    ],
)
def test_a_product_is_declared_by_its_name(word: str, kind: LoadBalancerKind) -> None:
    assert declared(f"{{kind: {word}}}").load_balancer.kind is kind


def test_a_declared_fact_overrides_the_preset() -> None:
    preset = balancer(kind="metallb-l2", empty_pool="drop", masquerade_inside=True)
    assert preset.empty_pool is EmptyPool.DROP
    assert preset.masquerade_inside
    assert preset.announced_by is AnnouncedBy.LEADER


def test_another_kind_replaces_the_facts_of_the_first() -> None:
    dumped = balancer(kind="metallb-l2", undeclared_port=9999).model_dump(mode="json")
    assert LoadBalancer.model_validate({**dumped, "kind": "nlb-ip"}) == balancer(kind="nlb-ip", undeclared_port=9999)


@pytest.mark.parametrize(
    ("given", "avoids"),
    [
        ({}, True),
        ({"announced_by": "all"}, False),
        ({"registers": "all"}, False),
        ({"registers": "endpoints"}, True),
        ({"health_checks": False}, False),
        ({"announced_by": "all", "health_checks": True}, True),
        ({"announced_by": "leader"}, True),
        ({"announced_by": "leader", "health_checks": False}, False),
    ],
)
def test_nodes_without_an_endpoint_are_left_out_by_health_or_by_endpoints(
    given: dict[str, object], avoids: bool
) -> None:
    assert balancer(kind="inline", **given).avoids_empty_nodes is avoids


def test_facts_without_a_kind_are_a_custom_balancer() -> None:
    assert balancer(arrives_at="address").kind is LoadBalancerKind.CUSTOM
    assert balancer(addresses="192.0.2.0/24").kind is LoadBalancerKind.NONE


@pytest.mark.parametrize("value", [[], {}, 5, ["l2"], {"a": 1}, None])
@pytest.mark.parametrize("key", ["kind", "registers", "announced_by", "leader", "health_checks", "addresses"])
def test_a_value_of_another_type_is_a_complaint_or_the_default(key: str, value: object) -> None:
    given = {"registers": "all", "kind": "inline", key: value}
    with suppress(ValidationError):
        balancer(**given)
    assert isinstance(complete(given), dict)
    with suppress(TopologyError):
        declared(json.dumps(given))


def test_the_older_and_the_newer_name_of_a_fact_may_not_differ() -> None:
    assert balancer(registers="all", announced_by="all").announced_by is AnnouncedBy.ALL
    with pytest.raises(ValidationError):
        balancer(registers="all", announced_by="leader")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "{kind: inline, registers: all, announced_by: leader}",
            "load_balancer: got registers all and announced_by leader, want one of them",
        ),
        ("{kind: inline, leader: n1}", "load_balancer.leader: got n1, want announced_by: leader beside it, not endp"),
        ("{kind: l2, leader: n7}", "load_balancer.leader: got n7, want a node: one of n1, n2"),
        ("{kind: none, arrives_at: pod}", "load_balancer.arrives_at: got pod, want a kind other than none beside it"),
        (
            "{kind: servicelb, arrives_at: node-port}",
            "load_balancer.arrives_at: got node-port, want address: with address_is node",
        ),
        (
            "{kind: servicelb, addresses: 198.51.100.0/24}",
            "load_balancer.addresses: got 198.51.100.0/24, want a range that contains the address of a node",
        ),
        ("{kind: l2, listens: true}", "load_balancer.listens: got true, want none with other_ports: nodes"),
        ("{kind: gcp, proxy_protocol: true}", "load_balancer.proxy_protocol: got true, want false with arrives_at"),
        (
            "{kind: gcp, listeners: [{name: range, port: 81, leads_to: web-lb}]}",
            "load_balancer.listeners[0].leads_to: got web-lb, want none with arrives_at: address",
        ),
        ("{kind: tke-clb, hairpin: true}", "load_balancer.hairpin: got true, want false beside excludes_source"),
        ("{kind: nlb}", "load_balancer.kind: got 'nlb', want one of none, inline"),
    ],
)
def test_facts_that_exclude_each_other_are_one_complaint(text: str, complaint: str) -> None:
    with pytest.raises(TopologyError) as error:
        declared(text)
    assert [complaint in str(error.value), len(error.value.complaints)] == [True, 1]


def test_a_balancer_that_sends_to_pods_needs_a_route_to_them() -> None:
    with pytest.raises(TopologyError, match=r"load_balancer\.arrives_at: got pod, want a pod network without overlay"):
        declared("{kind: nlb-ip}", cni="{kind: flannel-vxlan}")
    declared("{kind: nlb-ip}")


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{kind: l2}", {"leader"}),
        ("{kind: l2, leader: n1}", set()),
        ("{kind: kube-vip, announced_by: all}", set()),
        ("{kind: kube-vip-election}", {"leader", "empty_pool"}),
        ("{kind: kube-vip-election, leader: n1, empty_pool: withdraw}", set()),
        ("{kind: inline, registers: unknown}", {"announced_by"}),
        ("{kind: inline, announced_by: leader}", {"leader"}),
        ("{kind: unknown-cloud, keeps_client: true}", set(UNKNOWN_CLOUD.unknown) - {"keeps_client"}),
    ],
)
def test_what_a_preset_leaves_open_is_unknown(text: str, unknown: set[str]) -> None:
    assert declared(text).unknown == {f"load_balancer.{name}" for name in unknown}


def test_the_address_of_a_node_without_a_balancer_is_that_of_servicelb() -> None:
    assert declared("{kind: none, addresses: 192.0.2.1/32}").load_balancer.kind is LoadBalancerKind.SERVICELB
    assert declared("{addresses: 192.0.2.2/32}").load_balancer.address_is is AddressIs.NODE
    assert declared("{kind: none, addresses: 192.0.2.0/24}").load_balancer.kind is LoadBalancerKind.NONE


SERVICELB = """
name: k3s
kubernetes: "1.29.4"
nodes: 5
cni: {kind: flannel-vxlan}
lab: {}
load_balancer: {kind: servicelb, addresses: 198.18.1.8/29}
external: [{name: laptop, address: 198.18.3.50}]
workload:
  backends: [{name: web-a, app: web, node: n1}]
  services:
  - {name: web, app: web, type: LoadBalancer}
  - {name: web-local, app: web, type: LoadBalancer, external_traffic_policy: Local, port: 81}
  - {name: none-local, app: none, type: LoadBalancer, external_traffic_policy: Local}
  vantages: [{name: pod-n2, kind: pod, node: n2}, {name: ext, kind: external, external: laptop}]
"""


def test_a_service_has_the_address_of_each_node_that_announces_it() -> None:
    services = snapshot_of(parse(SERVICELB, "k3s")).services
    assert [str(one) for one in services["web"].balanced] == [f"198.18.1.{last}" for last in (11, 12, 13, 14, 15)]
    assert [str(one) for one in services["web-local"].balanced] == ["198.18.1.11"]
    assert services["none-local"].balanced == ()


def test_one_node_of_each_class_is_asked_at_its_own_address() -> None:
    planned = plan(parse(SERVICELB, "k3s"))
    cells = {cell.id.removesuffix("-v4-tcp") for cell in planned.cells if "loadbalancer" in cell.id}
    reasons = {left.cell.removesuffix("-v4-tcp"): left.reason for left in planned.omissions}

    assert cells == {
        f"{client}-to-{at}{port}"
        for client, nodes in {"pod-n2": ("n2", "n1", "n3"), "ext": ("n1", "n2")}.items()
        for at in (*(f"web.loadbalancer.{node}" for node in nodes), "web-local.loadbalancer")
        for port in ("", ".undeclared")
    }
    assert (
        reasons["pod-n2-to-web.loadbalancer.n4"] == "n4 is another node without an endpoint, as is n3, which is asked"
    )
    assert reasons["ext-to-none-local.loadbalancer"] == NO_NODE


def test_services_at_a_nodes_own_address_have_different_ports() -> None:
    with pytest.raises(TopologyError) as error:
        parse(SERVICELB.replace(", port: 81", ""), "k3s")
    assert "workload.services[1].port: got 80, want another port: web has it at the address of n1" in str(error.value)
    standard = declared("{kind: servicelb}").workload.services
    ports = [service.port for service in standard if service.type == "LoadBalancer"]
    assert len(set(ports)) == len(ports) > 1


def test_a_service_that_no_node_announces_lacks_nothing() -> None:
    topology = parse(SERVICELB, "k3s")
    found = shortfalls(topology, snapshot_of(topology))
    assert [one.reason for one in found.found if one.service == "none-local"] == []
    services = {**snapshot_of(topology).services}
    services["web-local"] = replace(services["web-local"], load_balancer_ip=IPv4Address("198.18.1.12"))
    other = shortfalls(topology, replace(snapshot_of(topology), services=services)).reasons
    assert "Service web-local has 198.18.1.12 in status.loadBalancer, declared 198.18.1.11" in other
