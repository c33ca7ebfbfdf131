"""Which nodes are declared, and why the others are not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.support.real_clusters.seeds import node
from topologies.discovery.inventory import ListedNode, read_node
from topologies.discovery.nodes import choose, class_of


def listed(name: str, address: str = "192.0.2.1", **more: Any) -> ListedNode:
    return read_node(node(name, address, **more))


def names(*nodes: ListedNode, count: int = 4) -> list[str]:
    return [one.node.name for one in choose(nodes, count).chosen]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"os": "windows"}, "operating system is windows"),
        ({"ready": False}, "not Ready (KubeletNotReady)"),
        ({"cordoned": True}, "cordoned"),
        ({"address": ""}, "no InternalIP"),
        ({"address": "fd00::5"}, "IPv6 only"),
        ({"labels": {"type": "virtual-kubelet"}}, "virtual node"),
        ({"labels": {"eks.amazonaws.com/compute-type": "fargate"}}, "virtual node"),
        ({"taint": "virtual-kubelet.io/provider:NoSchedule"}, "virtual node"),
        (
            {"taint": "node-role.kubernetes.io/control-plane:NoSchedule"},
            "tainted node-role.kubernetes.io/control-plane",
        ),
    ],
)
def test_a_node_that_cannot_be_declared_is_left_out_with_the_reason(more: dict[str, Any], reason: str) -> None:
    choice = choose([listed("bad", **more), listed("a"), listed("b")])

    assert [one.node.name for one in choice.chosen] == ["a", "b"]
    [left] = choice.left_out
    assert left.startswith("1: bad: ")
    assert reason in left


def test_tainted_nodes_are_used_if_there_are_not_two_others() -> None:
    control_plane = listed("cp", taint="node-role.kubernetes.io/control-plane:NoSchedule")

    assert names(control_plane, listed("a")) == ["a", "cp"]
    assert names(control_plane, listed("a"), listed("b")) == ["a", "b"]


def test_every_class_has_a_node_before_any_has_two() -> None:
    many = [listed(f"m{one}") for one in range(9)]

    assert names(*many, listed("arm", arch="arm64"), listed("old", version="v1.28.1"), count=3) == ["arm", "m0", "old"]
    assert names(*many, count=3) == ["m0", "m1", "m2"]


def test_a_class_shows_what_its_nodes_have_in_common() -> None:
    labels = {"topology.kubernetes.io/zone": "z1", "node.kubernetes.io/instance-type": "m5.large"}

    text = str(class_of(listed("a", labels=labels)))

    assert text == "zone z1, amd64, kernel 6.1.0, m5.large, kubelet v1.29.4"


def test_two_addresses_of_each_family_keep_the_first_ipv4() -> None:
    extra = [{"type": "InternalIP", "address": "fd00::1"}, {"type": "InternalIP", "address": "10.9.9.9"}]

    found = listed("a", addresses=extra)

    assert [str(one) for one in found.internal_ips] == ["192.0.2.1", "10.9.9.9"]
    assert found.ipv6 == 1


@pytest.mark.parametrize("damage", [{"status": None}, {"spec": []}, {"status": {"addresses": [{}, 3, None]}}])
def test_an_object_with_missing_parts_is_read(damage: dict[str, Any]) -> None:
    found = read_node({"metadata": {"name": "odd", "labels": {"a": 3}}} | damage)

    assert (found.name, found.internal_ips, found.pod_cidrs) == ("odd", (), ())
