"""The clusters that people have: facts are found or unknown, and the file loads."""

from __future__ import annotations

from typing import Any

import pytest

from probes.plan.plan import plan
from reports.records.prediction import Prediction
from tests.unit.support.discoverer import Discoverer, values, written
from tests.unit.support.real_clusters.alibaba_tencent_huawei import ack_terway
from tests.unit.support.real_clusters.catalogue import CLUSTERS
from tests.unit.support.real_clusters.clouds import eks
from tests.unit.support.real_clusters.installed import kubeadm_calico
from tests.unit.support.real_clusters.seeds import daemon_set, service
from topologies.loading.load import parse
from topologies.schema.enums import ProxyKind
from topologies.schema.topology import Proxy

EXPECTED: dict[str, dict[str, Any]] = {
    "eks": {
        "kubernetes": "1.29.4",
        "cni.kind": "vpc-cni",
        "cni.masquerade": "egress",
        "cni.masquerade_except": ["10.1.0.0/16"],
        "cni.overlay": "none",
        "cni.bridge": False,
        "cni.pod_routes": "network",
        "cni.pod_addresses": "node-network",
        "cni.pod_cidr": "10.0.4.0/23",
        "proxy.version": "1.29.4",
        "proxy.detect_local": "none",
        "kernel.rp_filter": 2,
        "load_balancer.kind": "nlb-ip",
        "load_balancer.status": "hostname",
        "load_balancer.session_affinity": "unknown",
        "nodes.n1.address": "10.0.4.233",
        "nodes.n1.public_address": None,
    },
    "gke": {
        "cni.kind": "gke",
        "cni.masquerade": "egress",
        "cni.bridge": False,
        "cni.bridge_address": "pod-cidr",
        "cni.pod_routes": "network",
        "load_balancer.kind": "gcp",
        "load_balancer.session_affinity": "absent",  # the preset's: client-ip
    },
    "aks": {
        "cni.kind": "azure-overlay",
        "cni.masquerade": "unknown",
        "cni.pod_cidr": "10.244.0.0/16",
        "proxy.mode": "iptables",
        "load_balancer.kind": "azure",
    },
    "ack-flannel": {
        "cni.kind": "vpc-routed",
        "cni.masquerade": "flannel",
        "cni.bridge": True,
        "proxy.mode": "ipvs",
        "load_balancer.kind": "ack-clb",
    },
    "ack-terway": {
        "cni.kind": "terway-eniip",
        "cni.pod_addresses": "node-network",
        "cni.pod_cidr": "192.168.0.0/16",
        "load_balancer.kind": "ack-clb-eni",
    },
    "tke": {"cni.kind": "tke", "load_balancer.kind": "tke-clb", "load_balancer.status": "hostname"},
    "cce": {"cni.kind": "vpc-routed", "cni.bridge": True, "load_balancer.kind": "cce-elb-dedicated"},
    "openshift": {
        "cni.kind": "ovn",
        "cni.overlay": "geneve",
        "proxy.kind": "ovn-kubernetes",
        "service_cidr": "172.30.0.0/16",
        "load_balancer.kind": "none",
    },
    "k3s": {
        "cni.kind": "k3s",
        "cni.masquerade": "unknown",
        "proxy.version": "1.29.4",
        "service_cidr": "10.43.0.0/16",
        "load_balancer.kind": "servicelb",
    },
    "kubeadm-flannel-metallb": {
        "cni.kind": "flannel-vxlan",
        "cni.masquerade": "flannel",
        "cni.overlay": "vxlan",
        "cni.bridge_address": "pod-cidr",
        "cni.tunnel_address": "pod-cidr",
        "proxy.mode": "ipvs",
        "kernel.hairpin": True,
        "service_cidr": "10.96.0.0/12",
        "load_balancer.kind": "metallb-l2",
        "load_balancer.addresses": "192.168.1.240/28",
    },
    "kubeadm-calico-vxlan": {
        "cni.kind": "calico-vxlan",
        "cni.overlay": "vxlan",
        "cni.bridge": False,
        "cni.bridge_address": "none",
        "cni.tunnel_address": "per-node",
        "cni.masquerade": "egress",
        "nodes.n1.tunnel_address": "10.244.71.128",
        "nodes.n1.pod_cidr": None,
    },
    "kubeadm-calico-ipip": {
        "cni.kind": "calico-ipip",
        "cni.overlay": "ipip",
        "cni.tunnel_address": "per-node",
        "nodes.n2.tunnel_address": "10.244.33.64",
    },
    "cilium": {
        "cni.kind": "cilium",
        "cni.overlay": "vxlan",
        "cni.tunnel_address": "bridge",
        "cni.pod_cidr": "10.0.0.0/16",
        "proxy.kind": "cilium",
        "nodes.n1.bridge_address": "10.0.1.10",
    },
    "kind": {
        "cni.kind": "kindnet",
        "cni.overlay": "none",
        "cni.pod_routes": "nodes",
        "cni.bridge": False,
        "cni.bridge_address": "pod-cidr",
        "cni.masquerade": "unknown",
        "load_balancer.kind": "none",
    },
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_clusters_facts_are_found_or_unknown(discoverer: Discoverer, name: str) -> None:
    found = values(discoverer.discover(CLUSTERS[name]()))

    assert {path: found.get(path, "absent") for path in EXPECTED[name]} == EXPECTED[name]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_file_loads_and_can_be_predicted(discoverer: Discoverer, name: str) -> None:
    text = written(discoverer.discover(CLUSTERS[name]()))

    topology = parse(text, name)

    assert plan(topology).cells
    assert not topology.proxy.is_kube_proxy or Prediction.of(topology, {}).cells
    assert [one.name for one in topology.nodes] == ["n1", "n2"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_file_of_the_api_alone_loads(discoverer: Discoverer, name: str) -> None:
    text = written(discoverer.discover(CLUSTERS[name](), pods=False))

    if name == "cce":  # nothing in its API shows the network
        assert "  kind: unknown  # Huawei CCE (labels of node n1) has no preset, and no probe pod shows routes" in text
    else:
        assert plan(parse(text, name)).cells


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("cilium", "Cilium (kube-proxy-replacement: true", ProxyKind.CILIUM),
        ("openshift", "OVN-Kubernetes", ProxyKind.OVN_KUBERNETES),
    ],
)
def test_a_data_plane_that_is_not_kube_proxy_is_declared(
    discoverer: Discoverer, name: str, words: str, kind: ProxyKind
) -> None:
    discovery = discoverer.discover(CLUSTERS[name]())

    assert words in discovery.replacement
    assert "# NOT kube-proxy: " in written(discovery)
    assert parse(written(discovery), name).proxy == Proxy(kind=kind)


