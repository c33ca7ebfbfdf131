"""The kube-proxies of a cluster against the declared ones: contradictions name both values and where they were read."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from probes.lifecycle.contradictions import compare_proxies
from topologies.cluster_state.proxy_facts import ProxyFacts
from topologies.loading.load import load
from topologies.loading.overrides import declared as load_with
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Version

SMALL = load("lab-small")
READ = ProxyFacts(
    "n1",
    mode="iptables",
    version="v1.20.2",
    detect_local="ClusterCIDR",
    cluster_cidrs=("10.244.0.0/16",),
    masquerade_all=False,
    localhost_nodeports=None,
    node_port_addresses=(),
)


def messages(comparison: Any) -> list[str]:
    return [str(one) for one in comparison.contradictions]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"mode": "ipvs"}, "mode of kube-proxy of n1: declared iptables, real ipvs"),
        ({"version": "v1.23.4-eks-1"}, "version of kube-proxy of n1: declared 1.20.2, real v1.23.4-eks-1"),
        ({"detect_local": "NodeCIDR"}, "detect_local of kube-proxy of n1: declared ClusterCIDR, real NodeCIDR"),
        ({"cluster_cidrs": ()}, "detect_local of kube-proxy of n1: declared ClusterCIDR, real none"),
        (
            {"cluster_cidrs": ("10.0.0.0/8",)},
            "cni.pod_cidr, the clusterCIDR of kube-proxy of n1: declared 10.244.0.0/16, real 10.0.0.0/8",
        ),
        ({"masquerade_all": True}, "masquerade_all of kube-proxy of n1: declared false, real true"),
        ({"localhost_nodeports": False}, "localhost_nodeports of kube-proxy of n1: declared true, real false"),
        (
            {"node_port_addresses": ("10.0.0.0/8",)},
            "node_port_addresses of kube-proxy of n1: declared none, real 10.0.0.0/8",
        ),
    ],
)
def test_a_proxy_that_is_another_than_declared_contradicts(facts: dict[str, Any], says: str) -> None:
    [line] = messages(compare_proxies(SMALL, [replace(READ, **facts)]))

    assert line.startswith(f"{says} (http://127.0.0.1:10249 on n1/")


def test_a_proxy_as_declared_and_one_of_which_little_is_known_contradict_nothing() -> None:
    assert messages(compare_proxies(SMALL, [READ, ProxyFacts("n2", mode="iptables")])) == []
    assert compare_proxies(SMALL, [READ, replace(READ, node="n2")]).notes == ()


def test_of_nodes_that_could_not_be_read_one_note_each_way() -> None:
    unread = {"n2": "no command ran there: x", "n3": "127.0.0.1:10249 does not answer"}
    found = compare_proxies(load("lab-flannel"), [READ], unread)

    assert found.notes == (
        "kube-proxy of n2: mode and version not read (no command ran there: x)",
        "kube-proxy of n3: mode and version not read (127.0.0.1:10249 does not answer)",
        "kube-proxy of n4: mode and version not read (no vantage on the host network there)",
    )


def test_flags_that_a_mode_does_not_read_do_not_count() -> None:
    ipvs = SMALL.model_copy(update={"proxy": SMALL.proxy.model_copy(update={"mode": ProxyMode.IPVS})})

    assert messages(compare_proxies(ipvs, [replace(READ, mode="ipvs", localhost_nodeports=False)])) == []


@pytest.mark.parametrize("real_addresses", [("primary",), ("198.18.1.11/32",)])
def test_primary_is_the_nodes_own_address(real_addresses: tuple[str, ...]) -> None:
    addresses = (IPv4Network("198.18.1.11/32"),)
    topology = SMALL.model_copy(update={"proxy": SMALL.proxy.model_copy(update={"node_port_addresses": addresses})})

    assert messages(compare_proxies(topology, [replace(READ, node_port_addresses=real_addresses)])) == []


NFTABLES = {"proxy.mode": "nftables", "proxy.version": "1.34.9"}


@pytest.mark.parametrize(
    ("changes", "real_addresses", "contradicts"),
    [
        (NFTABLES, ("198.18.1.11/32",), False),
        (NFTABLES, ("primary",), False),
        (NFTABLES, (), False),
        (NFTABLES, ("10.0.0.0/8",), True),
        ({**NFTABLES, "proxy.version": "1.29.1"}, ("198.18.1.11/32",), True),
        ({"proxy.version": "1.34.9"}, ("198.18.1.11/32",), True),
        ({"proxy.version": "1.37.2", "proxy.node_port_addresses": ["primary", "localhost"]}, ("localhost",), True),
        (
            {"proxy.version": "1.37.2", "proxy.node_port_addresses": ["primary", "localhost"]},
            ("127.0.0.0/8", "198.18.1.11/32"),
            False,
        ),
        ({"proxy.version": "1.37.2", "proxy.node_port_addresses": ["all"]}, ("0.0.0.0/0",), False),
    ],
)
def test_words_and_the_default_of_nftables_mode_are_ranges(
    changes: dict[str, Any], real_addresses: tuple[str, ...], contradicts: bool
) -> None:
    """Without the flag, kube-proxy's configuration has `primary` from 1.31 on, and up to 1.35 the address itself."""
    topology = load_with("lab-small", changes)
    reported = replace(READ, mode=topology.proxy.mode, version=None, node_port_addresses=real_addresses)

    assert bool(messages(compare_proxies(topology, [reported]))) is contradicts


