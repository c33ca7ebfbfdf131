"""Each fact of the pod network is realised on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from topologies.lab.component_config import proxy_config
from topologies.lab.network import eni, plan, pods
from topologies.lab.network.pods import Route
from topologies.lab.worker import node as worker
from topologies.loading.load import load, validated

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

NODES = [{"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24"} for x in (1, 2)]


def lab(cni: dict[str, Any], nodes: list[dict[str, Any]] = NODES, **more: Any) -> Topology:
    given = {"name": "t", "kubernetes": "1.20.2", "nodes": nodes, "cni": cni, "lab": {"overlay": "vxlan"}, **more}
    return validated(given, "t.yaml")


def network(topology: Topology) -> pods.PodNetwork:
    return pods.pod_network(topology, topology.nodes[0])


@pytest.mark.parametrize(
    ("cni", "bridge", "gateway", "plugin"),
    [
        ({"kind": "flannel-vxlan"}, True, "10.244.1.1/24", "bridge"),
        ({"kind": "tunnel", "bridge_address": "none"}, True, None, worker.OWN_PLUGIN),
        ({"kind": "kindnet"}, False, "10.244.1.1/32", worker.OWN_PLUGIN),
        ({"kind": "calico-bgp"}, False, None, worker.OWN_PLUGIN),
        ({"kind": "calico-bgp", "bridge": True}, True, "10.244.1.1/24", "bridge"),
    ],
)
def test_the_device_towards_own_pods(cni: dict[str, Any], bridge: bool, gateway: str | None, plugin: str) -> None:
    topology = lab(cni)
    made = network(topology)

    assert (made.bridge, made.gateway and str(made.gateway)) == (bridge, gateway)
    first = worker.cni_config(topology, topology.nodes[0])["plugins"][0]
    assert first["type"] == plugin
    assert first.get("bridge") == ("cni0" if bridge else None)


@pytest.mark.parametrize(
    ("cni", "name", "address", "hop"),
    [
        ({"kind": "flannel-vxlan"}, "flannel.1", "10.244.1.0", "10.244.2.0"),
        ({"kind": "tunnel", "tunnel_address": "none"}, "vxlan.calico", None, "10.244.2.0"),
        ({"kind": "antrea"}, "vxlan.calico", "10.244.1.1", "10.244.2.0"),
        ({"kind": "calico-bgp", "overlay": "ipip"}, "flannel.1", "10.244.1.0", "10.244.2.0"),
    ],
)
def test_the_tunnel_device(cni: dict[str, Any], name: str, address: str | None, hop: str) -> None:
    topology = lab(cni)
    tunnel = network(topology).tunnel

    assert tunnel is not None
    assert (tunnel.name, tunnel.address and str(tunnel.address)) == (name, address)
    assert [str(one.hop) for one in tunnel.tunnels] == [hop]
    host = next(one for one in plan.fabric(topology) if one.name == "n1")
    assert [str(route.destination) for route in host.routes if route.device == name] == ["10.244.2.0/24"]


def test_a_tunnel_address_outside_the_nodes_pods_has_a_route() -> None:
    nodes = [{**node, "tunnel_address": f"10.244.9.{x}"} for x, node in enumerate(NODES, 1)]
    tunnel = network(lab({"kind": "calico-vxlan"}, nodes)).tunnel

    assert tunnel is not None
    routes = pods.routes_through(tunnel)
    assert str(tunnel.address) == "10.244.9.1"
    assert [str(route.destination) for route in routes] == ["10.244.2.0/24", "10.244.9.2/32"]
    assert all(isinstance(route, Route) for route in routes)


def test_facts_of_one_node_are_realised_there() -> None:
    own = {"kernel": {"rp_filter": 1}, "cni": {"masquerade": "none"}, "proxy": {"masquerade_all": True}}
    topology = lab({"kind": "kindnet"}, [NODES[0], {**NODES[1], **own}])
    hosts = {host.name: dict(host.sysctls) for host in plan.fabric(topology)}

    assert [hosts[name]["ipv4/conf/all/rp_filter"] for name in ("n1", "n2")] == ["0", "1"]
    configurations = (proxy_config(topology.kubernetes, topology, node, "x") for node in topology.nodes)
    masquerade_all = [one["iptables"]["masqueradeAll"] for one in configurations]
    assert masquerade_all == [False, True]
    assert ["MASQUERADE" in worker.iptables(topology, node) for node in topology.nodes] == [True, False]


def test_a_masquerade_exception_returns_before_the_masquerade() -> None:
    topology = lab({"kind": "kindnet", "masquerade_except": ["198.18.1.0/24"]})
    lines = worker.iptables(topology, topology.nodes[0]).splitlines()
    excepted = lines.index("-A POSTROUTING -s 10.244.0.0/16 -d 198.18.1.0/24 -j RETURN")

    assert excepted < next(index for index, line in enumerate(lines) if "-j MASQUERADE" in line)


def test_policies_come_before_the_rules_of_their_table() -> None:
    topology = load("lab-policies")
    rules = {node.name: worker.iptables(topology, node).splitlines() for node in topology.nodes}

    assert ":FORWARD DROP [0:0]" in rules["n1"]
    assert not any(line.startswith("-A FORWARD") for line in rules["n1"])
    assert "-A FORWARD -s 10.244.0.0/16 -j ACCEPT" in rules["n4"]
    table = rules["n2"][rules["n2"].index("*filter") :]
    assert table[1] == ":INPUT DROP [0:0]"
    assert table[-1] == "COMMIT"
    assert "-A INPUT -i lo -j ACCEPT" in table


def test_our_plugin_connects_the_hosts_end() -> None:
    leased = "10.244.1.7/24"

    assert eni.host_commands(leased, "v", {}) == [["route", "replace", "10.244.1.7/32", "dev", "v", "scope", "link"]]
    with_gateway = eni.host_commands(leased, "v", {"gateway": "10.244.1.1"})
    assert with_gateway[0] == ["address", "add", "10.244.1.1/32", "dev", "v"]
    assert with_gateway[1][:3] == ["route", "replace", "10.244.1.7/32"]
    on_bridge = eni.host_commands(leased, "v", {"bridge": "cni0", "hairpin": True})
    assert on_bridge[0] == ["link", "set", "v", "master", "cni0"]
    assert on_bridge[1][-2:] == ["hairpin", "on"]


def test_a_pod_on_a_bridge_reaches_its_range_directly() -> None:
    lines = eni.pod_side("10.244.1.7/24", "eth0", eni.GATEWAY, "02:00:00:00:00:01", on_link=True).splitlines()

    assert lines[0] == "address add 10.244.1.7/24 dev eth0"
    assert lines[-1] == "route add default via 169.254.1.1 dev eth0 src 10.244.1.7"
