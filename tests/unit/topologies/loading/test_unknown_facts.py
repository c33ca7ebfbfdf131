"""The value `unknown` in a file, and sections of one node."""

import pytest

from topologies.loading.load import TopologyError, parse
from topologies.loading.overrides import declared
from topologies.loading.overrides import parse as parse_overrides

FILE = """
name: short
kubernetes: "1.30.3"
nodes:
  - {name: n1, address: 10.0.0.11, pod_cidr: unknown}
  - {name: n2, address: 10.0.0.12, pod_cidr: 10.244.2.0/24, kernel: {rp_filter: unknown, hairpin: false}}
cni: {kind: flannel-vxlan, masquerade: unknown}
proxy: {mode: unknown, version: unknown}
load_balancer: {listens: unknown}
external_routes_to_pods: unknown
images: {agnhost: registry.example/agnhost:1}
"""
PATHS = {"nodes.n1.pod_cidr", "nodes.n2.kernel.rp_filter", "cni.masquerade", "proxy.mode", "proxy.version"}
PATHS |= {"load_balancer.listens", "external_routes_to_pods"}


def test_unknown_at_its_key_is_a_path() -> None:
    topology = parse(FILE, "short.yaml")

    assert topology.unknown == PATHS
    assert topology.kernel_of("n2").rp_filter == 0
    assert not topology.kernel_of("n2").hairpin


def test_an_override_may_be_unknown() -> None:
    topology = declared("lab-flannel", parse_overrides(["kernel.rp_filter=unknown", "nodes.n2.proxy.version=unknown"]))

    assert topology.unknown == {"kernel.rp_filter", "nodes.n2.proxy.version"}


def test_an_override_makes_an_unknown_fact_known() -> None:
    given = declared("lab-flannel", {"kernel.rp_filter": 1})

    assert given.unknown == frozenset()


@pytest.mark.parametrize(
    ("path", "accepted"),
    [("kubernetes", "a Kubernetes version"), ("cni.kind", "one of flannel-vxlan"), ("patience.connect", "a number")],
)
def test_a_key_that_is_no_fact_may_not_be_unknown(path: str, accepted: str) -> None:
    with pytest.raises(TopologyError) as caught:
        declared("lab-flannel", {path: "unknown"})

    (one,) = caught.value.complaints
    assert (one.path, one.got) == (path, "'unknown'")
    assert one.want.startswith(accepted)
    assert "only these may be unknown: proxy.mode, proxy.version," in one.want
    assert "nodes[].pod_cidr" in one.want


def test_text_may_be_the_word_unknown() -> None:
    assert declared("lab-flannel", {"about": "unknown"}).about == "unknown"


def test_a_path_that_is_no_fact_is_refused() -> None:
    with pytest.raises(TopologyError) as caught:
        declared("lab-flannel", {"unknown": ["kernel.rp_fliter", "nodes.n9.kernel.rp_filter"]})

    assert [(one.path, one.got) for one in caught.value.complaints] == [
        ("unknown", "kernel.rp_fliter"),
        ("unknown", "nodes.n9.kernel.rp_filter"),
    ]
    assert "did you mean kernel.rp_filter" in caught.value.complaints[0].want
    assert caught.value.complaints[1].want.startswith("a fact of a node: one of n1, n2")


def test_a_node_range_that_is_not_declared_is_still_refused() -> None:
    with pytest.raises(TopologyError, match=r"or unknown, needed for this cni.kind"):
        parse(FILE.replace(", pod_cidr: unknown", ""), "short.yaml")


@pytest.mark.parametrize(
    ("overrides", "path", "got"),
    [
        ({"nodes.n2.proxy": {"version": "1.19.1"}}, "nodes[1].proxy.version", "1.19.1"),
        ({"nodes.n2.proxy": {"mode": "nftables"}}, "nodes[1].proxy.mode", "nftables with 1.20.2"),
        ({"nodes.n2.kernel": {"rp_filter": 3}}, "nodes[1].kernel.rp_filter", "3"),
        ({"nodes.n2.cni": {"anti_spoof": True}}, "nodes[1].cni.anti_spoof", "the unknown key 'anti_spoof'"),
    ],
)
def test_a_wrong_value_of_one_node_is_refused_at_its_place(overrides: dict[str, object], path: str, got: str) -> None:
    with pytest.raises(TopologyError) as caught:
        declared("lab-flannel", overrides)

    assert [(one.path, one.got) for one in caught.value.complaints] == [(path, got)]