@pytest.mark.parametrize(
    ("changes", "reported", "line"),
    [
        ({"allow_external_ips": False}, None, ""),
        ({"allow_external_ips": False}, False, ""),
        ({"allow_external_ips": True}, False, "allow_external_ips of kube-proxy of n1: declared true, real false"),
    ],
)
def test_a_feature_gate_is_compared_if_the_configuration_sets_it(
    changes: dict[str, bool], reported: bool | None, line: str
) -> None:
    topology = load_with("lab-small", {"kubernetes": "1.36.3", "proxy": changes})

    found = messages(compare_proxies(topology, [replace(READ, version="v1.36.3", allow_external_ips=reported)]))

    assert [one.partition(" (")[0] for one in found] == [line] * bool(line)


def test_legal_skew_of_a_proxy_is_declared_apart() -> None:
    apart = SMALL.model_copy(update={"proxy": SMALL.proxy.model_copy(update={"version": Version(1, 19, 16)})})

    assert messages(compare_proxies(apart, [replace(READ, version="v1.19.16")])) == []
    assert messages(compare_proxies(apart, [READ])) == [
        "version of kube-proxy of n1: declared 1.19.16, real v1.20.2 (http://127.0.0.1:10249 on n1/metrics)"
    ]


MIXED = load_with("lab-small", {"nodes.n2.proxy": {"version": "1.23.4", "mode": "ipvs"}})
OPEN = load_with("lab-small", {"proxy.mode": "unknown", "nodes.n2.proxy.version": "unknown"})


def test_a_node_with_its_own_kube_proxy_is_compared_with_that() -> None:
    as_declared = ProxyFacts("n2", mode="ipvs", version="v1.23.4")

    assert messages(compare_proxies(MIXED, [as_declared])) == []
    assert messages(compare_proxies(MIXED, [replace(as_declared, node="n1")])) == [
        "mode of kube-proxy of n1: declared iptables, real ipvs (http://127.0.0.1:10249 on n1/proxyMode)",
        "version of kube-proxy of n1: declared 1.20.2, real v1.23.4 (http://127.0.0.1:10249 on n1/metrics)",
    ]


def test_an_unknown_fact_contradicts_nothing_and_is_a_note() -> None:
    there = ProxyFacts("n2", mode="ipvs", version="v1.23.4")
    comparison = compare_proxies(OPEN, [there])

    assert messages(comparison) == []
    assert (
        "mode of kube-proxy of n2 is unknown in the topology; the node reports ipvs "
        "(http://127.0.0.1:10249 on n2/proxyMode)"
    ) in comparison.notes
    assert any(note.startswith("version of kube-proxy of n2 is unknown") for note in comparison.notes)
    assert messages(compare_proxies(OPEN, [replace(there, node="n1")])) == [
        "version of kube-proxy of n1: declared 1.20.2, real v1.23.4 (http://127.0.0.1:10249 on n1/metrics)"
    ]
