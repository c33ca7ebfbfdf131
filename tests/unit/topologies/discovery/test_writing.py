"""The topology file: every value with its source, and nothing else from the cluster."""

from __future__ import annotations

from tests.unit.support.discoverer import Discoverer, written
from tests.unit.support.paths import ROOT
from tests.unit.support.real_clusters.installed import kind, kubeadm_flannel_metallb
from tests.unit.support.real_clusters.seeds import daemon_set
from topologies.common.version import VERSION
from topologies.loading.load import parse

GOLDEN = ROOT / "tests" / "unit" / "topologies" / "discovery" / "kubeadm-flannel-metallb.yaml"


def test_every_value_has_its_source_beside_it(discoverer: Discoverer) -> None:
    text = written(discoverer.discover(kubeadm_flannel_metallb()))

    bare = [line for line in text.splitlines() if ":" in line and "#" not in line]
    assert [line.split(":")[0].strip(" -") for line in bare] == (
        ["name", "nodes", "name", "as", "name", "as", "cni", "proxy", "kernel", "load_balancer", "images"]
    )


def test_the_file_of_one_cluster(discoverer: Discoverer) -> None:
    text = written(discoverer.discover(kubeadm_flannel_metallb()))

    assert text.replace(f" {VERSION} on", " VERSION on") == GOLDEN.read_text(encoding="utf-8")


def test_hostile_annotations_and_names_stay_in_their_comments(discoverer: Discoverer) -> None:
    cluster = kind()
    cluster.nodes[0]["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a\nload_balancer: {kind: inline}"}
    cluster.nodes[1]["metadata"]["annotations"] = {"projectcalico.org/IPv4IPIPTunnelAddr": "\x1b[31mx"}
    cluster.daemon_sets.append(daemon_set("svclb-\u2028kind: none", namespace="x" * 9000))

    text = written(discoverer.discover(cluster))

    assert max(map(len, text.splitlines())) < 500
    assert "\x1b" not in text
    assert parse(text, "mine").load_balancer.kind == "servicelb"
