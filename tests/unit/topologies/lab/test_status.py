"""`hairpin lab status`: what each node runs."""

from __future__ import annotations

from topologies.lab.__main__ import describe_nodes
from topologies.loading.overrides import declared

RECORD = {
    "proxies": {"n1": ["/a/kube-proxy", "1.34.4"], "n2": ["/b/kube-proxy", "1.30.14"]},
    "versions": {"kubelet": "1.34.4", "runtime": "containerd 1.6.20"},
}


def test_the_versions_and_the_mode_of_each_node_are_shown() -> None:
    topology = declared("lab-small", {"kubernetes": "1.34.4", "nodes.n2.proxy.mode": "nftables"})

    assert describe_nodes(topology, RECORD) == {
        "n1": "kube-proxy 1.34.4 iptables, kubelet 1.34.4, containerd 1.6.20",
        "n2": "kube-proxy 1.30.14 nftables, kubelet 1.34.4, containerd 1.6.20",
    }


def test_a_lab_of_an_earlier_hairpin_has_no_versions() -> None:
    assert describe_nodes(declared("lab-small", {}), {"binaries": "/x"}) == {}
