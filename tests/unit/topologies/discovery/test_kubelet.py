"""kubelet's iptables rules and version, from its configuration and the Node objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.support.discoverer import Discoverer, written
from tests.unit.support.real_clusters.installed import kubeadm_calico
from topologies.discovery.inference import kernel
from topologies.discovery.inventory import Inventory, ListedNode
from topologies.loading.load import parse

WRITES = {"makeIPTablesUtilChains": True}


@pytest.mark.parametrize(
    ("version", "config", "rules"),
    [
        ("v1.26.15", WRITES, "all"),
        ("v1.27.16", WRITES, "martians"),
        ("v1.34.4-eks-1", WRITES, "martians"),
        ("v1.26.15", {**WRITES, "featureGates": {"IPTablesOwnershipCleanup": True}}, "martians"),
        ("v1.27.16", {**WRITES, "featureGates": {"IPTablesOwnershipCleanup": False}}, "all"),
        ("v1.27.16", {**WRITES, "featureGates": "garbled"}, "martians"),
        ("v1.20.2", {"makeIPTablesUtilChains": False}, "none"),
        ("v1.20.2", {}, None),
        ("", WRITES, None),
    ],
)
def test_kubelets_configuration_and_version_give_its_rules(
    version: str, config: dict[str, Any], rules: str | None
) -> None:
    inventory = Inventory(nodes=(ListedNode("n1", kubelet=version),), kubelets={"n1": config})

    assert kernel.value_at(inventory, {}, "n1", "kubelet_rules") == rules


def test_a_kubelet_of_another_version_is_in_the_file(discoverer: Discoverer) -> None:
    cluster = kubeadm_calico("vxlan")
    older = [{**node, "status": {**node["status"]}} for node in cluster.nodes]
    older[1]["status"]["nodeInfo"] = {**older[1]["status"]["nodeInfo"], "kubeletVersion": "v1.26.9"}

    text = written(discoverer.discover(replace(cluster, nodes=older)))

    assert '  kubelet_version: "1.26.9"  # status.nodeInfo.kubeletVersion' in text.splitlines()
    nodes = parse(text, "mine").nodes
    assert sorted(str(node.kubelet_version) for node in nodes) == ["1.26.9", "None"]
