"""Whatever the environment: exactly one expectation, its shares add up to 1, and it names nobody who may not answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.observation import Outcome
from probes.oracle.oracle import expect
from probes.oracle.rules import CATALOGUE
from probes.plan import plan
from tests.unit.oracle.variants import changed, variants
from topologies.frontends import Frontend, FrontendKind
from topologies.model import DetectLocal, Topology
from topologies.snapshot import Endpoint, Snapshot, declared

BASES = {lab: changed(lab) for lab in ("lab-flannel", "lab-routed", "lab-no-cluster-cidr", "lab-small")}
CELLS = {lab: plan(topology).cells for lab, topology in BASES.items()}
KNOWN = {rule.id for rule in CATALOGUE}
NETWORKS: tuple[list[str], ...] = ([], ["198.18.1.0/24"], ["127.0.0.0/8", "10.244.0.0/16"])


@st.composite
def topologies(draw: st.DrawFn) -> tuple[str, Topology]:
    lab = draw(st.sampled_from(sorted(BASES)))
    flag = st.booleans()
    base = BASES[lab]
    changes: dict[str, dict[str, Any]] = {
        "cni": {"masquerade": draw(flag)},
        "proxy": {
            "detect_local": draw(st.sampled_from(list(DetectLocal))),
            "masquerade_all": draw(flag),
            "localhost_nodeports": draw(flag),
            "node_port_addresses": draw(st.sampled_from(NETWORKS)),
        },
        "kernel": {
            "rp_filter": draw(st.integers(0, 2)),
            "bridge_nf_call_iptables": draw(flag),
            "hairpin": draw(flag),
            "kubelet_rules": draw(flag),
        },
        "load_balancer": {
            "kind": draw(st.sampled_from(["inline", "none"])),
            "listens": draw(flag),
            "empty_pool": draw(st.sampled_from(["refuse", "drop"])),
        },
    }
    raw = base.model_dump(mode="json")
    merged = {key: {**raw[key], **value} for key, value in changes.items()}
    version = f"1.{draw(st.integers(20, 36))}.{draw(st.integers(0, 9))}"
    return lab, Topology.model_validate({**raw, **merged, "kubernetes": version, "external_routes_to_pods": draw(flag)})


CONDITIONS = ((True, True, False), (False, True, True), (False, False, True), (False, False, False))


@st.composite
def snapshots(draw: st.DrawFn, lab: str) -> Snapshot:
    """As declared, with every endpoint ready, terminating while serving, terminating, or not ready."""
    there = declared(BASES[lab])
    mixed = {
        name: replace(
            state, endpoints=tuple(_conditioned(one, draw(st.sampled_from(CONDITIONS))) for one in state.endpoints)
        )
        for name, state in there.services.items()
    }
    return replace(there, services=mixed)


def _conditioned(one: Endpoint, condition: tuple[bool, bool, bool]) -> Endpoint:
    ready, serving, terminating = condition
    return replace(one, ready=ready, serving=serving, terminating=terminating)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_cell_has_one_whole_expectation(data: st.DataObject) -> None:
    lab, topology = data.draw(topologies())
    snapshot = data.draw(snapshots(lab))
    for cell in data.draw(st.lists(st.sampled_from(CELLS[lab]), min_size=8, max_size=8)):
        expectation = expect(topology, snapshot, cell)

        assert sum(path.share for path in expectation.paths) == pytest.approx(1)
        assert set(expectation.rules) <= KNOWN
        assert expectation.because
        for path in expectation.paths:
            answered = path.outcome is Outcome.OK
            assert bool(path.sources) is answered
            assert (path.backend is not None) is answered
            assert set(path.rules) <= set(expectation.rules)
            assert not path.by_icmp or path.outcome is Outcome.REFUSED
        assert expectation.backends <= _allowed(topology, snapshot, cell.frontend)


def _allowed(topology: Topology, snapshot: Snapshot, frontend: Frontend) -> set[str]:
    """Who may answer: ready backends; from 1.26 or asked directly, those that serve while ending; the balancer."""
    endpoints = snapshot.services[frontend.service].endpoints
    ready = {one.backend for one in endpoints if one.ready}
    ending = {one.backend for one in endpoints if one.serving and one.terminating}
    lenient = topology.proxy_version >= (1, 26) or frontend.kind is FrontendKind.ENDPOINT
    return {"lb"} | ready | (ending if lenient else set())


def test_nobody_terminating_answers_before_1_26() -> None:
    seen = {}
    for variant in variants():
        if "ending, serving True" in variant.name:
            services = [cell for cell in variant.cells if cell.frontend.kind != "endpoint" and cell.frontend.declared]
            answers = {name for cell in services for name in expect(variant.topology, variant.snapshot, cell).backends}
            seen[variant.topology.proxy_version.minor] = answers
    assert seen == {25: set(), 26: {"web-a"}}


def test_the_same_question_has_the_same_answer() -> None:
    variant = variants()[0]
    for cell in variant.cells:
        assert expect(variant.topology, variant.snapshot, cell) == expect(variant.topology, variant.snapshot, cell)