def test_calicos_tunnel_addresses_are_read_from_annotations_without_pods(discoverer: Discoverer) -> None:
    discovery = discoverer.discover(kubeadm_calico("ipip"), pods=False)

    assert values(discovery)["nodes.n1.tunnel_address"] == "10.244.71.128"
    parse(written(discovery), "mine")


def test_pods_with_cards_of_the_nodes_network_have_its_range(discoverer: Discoverer) -> None:
    cluster = ack_terway()
    cluster.daemon_sets = [daemon_set("tke-eni-agent")]
    for output in cluster.outputs.values():
        assert output.config
        output.config["clusterCIDR"] = ""

    found = values(discoverer.discover(cluster))

    assert (found["cni.kind"], found["cni.pod_cidr"]) == ("eni", "192.168.1.0/25")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"vip_arp": "true", "svc_enable": "true"}, "kube-vip"),
        ({"vip_arp": "true", "svc_election": "false"}, "kube-vip"),
        ({"vip_arp": "true", "svc_election": "true"}, "kube-vip-election"),
        ({"bgp_enable": "true", "svc_election": "true"}, "custom"),
    ],
)
def test_kube_vip_is_declared_by_who_leads(discoverer: Discoverer, settings: dict[str, Any], kind: str) -> None:
    cluster = kubeadm_calico("ipip")
    cluster.daemon_sets.append(daemon_set("kube-vip-ds", **settings))
    cluster.services.append(service("web", ip="192.168.1.240"))

    discovery = discoverer.discover(cluster)

    found = values(discovery)
    assert (found["load_balancer.kind"], found.get("load_balancer.health_checks")) == (kind, None)
    assert plan(parse(written(discovery), "mine")).cells


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "preserve_client_ip.enabled=true,stickiness.enabled=true",
            "target-group-attributes sets client-ip for Service",
        ),
        ("stickiness.enabled=false", "a setting of the balancer for each Service"),
    ],
)
def test_the_session_affinity_of_another_service_is_named_and_not_taken_for_a_runs(
    discoverer: Discoverer, value: str, words: str
) -> None:
    cluster = eks()
    notes = cluster.services[-1]["metadata"]["annotations"]
    notes["service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"] = value

    text = written(discoverer.discover(cluster))

    (line,) = [line for line in text.splitlines() if "session_affinity:" in line]
    assert line.startswith("  session_affinity: unknown  # ")
    assert words in line
