"""Discovery of the clusters that people have: facts, the file that is written, and what a refusal leaves unknown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from probes.plan.plan import plan
from reports.records.prediction import Prediction
from tests.unit.support import fake_api, real_clusters
from tests.unit.support.fake_api import Api
from tests.unit.support.paths import ROOT
from tests.unit.support.real_clusters import CLUSTERS, SeededCluster, node
from topologies.cluster import client as clusters
from topologies.cluster.client import ClusterError
from topologies.common.errors import HairpinError
from topologies.common.version import VERSION
from topologies.discovery import writing
from topologies.discovery.discover import DiscoveryRequest, discover, list_findings
from topologies.discovery.probe_pods import ProbeSettings
from topologies.loading.load import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from topologies.discovery.discover import Discovery

IMAGE = "registry.example/agnhost:2.53"
GOLDEN = ROOT / "tests" / "unit" / "topologies" / "discovery" / "kubeadm-flannel-metallb.yaml"
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
        "proxy.mode": "unknown",
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
        "proxy.mode": "unknown",
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


class Discoverer:
    """Discovers a seeded cluster through the real client."""

    def __init__(self, folder: Path) -> None:
        self.api = Api(pod_status=self._status)
        self.folder = folder
        self.cluster: SeededCluster
        self.asked: list[str] = []
        self.progress: list[str] = []
        self.hosts: dict[str, str] = {}
        self.silent: set[str] = set()  # addresses that drop connections to a closed port

    def discover(self, cluster: SeededCluster, *, count: int = 4, pods: bool = True, namespace: str = "") -> Discovery:
        self.cluster = cluster
        cluster.seed(self.api)
        with fake_api.serve(self.api, self.folder) as kubeconfig:
            settings = ProbeSettings("a1b2" if pods else "", IMAGE, namespace, ready_s=2)
            request = DiscoveryRequest(count, settings)
            return discover(clusters.connect(str(kubeconfig)), request, self._execute, self.progress.append)

    def _status(self, pod: dict[str, Any]) -> dict[str, Any]:
        name, spec = pod["metadata"]["name"], pod["spec"]
        self.hosts[name] = spec["nodeName"]
        address = "192.0.2.1" if spec.get("hostNetwork") else self.cluster.pods.get(spec["nodeName"])
        ready = [{"type": "Ready", "status": "True"}]
        return {"phase": "Running", "podIP": address, "startTime": fake_api.now(), "conditions": ready}

    def _execute(self, _namespace: str, pod: str, command: Sequence[str], _timeout_s: float) -> bytes:
        if pod.startswith("pod-"):
            targets = re.findall("@target ([0-9.]+)", command[-1])
            refused = [one for one in targets if one not in self.silent]
            return "".join(
                f"@target {one}\n* connect to {one} port 9 failed: Connection refused\n" for one in refused
            ).encode()
        self.asked.append(self.hosts[pod])
        if self.hosts[pod] not in self.cluster.outputs:
            message = "exec into the pod was cut"
            raise HairpinError(message)
        return self.cluster.outputs[self.hosts[pod]].printed()


@pytest.fixture
def discoverer(tmp_path: Path) -> Discoverer:
    return Discoverer(tmp_path)


def written(discovery: Discovery) -> str:
    return writing.render(discovery, "mine", "https://192.0.2.7:6443", "2026-11-26")


def values(discovery: Discovery) -> dict[str, Any]:
    return {path: one.value for path, one in list_findings(discovery)}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_clusters_facts_are_found_or_unknown(discoverer: Discoverer, name: str) -> None:
    found = values(discoverer.discover(CLUSTERS[name]()))

    assert {path: found.get(path, "absent") for path in EXPECTED[name]} == EXPECTED[name]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_file_loads_and_can_be_predicted(discoverer: Discoverer, name: str) -> None:
    text = written(discoverer.discover(CLUSTERS[name]()))

    topology = parse(text, name)

    assert plan(topology).cells
    assert Prediction.of(topology, {}).cells
    assert [one.name for one in topology.nodes] == ["n1", "n2"]


def test_every_value_has_its_source_beside_it(discoverer: Discoverer) -> None:
    text = written(discoverer.discover(real_clusters.kubeadm_flannel_metallb()))

    bare = [line for line in text.splitlines() if ":" in line and "#" not in line]
    assert [line.split(":")[0].strip(" -") for line in bare] == (
        ["name", "nodes", "name", "as", "name", "as", "cni", "proxy", "kernel", "load_balancer", "images"]
    )


def test_the_file_of_one_cluster(discoverer: Discoverer) -> None:
    text = written(discoverer.discover(real_clusters.kubeadm_flannel_metallb()))

    assert text.replace(f" {VERSION} on", " VERSION on") == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words"), [("cilium", "Cilium (kube-proxy-replacement: true"), ("openshift", "OVN-Kubernetes")]
)
def test_a_data_plane_that_is_not_kube_proxy_is_named(discoverer: Discoverer, name: str, words: str) -> None:
    discovery = discoverer.discover(CLUSTERS[name]())

    assert words in discovery.replacement
    assert "# NOT kube-proxy: " in written(discovery)


def test_only_the_api_gives_less_and_the_file_loads(discoverer: Discoverer) -> None:
    discovery = discoverer.discover(real_clusters.kubeadm_flannel_metallb(), pods=False)

    found = values(discovery)
    assert discoverer.asked == []
    assert not [call for call in discoverer.api.calls if call.startswith("POST")]
    assert (found["proxy.mode"], found["kernel.rp_filter"], found["cni.kind"]) == ("ipvs", "unknown", "flannel-vxlan")
    assert parse(written(discovery), "mine").unknown >= {"kernel.rp_filter", "kernel.hairpin"}


FORBIDDEN: Callable[[], Any] = lambda: fake_api.status(403, "forbidden")  # noqa: E731
OPTIONAL = (
    ("GET /apis/apps/v1/.*", "DaemonSets"),
    ("GET /api/v1/namespaces/kube-system/configmaps/.*", "ConfigMaps of kube-system"),
    ("GET /api/v1/services", "Services of all namespaces"),
    ("GET /apis/metallb.io/.*", "ipaddresspools"),
    ("GET /apis/networking.k8s.io/.*/servicecidrs", "servicecidrs"),
    ("GET /api/v1/nodes/.*/proxy/.*", "nodes/proxy"),
    ("GET /api/v1/namespaces/kube-system/pods", "Pods of kube-system"),
    ("POST /api/v1/namespaces", "probe pods"),
    ("POST /api/v1/namespaces/.*/pods", "probe pods"),
)


@pytest.mark.parametrize(("calls", "what"), OPTIONAL)
def test_a_missing_permission_is_named_with_what_stays_unknown(discoverer: Discoverer, calls: str, what: str) -> None:
    discoverer.api.script[calls] = FORBIDDEN

    discovery = discoverer.discover(real_clusters.kubeadm_flannel_metallb())

    named = [one for one in discovery.unread if one.what.startswith(what)]
    assert len(named) == 1
    assert named[0].leaves
    assert f"#   {named[0].what}: " in written(discovery)
    parse(written(discovery), "mine")


def test_without_any_optional_permission_no_value_is_a_guess(discoverer: Discoverer) -> None:
    discoverer.api.script |= {calls: FORBIDDEN for calls, _ in OPTIONAL}

    found = values(discoverer.discover(real_clusters.kubeadm_flannel_metallb()))

    known = {path for path, value in found.items() if value not in {None, "unknown"} or isinstance(value, bool)}
    assert {path for path in known if path.startswith(("proxy", "kernel"))} == set()
    assert found["cni.masquerade"] == "unknown"


def test_the_service_range_is_read_from_the_error_for_an_address_outside_it(discoverer: Discoverer) -> None:
    cluster = real_clusters.tke()
    cluster.service_range = "172.16.252.0/22"

    found = dict(list_findings(discoverer.discover(cluster)))["service_cidr"]

    assert found.value == "172.16.252.0/22"
    assert "names the range" in found.source


def test_calicos_tunnel_addresses_are_read_from_annotations_without_pods(discoverer: Discoverer) -> None:
    discovery = discoverer.discover(real_clusters.kubeadm_calico("ipip"), pods=False)

    assert values(discovery)["nodes.n1.tunnel_address"] == "10.244.71.128"
    parse(written(discovery), "mine")


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_file_of_the_api_alone_loads(discoverer: Discoverer, name: str) -> None:
    text = written(discoverer.discover(CLUSTERS[name](), pods=False))

    if name == "cce":  # nothing in its API shows the network
        assert "  kind: unknown  # Huawei CCE (labels of node n1) has no preset, and no probe pod shows routes" in text
    else:
        assert plan(parse(text, name)).cells


def test_refused_connections_show_that_nodes_forward_and_accept(discoverer: Discoverer) -> None:
    found = values(discoverer.discover(real_clusters.kind()))

    assert (found["cni.forward_policy"], found["cni.input_policy"]) == ("accept", "accept")


@pytest.mark.parametrize(
    ("silent", "policies"),
    [
        ({"10.244.1.9", "10.244.2.9"}, ("unknown", "accept")),
        ({"10.244.2.9"}, ("accept", "accept")),  # the other direction passed both nodes
        ({"192.168.1.12"}, ("accept", "unknown")),
    ],
)
def test_silence_leaves_a_policy_unknown(discoverer: Discoverer, silent: set[str], policies: tuple[str, str]) -> None:
    discoverer.silent = silent

    found = values(discoverer.discover(real_clusters.kind()))

    assert (found["cni.forward_policy"], found["cni.input_policy"]) == policies


def test_nodes_that_may_not_be_listed_end_it_with_the_right_that_is_missing(discoverer: Discoverer) -> None:
    discoverer.api.script["GET /api/v1/nodes"] = FORBIDDEN

    with pytest.raises(ClusterError, match="list nodes"):
        discoverer.discover(real_clusters.kind())


def test_an_expired_token_is_one_error(discoverer: Discoverer) -> None:
    discoverer.api.script[".*"] = lambda: fake_api.status(401, "Unauthorized")

    with pytest.raises(ClusterError, match="401"):
        discoverer.discover(real_clusters.kind())


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b"null", b'{"kind":"List"}'])
def test_an_api_that_is_not_kubernetes_is_one_error(discoverer: Discoverer, body: bytes) -> None:
    discoverer.api.script[".*"] = fake_api.Raw(body)

    with pytest.raises(ClusterError, match=r"API server|JSON"):
        discoverer.discover(real_clusters.kind())


def test_an_empty_cluster_is_one_error(discoverer: Discoverer) -> None:
    with pytest.raises(ClusterError, match="the API lists no node"):
        discoverer.discover(SeededCluster("v1.29.4", []))


def test_a_node_whose_pod_does_not_run_is_replaced_and_named(discoverer: Discoverer) -> None:
    cluster = real_clusters.kind()
    cluster.nodes.append(node("n0", "192.168.1.10", cidr="10.244.0.0/24"))

    discovery = discoverer.discover(cluster, count=2)

    assert [one.chosen.node.name for one in discovery.nodes] == ["n1", "n2"]
    assert [line for line in discovery.left_out if "n0" in line and "could not be asked" in line]


def test_a_node_without_a_replacement_is_named_once(discoverer: Discoverer) -> None:
    cluster = real_clusters.kind()
    cluster.nodes.append(node("n0", "192.168.1.10", cidr="10.244.0.0/24"))

    discovery = discoverer.discover(cluster)

    assert sum("n0" in line for line in discovery.left_out) == 1


def test_a_pod_that_admission_refuses_is_named_with_the_reason(discoverer: Discoverer) -> None:
    refusal = 'pods "host-1" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    discoverer.api.script["POST /api/v1/namespaces/.*/pods"] = lambda: (
        fake_api.status(403, refusal) if discoverer.api.body["spec"].get("hostNetwork") else None
    )

    discoverer.discover(real_clusters.kind())

    assert [line for line in discoverer.progress if line.startswith("node n1: ") and "PodSecurity" in line]


def test_probing_lists_nothing_but_the_pods(discoverer: Discoverer) -> None:
    discoverer.discover(real_clusters.kind())

    namespace = "GET /api/v1/namespaces/hairpin-a1b2/"
    assert {call for call in discoverer.api.calls if call.startswith(namespace)} == {f"{namespace}pods"}


def test_pods_with_cards_of_the_nodes_network_have_its_range(discoverer: Discoverer) -> None:
    cluster = real_clusters.ack_terway()
    cluster.daemon_sets = [real_clusters.daemon_set("tke-eni-agent")]
    for output in cluster.outputs.values():
        assert output.config
        output.config["clusterCIDR"] = ""

    found = values(discoverer.discover(cluster))

    assert (found["cni.kind"], found["cni.pod_cidr"]) == ("eni", "192.168.1.0/25")


def test_nothing_is_left_in_the_cluster(discoverer: Discoverer) -> None:
    discoverer.discover(real_clusters.kind())

    assert discoverer.api.namespaces() == set()
    assert [name for name, _ in discoverer.api.deleted] == ["hairpin-a1b2"]


def test_a_namespace_that_exists_is_used_and_left(discoverer: Discoverer) -> None:
    discoverer.api.script["POST /api/v1/namespaces"] = FORBIDDEN

    discovery = discoverer.discover(real_clusters.kind(), namespace="team")

    assert values(discovery)["proxy.mode"] == "iptables"
    assert "POST /api/v1/namespaces/team/pods" in discoverer.api.calls
    assert not [path for path in discoverer.api.objects if "/namespaces/team/pods/" in path]


def test_hostile_annotations_and_names_stay_in_their_comments(discoverer: Discoverer) -> None:
    cluster = real_clusters.kind()
    cluster.nodes[0]["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a\nload_balancer: {kind: inline}"}
    cluster.nodes[1]["metadata"]["annotations"] = {"projectcalico.org/IPv4IPIPTunnelAddr": "\x1b[31mx"}
    cluster.daemon_sets.append(real_clusters.daemon_set("svclb-\u2028kind: none", namespace="x" * 9000))

    text = written(discoverer.discover(cluster))

    assert max(map(len, text.splitlines())) < 500
    assert "\x1b" not in text
    assert parse(text, "mine").load_balancer.kind == "servicelb"


def test_five_thousand_nodes_take_seconds(discoverer: Discoverer) -> None:
    nodes = [
        node(
            f"w{one:04}",
            f"10.{one // 250}.{one % 250}.9",
            cidr=f"100.{64 + one // 256}.{one % 256}.0/24",
            kernel=f"6.{one % 3}",
        )
        for one in range(5000)
    ]
    cluster = SeededCluster("v1.29.4", nodes, [real_clusters.daemon_set("kindnet")])

    discovery = discoverer.discover(cluster, pods=False)

    assert len(discovery.nodes) == 4
    assert len({one.chosen.belongs_to for one in discovery.nodes}) == 3
    assert sum(call == "GET /api/v1/nodes" for call in discoverer.api.calls) == 10
    assert any(line.startswith("4996: ") for line in discovery.left_out)
