"""Declared against real: node lists as clouds give them, kube-proxies of many versions, and what each contradicts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes import client

from probes.lifecycle.contradictions import compare_cluster, compare_pods, rules_between
from topologies.cluster_state.real_cluster import RealCluster, RealNode, read_node
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load, names, parse
from topologies.loading.overrides import declared as load_with
from topologies.schema.enums import CniKind, DetectLocal, ProxyMode
from topologies.schema.topology import Node, Version

SMALL = load("lab-small")
API_SERVICE = " (clusterIP of Service default/kubernetes)"
AS_DECLARED = RealCluster(
    version="v1.20.2",
    nodes=(
        RealNode("n1", ("198.18.1.11",), ("10.244.1.0/24",), "v1.20.2", "5.10.0"),
        RealNode("n2", ("198.18.1.12",), ("10.244.2.0/24",), "v1.20.2", "5.10.0"),
    ),
    api_service_ip="10.96.0.1",
)


def real(**changed: Any) -> RealCluster:
    return replace(AS_DECLARED, **changed)


def first_node(**changed: Any) -> RealCluster:
    return real(nodes=(replace(AS_DECLARED.nodes[0], **changed), AS_DECLARED.nodes[1]))


def messages(comparison: Any) -> list[str]:
    return [str(one) for one in comparison.contradictions]


def changed(**update: Any) -> Any:
    return SMALL.model_copy(update=update)


def test_a_cluster_as_declared_contradicts_nothing() -> None:
    assert compare_cluster(SMALL, AS_DECLARED) == compare_cluster(SMALL, RealCluster())
    assert compare_cluster(SMALL, AS_DECLARED).notes == ()


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (real(version="v1.30.3"), "kubernetes: declared 1.20.2, real v1.30.3 (the API server's /version)"),
        (
            real(nodes=AS_DECLARED.nodes[:1]),
            "node n2: declared there, real not among n1 (list nodes)",
        ),
        (
            first_node(internal_ips=("10.0.0.5", "fd00::5")),
            "address of node n1: declared 198.18.1.11, real 10.0.0.5, fd00::5 (status.addresses of node n1)",
        ),
        (
            first_node(pod_cidrs=("10.244.7.0/24", "fd00:1::/64")),
            "pod_cidr of node n1: declared 10.244.1.0/24, real 10.244.7.0/24 (spec.podCIDRs of node n1)",
        ),
        (
            real(api_service_ip="172.20.0.1"),
            "service_cidr: declared 10.96.0.0/16, real a range with 172.20.0.1" + API_SERVICE,
        ),
        (
            real(api_service_ip="fd00:10::1"),
            "service_cidr: declared 10.96.0.0/16, real a range with fd00:10::1" + API_SERVICE,
        ),
    ],
)
def test_each_contradiction_names_declared_real_and_where(there: RealCluster, says: str) -> None:
    assert messages(compare_cluster(SMALL, there)) == [says]


def test_all_contradictions_are_told_at_once() -> None:
    found = compare_cluster(SMALL, real(version="v1.30.3", nodes=AS_DECLARED.nodes[1:], api_service_ip="172.20.0.1"))

    assert len(found.contradictions) == 3
    assert "\n" not in str(found)
    assert str(found).startswith("the topology contradicts the cluster: kubernetes: declared 1.20.2, real v1.30.3")


def test_of_many_contradictions_one_line_names_the_first_and_counts_the_rest() -> None:
    nodes = tuple(Node(name=f"x{number}", address=IPv4Address("192.0.2.1")) for number in range(50))
    found = compare_cluster(changed(nodes=nodes), AS_DECLARED)

    assert len(found.contradictions) == 50
    assert "; and 42 more. Correct the topology" in str(found)


@pytest.mark.parametrize(
    ("there", "note"),
    [
        (real(version="v1.20.9-eks-6b3bda"), "kubernetes: declared 1.20.2, real v1.20.9-eks-6b3bda"),
        (first_node(kubelet="v1.19.16-gke.1"), "the kubelet of n1 is v1.19.16-gke.1, kubernetes 1.20.2 is declared"),
        (first_node(not_ready="KubeletNotReady: CNI"), "node n1 is not Ready: KubeletNotReady: CNI"),
        (
            real(nodes=(*AS_DECLARED.nodes, RealNode("n9"))),
            "nodes that the topology does not declare: n9. They are not asked; the load balancer may use them",
        ),
        (real(version="", unread=("read the version: 403",)), "not compared with the topology: read the version: 403"),
    ],
)
def test_what_is_legal_is_a_note(there: RealCluster, note: str) -> None:
    found = compare_cluster(SMALL, there)

    assert messages(found) == []
    assert [one[: len(note)] for one in found.notes] == [note]


def test_a_cni_with_ranges_of_its_own_may_differ_from_the_node_object() -> None:
    routed = changed(cni=SMALL.cni.model_copy(update={"kind": CniKind.ROUTED}))
    found = compare_cluster(routed, first_node(pod_cidrs=("10.244.7.0/24",)))

    assert messages(found) == []
    assert "this CNI may have ranges of its own" in found.notes[0]
    by_node = routed.model_copy(
        update={"proxy": SMALL.proxy.model_copy(update={"detect_local": DetectLocal.NODE_CIDR})}
    )
    assert messages(compare_cluster(by_node, first_node(pod_cidrs=("10.244.7.0/24",))))


def test_another_patch_release_contradicts_where_other_rules_hold() -> None:
    """R7.7's like: a rule that begins or ends at a patch release."""
    found = {
        (mode, one, other)
        for mode in ProxyMode
        for minor in range(20, 38)
        for one, other in [(Version(1, minor, 0), Version(1, minor, 30))]
        if rules_between(mode, one, other)
    }
    for mode, one, other in found:
        topology = changed(kubernetes=one, proxy=SMALL.proxy.model_copy(update={"mode": mode}))
        [line] = messages(compare_cluster(topology, real(version=f"v{other}")))
        assert "for which other rules hold: " in line
    assert found  # else nothing was tested

    same = changed(kubernetes=Version(1, 20, 1))
    assert not rules_between(same.proxy.mode, Version(1, 20, 1), Version(1, 20, 2))
    assert "the same rules hold for both" in compare_cluster(same, AS_DECLARED).notes[0]


