"""`as:` — what a node's alias is used for, where the API's name stays, and which aliases are refused."""

from __future__ import annotations

import re

import pytest
import yaml

from probes.plan.plan import plan
from topologies.cluster import manifests
from topologies.loading.aliases import WANT_NAME
from topologies.loading.load import TopologyError, parse, validated
from topologies.loading.overrides import apply
from topologies.schema.topology import Topology

NAMES = ("ip-10-0-1-2.ec2.internal", "cn-hangzhou.10.0.1.3", "10.0.1.4")
FILE = """
name: mine
kubernetes: "1.24.3"
nodes:
- {name: ip-10-0-1-2.ec2.internal, as: n1, address: 198.18.1.11, pod_cidr: 10.244.1.0/24}
- {name: cn-hangzhou.10.0.1.3, as: n2, address: 198.18.1.12, pod_cidr: 10.244.2.0/24}
- {name: 10.0.1.4, as: n3, address: 198.18.1.13, pod_cidr: 10.244.3.0/24}
cni: {kind: routed}
images: {agnhost: "registry.example/agnhost:1"}
"""
PLAIN = re.sub(r"name: [^,\n]*, as: (n\d)", r"name: \1", FILE)
WORKLOAD = """
workload:
  backends: [{name: web-a, app: web, node: %s}]
  services: [{name: web, app: web, type: NodePort}]
  vantages: [{name: here, kind: node, node: %s}]
"""


def ids(topology: Topology) -> list[str]:
    return [cell.id for cell in plan(topology).cells]


def test_cell_ids_have_the_alias_and_nothing_else_of_the_node() -> None:
    topology = parse(FILE, "mine.yaml")

    assert ids(topology) == ids(parse(PLAIN, "mine.yaml"))
    assert not [one for one in ids(topology) if any(name in one for name in (*NAMES, "10.0.1", "ec2"))]


def test_the_api_gets_its_own_name() -> None:
    topology = parse(FILE, "mine.yaml")

    assert [node.api_name for node in topology.nodes] == list(NAMES)
    assert {one["spec"]["nodeName"] for one in manifests.pods(topology, "x")} == {NAMES[0], NAMES[1]}
    assert topology.node_name_of(NAMES[2]) == "n3"
    assert topology.node_name_of("another") == "another"
    assert topology.full_node_name("n1") == "n1 (ip-10-0-1-2.ec2.internal)"


def test_a_node_without_an_alias_has_one_name() -> None:
    [node, *_] = parse(PLAIN, "mine.yaml").nodes

    assert (node.name, node.api_name, node.full_name, node.metadata_name) == ("n1", "n1", "n1", None)


@pytest.mark.parametrize("name", ["n2", NAMES[1]])
def test_references_take_either_name(name: str) -> None:
    topology = parse(FILE + WORKLOAD % (name, name), "mine.yaml")

    assert topology.workload.backends[0].node == "n2"
    assert topology.workload.vantages[0].node == "n2"


@pytest.mark.parametrize("key", ["n2", "worker", "1"])
def test_an_override_finds_the_node_by_either_name(key: str) -> None:
    changed = apply(yaml.safe_load(FILE.replace(NAMES[1], "worker")), {f"nodes.{key}.address": "198.18.1.99"})

    assert str(validated(changed, "mine").node("n2").address) == "198.18.1.99"


def test_a_topology_survives_its_own_dump() -> None:
    topology = parse(FILE, "mine.yaml")

    assert Topology.model_validate_json(topology.model_dump_json()) == topology
    assert validated(topology.model_dump(mode="json"), "mine") == topology


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("as: n2", "as: n1", "nodes[].as: got n1 2 times, want each once"),
        ("as: n2", "as: N2", "nodes[1].as: got 'N2', want a DNS label: a-z, 0-9 and '-', at most 63 characters"),
        ("as: n2", "as: 2", "nodes[1].as: got 2, want a DNS label: a-z, 0-9 and '-', at most 63 characters"),
        ("as: n2", "as: null", "nodes[1].as: got nothing, want a DNS label: a-z, 0-9 and '-', at most 63 characters"),
        ("as: n2", "as: a.b", "nodes[1].as: got 'a.b', want a DNS label: a-z, 0-9 and '-', at most 63 characters"),
        (NAMES[1], NAMES[0], "nodes[].name: got ip-10-0-1-2.ec2.internal 2 times, want each once"),
        (
            NAMES[1],
            "n1",
            "nodes[0].as: got n1, want an alias that is not another node's name: n1 is the metadata.name of n2",
        ),
        (
            "name: 10.0.1.4, ",
            "",
            f"nodes[2].name: got nothing, want {WANT_NAME}",
        ),
        ("as: n2", "as: n2, metadata_name: x", "nodes[1].metadata_name: got 'x', want no such key beside as"),
    ],
)
def test_a_bad_alias_is_one_complaint(old: str, new: str, complaint: str) -> None:
    with pytest.raises(TopologyError) as raised:
        parse(FILE.replace(old, new) + WORKLOAD % ("n1", "n1"), "mine.yaml")

    assert [str(one) for one in raised.value.complaints] == [complaint]
