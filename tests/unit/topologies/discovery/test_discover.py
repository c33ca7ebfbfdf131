"""Discovery without pods, and of a large cluster."""

from __future__ import annotations

from tests.unit.support.discoverer import Discoverer, values, written
from tests.unit.support.real_clusters.installed import kubeadm_flannel_metallb
from tests.unit.support.real_clusters.seeds import SeededCluster, daemon_set, node
from topologies.loading.load import parse


def test_only_the_api_gives_less_and_the_file_loads(discoverer: Discoverer) -> None:
    discovery = discoverer.discover(kubeadm_flannel_metallb(), pods=False)

    found = values(discovery)
    assert discoverer.asked == []
    assert not [call for call in discoverer.api.calls if call.startswith("POST")]
    assert (found["proxy.mode"], found["kernel.rp_filter"], found["cni.kind"]) == ("ipvs", "unknown", "flannel-vxlan")
    assert parse(written(discovery), "mine").unknown >= {"kernel.rp_filter", "kernel.hairpin"}


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
    cluster = SeededCluster("v1.29.4", nodes, [daemon_set("kindnet")])

    discovery = discoverer.discover(cluster, pods=False)

    assert len(discovery.nodes) == 4
    assert len({one.chosen.belongs_to for one in discovery.nodes}) == 3
    assert sum(call == "GET /api/v1/nodes" for call in discoverer.api.calls) == 10
    assert any(line.startswith("4996: ") for line in discovery.left_out)