def test_the_patch_release_of_the_api_server_is_none_of_a_proxy_declared_apart() -> None:
    apart = changed(proxy=SMALL.proxy.model_copy(update={"version": Version(1, 19, 16)}))

    assert compare_cluster(apart, real(version="v1.20.15")).notes == ()
    assert messages(compare_cluster(apart, real(version="v1.21.0")))


def node(name: str, addresses: list[tuple[str, str]], **spec: Any) -> client.V1Node:
    made = [client.V1NodeAddress(type=kind, address=address) for kind, address in addresses]
    info = dict.fromkeys(("architecture", "bootID", "machineID", "operatingSystem", "osImage", "systemUUID"), "")
    told_versions = {
        "kubeletVersion": spec.pop("kubelet", "v1.33.2"),
        "kubeProxyVersion": "",
        "kernelVersion": "6.1",
        "containerRuntimeVersion": "containerd://2.0",
    }
    return client.V1Node(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1NodeSpec(**spec),
        status=client.V1NodeStatus(addresses=made, node_info=client.V1NodeSystemInfo(**info, **told_versions)),
    )


NAMES = {
    "eks": "ip-10-0-1-5.eu-central-1.compute.internal",
    "aks": "aks-nodepool1-12345678-vmss000000",
    "gke": "gke-one-default-pool-0a1b2c3d-xyz0",
    "ipv6-first": "worker-1",
    "kwok": "bare",
}
CLOUDS = {
    "eks": node(
        NAMES["eks"],
        [
            ("InternalIP", "10.0.1.5"),
            ("ExternalIP", "3.4.5.6"),
            ("InternalDNS", NAMES["eks"]),
            ("Hostname", NAMES["eks"]),
        ],
        provider_id="aws:///eu-central-1a/i-0123",
        kubelet="v1.33.2-eks-1ab2c3d",
    ),
    "aks": node(
        NAMES["aks"],
        [("Hostname", NAMES["aks"]), ("InternalIP", "10.0.1.5")],
        pod_cidr="10.244.0.0/24",
        pod_cidrs=["10.244.0.0/24"],
    ),
    "gke": node(
        NAMES["gke"],
        [("InternalIP", "10.0.1.5"), ("ExternalIP", "35.1.2.3"), ("Hostname", f"{NAMES['gke']}.c.p.internal")],
        pod_cidr="10.244.0.0/24",
        pod_cidrs=["10.244.0.0/24", "2600:1900::/112"],
        kubelet="v1.33.2-gke.1240000",
    ),
    "ipv6-first": node(
        NAMES["ipv6-first"],
        [("InternalIP", "fd00::5"), ("InternalIP", "10.0.1.5"), ("Hostname", "worker-1")],
        pod_cidr="fd00:1::/64",
        pod_cidrs=["fd00:1::/64", "10.244.0.0/24"],
    ),
    "kwok": node(NAMES["kwok"], []),
}
ENI = Node.model_construct(name="x", address=IPv4Address("10.0.1.5"), pod_cidr=None)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("version", ["v1.33.2", "v1.33.2-eks-1ab2c3d", "v1.33.2-gke.1240000", "v1.33.2+k3s1"])
def test_the_node_lists_of_clouds_agree_with_what_one_declares_of_them(cloud: str, version: str) -> None:
    """Of a kubelet from 1.33 on kubeProxyVersion is empty; ExternalIP, Hostname and DNS names are no InternalIP."""
    cidr = None if cloud in {"eks", "kwok"} else IPv4Network("10.244.0.0/24")
    declared_node = ENI.model_copy(update={"name": NAMES[cloud], "pod_cidr": cidr})
    topology = changed(kubernetes=Version(1, 33, 2), nodes=(declared_node,))
    found = compare_cluster(topology, RealCluster(version, (read_node(CLOUDS[cloud]),), "10.96.0.1"))

    assert messages(found) == []
    assert found.notes == ()


