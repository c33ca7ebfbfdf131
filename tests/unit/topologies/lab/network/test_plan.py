from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from topologies.lab.network import plan
from topologies.lab.network.plan import EVERYWHERE, Host
from topologies.lab.network.pods import Route
from topologies.loading.load import load
from topologies.loading.overrides import declared as load_with


def hosts(name: str) -> dict[str, Host]:
    return {host.name: host for host in plan.fabric(load(name))}


def test_the_hosts_are_those_of_the_topology_and_the_control_plane_comes_first() -> None:
    assert list(hosts("lab-flannel")) == ["cp", "n1", "n2", "n3", "n4", "lb", "rt", "e1"]


def test_the_routers_default_route_is_unreachable() -> None:
    assert Route(EVERYWHERE) in hosts("lab-flannel")["rt"].routes


def test_the_nodes_default_gateway_is_the_load_balancer() -> None:
    fabric = hosts("lab-flannel")

    assert Route(EVERYWHERE, fabric["lb"].address) in fabric["n1"].routes


def test_flannel_reaches_other_nodes_pods_through_the_vxlan_device() -> None:
    node = hosts("lab-flannel")["n1"]

    assert Route(IPv4Network("10.244.2.0/24"), IPv4Address("10.244.2.0"), "flannel.1", onlink=True) in node.routes
    assert node.pods is not None
    assert node.pods.tunnel is not None
    assert [str(one.underlay) for one in node.pods.tunnel.tunnels] == ["198.18.1.12", "198.18.1.13", "198.18.1.14"]


def test_routed_pods_are_reached_through_the_nodes_and_known_to_the_load_balancer() -> None:
    fabric = hosts("lab-routed")
    to_n2 = Route(IPv4Network("10.244.2.0/24"), IPv4Address("198.18.1.12"))

    assert to_n2 in fabric["n1"].routes
    assert to_n2 in fabric["lb"].routes
    assert fabric["n1"].pods is not None
    assert fabric["n1"].pods.tunnel is None


def test_pods_are_not_reached_from_outside_unless_declared() -> None:
    topology = load("lab-routed")
    declared = topology.model_copy(update={"external_routes_to_pods": True})

    def inwards(fabric: tuple[Host, ...]) -> list[IPv4Network]:
        return [route.destination for host in fabric if host.name == "rt" for route in host.routes]

    assert topology.cni.pod_cidr not in inwards(plan.fabric(topology))
    assert topology.cni.pod_cidr in inwards(plan.fabric(declared))


def test_the_kernels_settings_are_the_nodes_sysctls() -> None:
    topology = load("lab-flannel")
    kernel = topology.kernel.model_copy(update={"rp_filter": 1, "bridge_nf_call_iptables": False})
    node = plan.fabric(topology.model_copy(update={"kernel": kernel}))[1]

    assert dict(node.sysctls)["ipv4/conf/all/rp_filter"] == "1"
    assert dict(node.sysctls)["bridge/bridge-nf-call-iptables"] == "0"


def test_a_node_has_its_own_sysctls() -> None:
    topology = load_with("lab-flannel", {"nodes.n2.kernel": {"rp_filter": 1, "bridge_nf_call_iptables": False}})
    sysctls = {host.name: dict(host.sysctls) for host in plan.fabric(topology)}

    assert sysctls["n2"]["ipv4/conf/all/rp_filter"] == "1"
    assert sysctls["n2"]["bridge/bridge-nf-call-iptables"] == "0"
    assert sysctls["n1"]["ipv4/conf/all/rp_filter"] == "0"
    assert sysctls["n1"]["bridge/bridge-nf-call-iptables"] == "1"


@pytest.mark.parametrize(("limit", "written"), [(1000, None), (0, "0")])
def test_icmp_is_rate_limited_as_kernels_do_unless_declared(limit: int, written: str | None) -> None:
    topology = load("lab-flannel")
    assert topology.lab is not None
    lab = topology.lab.model_copy(update={"icmp_ratelimit": limit})
    node = plan.fabric(topology.model_copy(update={"lab": lab}))[1]

    assert dict(node.sysctls).get("ipv4/icmp_ratelimit") == written


def test_external_ips_are_routed_beside_the_balanced_addresses() -> None:
    assert plan.routed_to_balancer(load("lab-flannel")) == IPv4Network("198.18.100.0/22")


def test_in_a_vpc_a_node_has_no_neighbour_but_the_gateway_which_knows_every_nodes_pods() -> None:
    fabric = hosts("lab-vpc")
    gateway = fabric["lb"].address

    assert fabric["n1"].legs[0].address.network.prefixlen == 32
    assert fabric["n1"].routes == (Route(IPv4Network(gateway), device="eth0"), Route(EVERYWHERE, gateway))
    assert Route(IPv4Network("10.244.2.0/24"), IPv4Address("198.18.1.12")) in fabric["lb"].routes


@pytest.mark.parametrize("name", ["lab-flannel", "lab-calico-vxlan", "lab-tunnel", "lab-routed"])
def test_the_api_servers_host_reaches_each_nodes_pods_through_the_node(name: str) -> None:
    fabric = hosts(name)

    assert Route(IPv4Network("10.244.2.0/24"), fabric["n2"].address) in fabric["cp"].routes


def test_the_api_servers_host_reaches_pods_of_a_vpc_by_the_gateway() -> None:
    fabric = hosts("lab-vpc")

    assert fabric["cp"].routes == fabric["n1"].routes
    assert Route(IPv4Network("10.244.2.0/24"), IPv4Address("198.18.1.12")) in fabric["lb"].routes


def test_without_neighbours_the_api_servers_host_finds_nodes_of_an_overlay_at_its_card() -> None:
    facts = {"load_balancer.masquerade_inside": False}
    fabric = {host.name: host for host in plan.fabric(load_with("lab-flannel", facts))}
    to_n2 = Route(IPv4Network("10.244.2.0/24"), IPv4Address("198.18.1.12"), "eth0", onlink=True)

    assert to_n2 in fabric["cp"].routes
    assert not [route for route in fabric["lb"].routes if route.destination == to_n2.destination]


def test_eni_pods_hang_on_no_bridge() -> None:
    pods = hosts("lab-eni")["n1"].pods

    assert pods is not None
    assert (pods.bridge, pods.gateway, pods.tunnel) == (False, None, None)


def test_a_second_card_is_plugged_into_a_switch_of_its_own_that_the_balancer_routes_to() -> None:
    topology = load("lab-small")
    first = topology.nodes[0].model_copy(update={"secondary_address": IPv4Address("198.18.6.11")})
    fabric = {host.name: host for host in plan.fabric(topology.model_copy(update={"nodes": (first,)}))}

    assert [(leg.name, str(leg.address), leg.switch) for leg in fabric["n1"].legs] == [
        ("eth0", "198.18.1.11/24", "nodes"),
        ("eth1", "198.18.6.11/24", "second"),
    ]
    assert ("in1", "198.18.6.1/24") in [(leg.name, str(leg.address)) for leg in fabric["lb"].legs]
