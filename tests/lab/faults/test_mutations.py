"""Break one thing in a live lab, or declare it wrong: exactly the right cells fail, and `explain` names the fault.

An oracle in which the same thing is broken at the same place predicts which cells fail (`mutated.py`). The explanation
needs the observations only, and no privilege (`explained.py`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.support.broken import asked, differences, up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")

FLANNEL = """
name: test-mutated
kubernetes: "1.20.2"
nodes: 3
cni: {kind: flannel-vxlan}
load_balancer: {kind: inline, address: 198.18.1.1, addresses: 198.18.100.0/24, listens: true}
external: [{name: e1, address: 198.18.3.100}]
external_ips: [198.18.101.1, 198.18.101.2]
lab: {}
"""
TUNNEL = FLANNEL.replace("test-mutated", "test-mutated-tunnel").replace("flannel-vxlan", "tunnel")
Truth = set[tuple[str, Any]]
DECLARED: dict[str, Truth] = {
    "listens": {("load_balancer.listens", True)},
    "detect_local": {("proxy.detect_local", "ClusterCIDR")},
    "masquerade": {("cni.masquerade", "flannel")},
    "version": {("proxy.version", "1.20.2")},
    "listens and detect_local": {("load_balancer.listens", True), ("proxy.detect_local", "ClusterCIDR")},
}
BROKEN: dict[str, Truth] = {
    "proxy": {("nodes.n2.kube-proxy", "no rules")},
    "masquerade": {("nodes.n1.KUBE-POSTROUTING", "no MASQUERADE")},
    "cluster-ip-jump": {("nodes.n2.kube-proxy.services.web.clusterip", "no rules")},
    "local-jump": {("nodes.n1.kube-proxy.services.web-np-local.nodeport", "no rules")},
    "policy": {("workload.services.web-np-local.externalTrafficPolicy", "the other policy")},
}


@pytest.fixture(scope="module")
def flannel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A topology of three workers with flannel; its lab is up."""
    with up("test-mutated", tmp_path_factory.mktemp("mutated"), FLANNEL) as file:
        yield file


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same with an overlay that masquerades nothing."""
    with up("test-mutated-tunnel", tmp_path_factory.mktemp("tunnel"), TUNNEL) as file:
        yield file


def rank(found: dict[str, Any], truth: Truth) -> int:
    """Return the place of the true explanation, from 1; 0 if it is missing."""
    for place, one in enumerate(found["explanations"], start=1):
        ways = [one["changes"], *one["alternatives"]]
        if truth in [{(change["path"], change["value"]) for change in way} for way in ways]:
            return place
    return 0


def assert_named(name: str, found: dict[str, Any], truth: Truth) -> None:
    """Print the explanations, and check that the true one comes first."""
    place = rank(found, truth)
    times = f"{found['seconds']:.2f} s of processor time, {found['wall']:.2f} s"
    print(f"{name}: rank {place}, {len(found['red'])} red, {times}")
    for one in found["explanations"]:
        print(f"  {'certain: ' if one['certain'] else ''}{one['text']}")
    assert found["red"], "no cell failed, so there is nothing to explain"
    assert place == 1


def test_nothing_broken_is_no_red_cell_and_a_wrong_declaration_is_named(flannel: Path) -> None:
    result = asked("explained", flannel, "none")

    assert not differences(result), differences(result)
    assert not result["seen"]
    assert not result["found"].pop("right")["red"]
    for name, found in result["found"].items():
        assert_named(name, found, DECLARED[name])


@pytest.mark.parametrize("mutation", BROKEN)
def test_what_is_broken_turns_exactly_its_own_cells_red_and_is_named(mutation: str, flannel: Path) -> None:
    result = asked("explained", flannel, mutation)

    assert result["kept"], "the damage was repaired during the run"
    assert result["foreseen"], "the mutation changes no expectation"
    assert not differences(result), differences(result)
    print(f"{mutation}: {len(result['seen'])} of {result['cells']} cells red, all foreseen")
    assert_named(mutation, result["found"][mutation], BROKEN[mutation])


def test_strict_rp_filter_of_one_node_is_named(tunnel: Path) -> None:
    result = asked("explained", tunnel, "rp-filter")

    assert result["kept"]
    assert_named("rp-filter", result["found"]["rp-filter"], {("nodes.n3.kernel.rp_filter", 1)})
