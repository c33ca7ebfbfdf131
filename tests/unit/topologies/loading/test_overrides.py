"""A topology declared otherwise by dotted paths."""

from __future__ import annotations

import pytest

from topologies.loading.load import TopologyError, load, names, raw
from topologies.loading.overrides import apply, declared, parse
from topologies.schema.enums import CniKind, Masquerade, ProxyMode
from topologies.schema.topology import Model


@pytest.mark.parametrize(
    ("pair", "path", "wanted"),
    [
        ("proxy.version=1.24", "proxy.version", (1, 24, 0)),
        ("version=1.20", "proxy.version", (1, 20, 0)),
        ("kubernetes=1.30", "kubernetes", (1, 30, 0)),
        ("mode=ipvs", "proxy.mode", ProxyMode.IPVS),
        ("proxy=ipvs", "proxy.mode", ProxyMode.IPVS),
        ("cni=eni", "cni.kind", CniKind.ENI),
        ("cni.masquerade=egress", "cni.masquerade", Masquerade.EGRESS),
        ("kernel.rp_filter=1", "kernel.rp_filter", 1),
        ("masquerade_all=true", "proxy.masquerade_all", True),
        ("load_balancer.excludes_source=yes", "load_balancer.excludes_source", True),
    ],
)
def test_one_key_changes_and_nothing_else(pair: str, path: str, wanted: object) -> None:
    plain, changed = (
        {name: dict(value) if isinstance(value, Model) else value for name, value in topology}
        for topology in (load("lab-flannel"), declared("lab-flannel", parse([pair])))
    )

    section, *key = path.split(".")
    assert (changed[section][key[0]] if key else changed[section]) == wanted
    if section == "cni":
        key = [] if path == "cni.kind" else key  # the other keys' defaults follow the kind
    if key:
        changed[section][key[0]] = plain[section][key[0]]
    else:
        changed[section] = plain[section]
    assert changed == plain


@pytest.mark.parametrize("element", ["nodes[1].address", "nodes.1.address", "nodes.n2.address"])
def test_elements_of_a_list_go_by_number_or_name(element: str) -> None:
    topology = declared("lab-flannel", parse([f"{element}=198.18.1.77"]))

    assert [str(node.address) for node in topology.nodes][:3] == ["198.18.1.11", "198.18.1.77", "198.18.1.13"]


def test_what_a_file_leaves_short_is_written_out_after_what_it_is_made_of() -> None:
    topology = declared("lab-flannel", parse(["workload.services.web.port=81", "nodes=2"]))

    assert len(topology.nodes) == 2
    assert topology.service("web").port == 81
    assert {vantage.node for vantage in topology.workload.vantages if vantage.node} == {"n1", "n2"}


def test_the_given_mapping_is_left_alone() -> None:
    given, _ = raw("lab-flannel")

    apply(given, {"mode": "ipvs", "workload.services.web.port": 81})

    assert given == raw("lab-flannel")[0]


@pytest.mark.parametrize("name", names())
def test_no_override_is_no_change(name: str) -> None:
    assert declared(name, {}) == load(name)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("verison", "proxy.version"),
        ("proxy.verison", "version"),
        ("kind", "cni.kind or proxy.kind or load_balancer.kind"),
        ("workload.services.web.prot", "port"),
        ("nodes.n9.address", "n1, n2, n3, n4"),
        ("cni.kind.x", "nothing below cni.kind"),
        ("zzz", "kubernetes"),
    ],
)
def test_a_path_that_leads_nowhere_names_what_may_have_been_meant(path: str, words: str) -> None:
    with pytest.raises(TopologyError) as error:
        declared("lab-flannel", {path: "1"})

    assert path in str(error.value)
    assert words in str(error.value)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(TopologyError) as error:
        declared("lab-flannel", {"verison": "1.24", "nodes.n9.address": "198.18.1.9"})

    assert len(error.value.complaints) == 2


def test_a_value_that_does_not_fit_is_told_with_the_override() -> None:
    with pytest.raises(TopologyError, match=r"mode=ipsv: proxy\.mode: got 'ipsv'"):
        declared("lab-flannel", parse(["mode=ipsv"]))