@pytest.mark.parametrize("cloud", ["eks", "aks", "gke", "ipv6-first"])
def test_another_address_than_any_internal_one_contradicts(cloud: str) -> None:
    declared_node = ENI.model_copy(update={"name": NAMES[cloud], "address": IPv4Address("35.1.2.3")})
    topology = changed(kubernetes=Version(1, 33, 2), nodes=(declared_node,))
    [line] = messages(compare_cluster(topology, RealCluster("v1.33.2", (read_node(CLOUDS[cloud]),))))

    assert "declared 35.1.2.3" in line
    assert "10.0.1.5" in line


def test_a_node_that_says_next_to_nothing_is_read() -> None:
    bare = SimpleNamespace(metadata=client.V1ObjectMeta(name="x"), spec=None, status=None)

    assert read_node(cast("Any", bare)) == RealNode("x")


@pytest.mark.parametrize("name", names())
def test_the_pods_of_a_cluster_as_declared_are_in_its_ranges(name: str) -> None:
    topology = load(name)

    assert messages(compare_pods(topology, declared(topology))) == []


def test_a_pod_outside_the_declared_ranges_contradicts() -> None:
    snapshot = declared(SMALL)
    strange = replace(snapshot, pods={**snapshot.pods, "pod-n2": IPv4Address("10.244.9.9")})
    elsewhere = replace(snapshot, pods={**snapshot.pods, "pod-n2": IPv4Address("172.31.0.9")})
    bare = changed(nodes=tuple(one.model_copy(update={"pod_cidr": None}) for one in SMALL.nodes))

    assert messages(compare_pods(SMALL, strange)) == [
        "pod_cidr of node n2: declared 10.244.2.0/24, real a range with 10.244.9.9 (status.podIP of pod pod-n2)"
    ]
    assert messages(compare_pods(bare, strange)) == []
    assert messages(compare_pods(bare, elsewhere)) == [
        "cni.pod_cidr: declared 10.244.0.0/16, real a range with 172.31.0.9 (status.podIP of pod pod-n2)"
    ]


@pytest.mark.parametrize(
    ("cni", "says"),
    [
        ("{kind: eni}", []),  # EKS, terway: the loader asks for no range, and its default is no declaration
        (
            "{kind: eni, pod_cidr: 172.31.4.0/24}",
            ["cni.pod_cidr: declared 172.31.4.0/24, real a range with 172.31.5.9 (status.podIP of pod pod-n2)"],
        ),
    ],
)
def test_a_pod_of_an_eni_cluster_contradicts_only_a_declared_range(cni: str, says: list[str]) -> None:
    nodes = "[{name: n1, address: 172.31.0.11}, {name: n2, address: 172.31.0.12}]"
    topology = parse(f"{{name: eks, kubernetes: '1.30.0', nodes: {nodes}, cni: {cni}}}", "a file")
    snapshot = declared(topology)
    real_pods = {**snapshot.pods, "pod-n2": IPv4Address("172.31.5.9")}

    assert messages(compare_pods(topology, replace(snapshot, pods=real_pods))) == says


MIXED = load_with("lab-small", {"nodes.n2.proxy": {"version": "1.23.4", "mode": "ipvs"}})


def test_the_kubelet_of_a_node_with_its_own_version_is_no_hint() -> None:
    nodes = (AS_DECLARED.nodes[0], replace(AS_DECLARED.nodes[1], kubelet="v1.23.4"))

    assert compare_cluster(MIXED, real(nodes=nodes)).notes == ()
    assert any("the kubelet of n2 is v1.23.4" in note for note in compare_cluster(SMALL, real(nodes=nodes)).notes)


def test_a_kubelet_that_writes_other_rules_is_a_note_unless_they_are_declared() -> None:
    nodes = (AS_DECLARED.nodes[0], replace(AS_DECLARED.nodes[1], kubelet="v1.27.4"))
    newer = {"kubernetes": "1.24.17", "nodes.n2.proxy": {"version": "1.27.2"}, "kernel": {}}
    note = "the kubelet of n2 is v1.27.4, kubernetes 1.24.17 is declared"

    def notes(**changes: Any) -> tuple[str, ...]:
        return compare_cluster(
            load_with("lab-small", {**newer, **changes}), real(version="v1.24.17", nodes=nodes)
        ).notes

    assert note in notes()
    assert note not in notes(**{"nodes.n2.kubelet_version": "1.27.4"})
    assert note not in notes(**{"kernel.kubelet_rules": "all"})
    older = notes(**{"nodes.n2.kubelet_version": "1.26.1", "nodes.n2.proxy": {}})
    assert "the kubelet of n2 is v1.27.4, kubelet_version 1.26.1 is declared" in older
