"""What declared endpoint states make of a Service, by version, mode and client."""

from __future__ import annotations

from functools import cache

import pytest

from probes.oracle.mutation import mutations
from probes.oracle.predict import expect
from reports.analysis.change_classes import Kind
from reports.analysis.diff import compare
from reports.analysis.diff_side import Side
from reports.records.prediction import Prediction
from reports.terminal import explanation
from tests.mutants import deciding_cells, world
from tests.unit.probes.oracle.variants import Variant, with_states

ANSWERED = {"ok"}
REFUSED = {"refused"}


@cache
def _variant(version: str, mode: str = "iptables") -> Variant:
    return with_states(version, mode)


def _outcomes(variant: Variant, cell_id: str) -> tuple[set[str], frozenset[str], tuple[str, ...]]:
    """Return the outcomes, backends and rules that are expected of a cell."""
    cell = next(one for one in variant.cells if one.id == f"{cell_id}-v4-tcp")
    found = expect(variant.topology, variant.snapshot, cell)
    return {str(path.outcome) for path in found.paths}, found.backends, found.rules


@pytest.mark.parametrize("mode", ["iptables", "ipvs", "nftables"])
@pytest.mark.parametrize("version", ["1.20.2", "1.22.17", "1.24.17", "1.25.16", "1.26.0", "1.28.15", "1.37.2"])
@pytest.mark.parametrize(
    ("place", "since", "backends"),
    [
        ("pod-n3-to-mix.clusterip", 20, {"mix-a"}),
        ("pod-n3-to-going.clusterip", 26, {"going-a", "going-b"}),
        ("ext-e1-to-going-np.nodeport.n3", 26, {"going-a", "going-b"}),
        ("pod-n1-to-last-inner.clusterip", 26, {"last-a"}),
        ("ext-e1-to-last-np-local.nodeport.n1", 26, {"last-a"}),
        ("pod-n3-to-down.clusterip", 99, set()),
        ("ext-e1-to-down-np-published.nodeport.n1", 20, {"down-a"}),
        ("pod-n3-to-over.clusterip", 99, set()),
        ("ext-e1-to-over-np-published.nodeport.n1", 20, {"over-a"}),
        ("pod-n3-to-over.endpoint.over-a", 20, {"over-a"}),
        ("pod-n3-to-down.endpoint.down-a", 20, {"down-a"}),
    ],
)
def test_endpoints_serve_in_their_states_from_a_minor_release_on(
    mode: str, version: str, place: str, since: int, backends: set[str]
) -> None:
    minor = int(version.split(".")[1])
    if mode == "nftables" and minor < 29:
        pytest.skip("nftables mode exists from 1.29 on")
    outcomes, answering, _ = _outcomes(_variant(version, mode), place)
    assert outcomes == (ANSWERED if minor >= since else REFUSED)
    assert answering == (backends if minor >= since else set())


@pytest.mark.parametrize(
    ("version", "mode", "outcomes", "backends"),
    [
        ("1.20.2", "iptables", {"timeout"}, set()),
        ("1.25.16", "iptables", {"timeout"}, set()),
        ("1.25.16", "ipvs", ANSWERED, {"mix-a"}),  # R4i.3: all endpoints
        ("1.26.0", "iptables", ANSWERED, {"mix-b"}),
        ("1.26.0", "ipvs", ANSWERED, {"mix-b"}),
        ("1.37.2", "nftables", ANSWERED, {"mix-b"}),
    ],
)
def test_under_local_a_nodes_own_terminating_endpoint_comes_before_ready_ones_elsewhere(
    version: str, mode: str, outcomes: set[str], backends: set[str]
) -> None:
    found, answering, _ = _outcomes(_variant(version, mode), "ext-e1-to-mix-lb-local.nodeport.n2")
    assert found == outcomes
    assert answering == backends


@pytest.mark.parametrize(("rule", "version"), [("E1", "1.37.2"), ("E2", "1.37.2"), ("E2", "1.25.1")])
def test_the_suites_notice_that_the_rule_for_readiness_decides_otherwise(rule: str, version: str) -> None:
    variant = _variant(version)
    places = deciding_cells(variant, {rule})
    there = world(variant, places[rule])
    assert there.first_failure() == ""
    with mutations.apply_mutation(mutations.Mutation(rule)):
        assert there.first_failure()


def test_a_rule_for_readiness_is_named_only_if_the_answer_depends_on_it() -> None:
    new, old = _variant("1.37.2"), _variant("1.25.16")
    named = {
        (name, cell): {rule for rule in _outcomes(variant, cell)[2] if rule in {"E1", "E2"}}
        for name, variant in (("new", new), ("old", old))
        for cell in ("pod-n3-to-going.clusterip", "pod-n3-to-mix.clusterip", "pod-n3-to-down-np-published.clusterip")
    }
    assert named == {
        ("new", "pod-n3-to-going.clusterip"): {"E1"},
        ("old", "pod-n3-to-going.clusterip"): {"E2"},
        ("new", "pod-n3-to-mix.clusterip"): {"E2"},
        ("old", "pod-n3-to-mix.clusterip"): {"E2"},
        ("new", "pod-n3-to-down-np-published.clusterip"): set(),
        ("old", "pod-n3-to-down-np-published.clusterip"): set(),
    }


def test_the_explanation_lists_the_endpoints_with_their_states() -> None:
    variant = _variant("1.37.2")
    cell = next(one for one in variant.cells if one.id == "pod-n3-to-going.clusterip-v4-tcp")
    steps = explanation.explain(variant.topology, variant.snapshot, cell)[0].steps
    states = [one.decided for one in steps if one.rule == "E1"]
    assert states == ["going-a on n1 (terminating and serving), going-b on n2 (terminating and serving)"]


def test_the_change_from_1_25_to_1_26_has_one_cause() -> None:
    versions = ("1.25.16", "1.26.0")
    before, after = (Side.predicted(version, Prediction.of(_variant(version).topology)) for version in versions)
    groups = compare(before, after).groups
    assert {(one.kind, one.come.id if one.come else "") for one in groups} == {
        (Kind.GAINED_REACHABILITY, "E1"),
        (Kind.CHANGED_REFUSAL, "E1"),
    }
    assert all([rule.id for rule in one.gone] == ["E2"] for one in groups)
