"""kubelet's iptables rules, version and DNS, from its configuration and the Node objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.support.discoverer import Discoverer, written
from tests.unit.support.real_clusters.installed import kubeadm_calico
from topologies.common.addresses import IPAddress
from topologies.discovery.inference import kernel
from topologies.discovery.inference.cluster_dns import find_cluster_dns
from topologies.discovery.inventory import Inventory, ListedNode, ListedService
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


KUBE_DNS = ListedService("kube-system", "kube-dns", cluster_ips=(IPAddress("10.96.0.10"),))
KUBELET = {"clusterDNS": ["10.32.0.10"], "clusterDomain": "k8s.example"}
KUBEADM = {"kube-system/kubeadm-config": {"ClusterConfiguration": "networking: {dnsDomain: cluster.local}"}}


@pytest.mark.parametrize(
    ("inventory", "comment"),
    [
        (
            Inventory(kubelets={"n1": KUBELET, "n2": KUBELET}, services=(KUBE_DNS,)),
            (
                "cluster_dns: {domain: k8s.example, address: 10.32.0.10} would also ask Services by name "
                "(kubelet /configz on n1, n2)"
            ),
        ),
        (
            Inventory(services=(KUBE_DNS,), config_maps=KUBEADM),
            (
                "cluster_dns: {domain: cluster.local, address: 10.96.0.10} would also ask Services by name "
                "(ClusterIP of Service kube-system/kube-dns; "
                "ConfigMap kube-system/kubeadm-config, networking.dnsDomain)"
            ),
        ),
        (
            Inventory(services=(KUBE_DNS,), kubelets={"n1": {"clusterDNS": "garbled"}}),
            (
                "cluster_dns: {domain: DOMAIN, address: 10.96.0.10} would also ask Services by name "
                "(ClusterIP of Service kube-system/kube-dns; no kubelet's clusterDomain is readable)"
            ),
        ),
        (Inventory(), "cluster_dns: no kubelet's clusterDNS and no Service kube-system/kube-dns is readable"),
    ],
)
def test_the_cluster_dns_is_found_and_not_declared(inventory: Inventory, comment: str) -> None:
    found = find_cluster_dns(inventory)

    assert (found.value, found.source) == (None, comment)
