"""Declared and real facts stand side by side; a difference is flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.lifecycle.contradictions import Contradiction
from reports.analysis.cluster_facts import list_facts
from reports.records.sharpness import SharpeningFact, Sharpness
from tests.unit.support.broken_cluster import run_of

if TYPE_CHECKING:
    from reports.records.run import Run

READ = Contradiction("kubernetes", "1.20.2", "v1.20.9", "the API server's /version")
NOTE = f"{READ}: the same rules hold for both"


def run(**more: object) -> Run:
    return run_of("none").model_copy(update=more)


def facts(**more: object) -> dict[str, tuple[str, str, bool]]:
    return {fact.name: (fact.declared, fact.real, fact.differs) for fact in list_facts(run(**more))}


def test_what_was_read_stands_beside_what_is_declared() -> None:
    versions = {"kubernetes": "v1.20.2", "kube-proxy of n1": "v1.20.2 iptables", "kube-proxy of n2": "v1.20.2 iptables"}
    found = facts(versions=versions)

    assert found["kubernetes"] == ("1.20.2", "v1.20.2", False)
    assert found["proxy.mode"] == ("iptables", "iptables", False)
    assert found["cni.masquerade"] == ("flannel", "", False)
    assert found["kernel.rp_filter"] == ("0", "", False)


def test_a_node_that_differs_is_flagged_and_comes_first() -> None:
    versions = {"kube-proxy of n1": "v1.20.2 iptables", "kube-proxy of n2": "v1.20.2 ipvs"}
    first = list_facts(run(versions=versions))[0]

    assert (first.name, first.declared, first.differs) == ("proxy.mode", "iptables", True)
    assert first.real == "iptables on n1; ipvs on n2"


def test_a_note_of_the_preflight_is_a_flagged_fact() -> None:
    assert facts(notes=(NOTE,), versions={})["kubernetes"][2] is True
    assert list_facts(run(notes=(NOTE,)))[0].real == "v1.20.9 (the API server's /version)"


def test_unknown_facts_are_listed_before_known_ones() -> None:
    topology = run_of("none").topology
    declared = {**topology.declared, "unknown": ["cni.masquerade", "nodes.n2.kernel.rp_filter"]}
    found = list_facts(run(topology=topology.model_copy(update={"declared": declared})))

    assert [fact.name for fact in found if fact.unknown] == ["cni.masquerade", "nodes.n2.kernel.rp_filter"]
    assert {fact.name for fact in found[:2]} == {"cni.masquerade", "nodes.n2.kernel.rp_filter"}


def test_a_topology_that_cannot_be_read_has_no_facts() -> None:
    topology = run_of("none").topology.model_copy(update={"declared": {"proxy": 7, "unknown": "x"}})

    assert list_facts(run(topology=topology, versions={})) == ()


def test_a_node_is_compared_with_what_it_declares_itself() -> None:
    topology = run_of("none").topology
    contents: dict[str, Any] = topology.declared
    nodes = [{**node, "proxy": {"mode": "ipvs"}} if node["name"] == "n2" else node for node in contents["nodes"]]
    declared = topology.model_copy(update={"declared": {**topology.declared, "nodes": nodes}})
    versions = {"kube-proxy of n1": "v1.20.2 iptables", "kube-proxy of n2": "v1.20.2 ipvs"}

    assert facts(topology=declared, versions=versions)["proxy.mode"] == (
        "iptables; ipvs on n2",
        "iptables on n1; ipvs on n2",
        False,
    )


def test_settings_of_kube_proxy_are_compared() -> None:
    versions = {"proxy.masquerade_all of n1": "true", "proxy.detect_local of n1": "ClusterCIDR"}
    found = facts(versions=versions)

    assert found["proxy.masquerade_all"] == ("false", "true", True)
    assert found["proxy.detect_local"] == ("ClusterCIDR", "ClusterCIDR", False)


def test_an_unknown_fact_names_the_cells_that_it_would_sharpen() -> None:
    topology = run_of("none").topology
    declared = topology.model_copy(update={"declared": {**topology.declared, "unknown": ["cni.masquerade"]}})
    sharpness = Sharpness(cells=10, sharp=4, facts=(SharpeningFact(path="cni.masquerade", cells=6),))
    first = list_facts(run(topology=declared, sharpness=sharpness))[0]

    assert (first.name, first.unknown, first.sharpens) == ("cni.masquerade", True, 6)
