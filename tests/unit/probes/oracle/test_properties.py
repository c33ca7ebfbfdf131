"""Properties over more than 10,000 clusters: each cell has one expectation, and only usable backends answer."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from ipaddress import IPv4Network
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE
from probes.oracle.modes.chains import MODES
from probes.oracle.predict import expect
from probes.oracle.upstream import known_minors
from probes.plan.plan import plan
from tests.unit.probes.oracle.variants import CARDS, LISTENERS, changed, more_cells, variants
from topologies.cluster_state.snapshot import Endpoint, Snapshot, declared
from topologies.frontends import Frontend, FrontendKind
from topologies.schema.enums import (
    AnnouncedBy,
    ArrivesAt,
    BalancerStatus,
    CniKind,
    DetectLocal,
    EmptyPool,
    KubeletRules,
    LoadBalancerKind,
    Masquerade,
    OtherPorts,
    ProxyMode,
)
from topologies.schema.topology import Topology, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import ServiceState

KNOWN = {rule.id for rule in CATALOGUE}
BASES = {
    lab: changed(lab, nodes=CARDS[:size], load_balancer={"listeners": LISTENERS})
    for lab, size in (("lab-flannel", 4), ("lab-small", 2))
}
CELLS = {lab: (*plan(topology).cells, *more_cells(topology)) for lab, topology in BASES.items()}
PROXIES = [
    (mode, version)
    for mode in ProxyMode
    for version in (Version(minor[0], minor[1], patch) for minor in known_minors() for patch in (1, 6))
    if MODES[mode].versions.includes(version)
]
YES_OR_NO = (True, False)
NETWORKS = ((), (IPv4Network("198.18.1.0/24"),), (IPv4Network("127.0.0.0/8"), IPv4Network("10.244.0.0/16")))
CONDITIONS = ((True, True, False), (False, True, True), (False, False, True), (False, False, False))
SPACE: dict[str, dict[str, tuple[Any, ...]]] = {
    "cni": {"kind": tuple(CniKind), "masquerade": tuple(Masquerade), "anti_spoof": YES_OR_NO},
    "proxy": {
        "detect_local": tuple(DetectLocal),
        "masquerade_all": YES_OR_NO,
        "localhost_nodeports": YES_OR_NO,
        "node_port_addresses": NETWORKS,
    },
    "kernel": {
        "rp_filter": (0, 1, 2),
        "bridge_nf_call_iptables": YES_OR_NO,
        "hairpin": YES_OR_NO,
        "kubelet_rules": (None, *KubeletRules),
    },
    "load_balancer": {
        "kind": (LoadBalancerKind.NONE, LoadBalancerKind.CUSTOM),
        "arrives_at": tuple(ArrivesAt),
        "announced_by": tuple(AnnouncedBy),
        "leader": (None, "n1", "n4"),
        "health_checks": (None, *YES_OR_NO),
        "keeps_client": YES_OR_NO,
        "other_ports": tuple(OtherPorts),
        "hairpin": YES_OR_NO,
        "source_ranges": YES_OR_NO,
        "advertises_cluster_ips": YES_OR_NO,
        "listens": YES_OR_NO,
        "empty_pool": tuple(EmptyPool),
        "status": tuple(BalancerStatus),
        "masquerade_inside": YES_OR_NO,
        "excludes_source": YES_OR_NO,
    },
}


CLUSTERS, CELLS_EACH = 10_500, 3


def clusters() -> Iterator[tuple[str, Topology, Snapshot]]:
    """Yield different environments, drawn with a fixed seed, with endpoints in every condition."""
    seen: set[tuple[object, ...]] = set()
    random = Random(1202)
    while len(seen) < CLUSTERS:
        lab, (mode, version) = random.choice(sorted(BASES)), random.choice(PROXIES)
        drawn = {part: {key: random.choice(values) for key, values in keys.items()} for part, keys in SPACE.items()}
        external = random.choice(YES_OR_NO)
        environment = (mode, version, external, *(value for keys in drawn.values() for value in keys.values()))
        if environment not in seen:
            seen.add(environment)
            yield lab, *_made(lab, drawn, {"mode": mode, "version": version}, external, random)


def _made(
    lab: str, drawn: dict[str, dict[str, Any]], proxy: dict[str, Any], external: bool, random: Random
) -> tuple[Topology, Snapshot]:
    base = BASES[lab]
    parts = {part: getattr(base, part).model_copy(update=keys) for part, keys in drawn.items()}
    parts["proxy"] = parts["proxy"].model_copy(update=proxy)
    topology = base.model_copy(update={**parts, "external_routes_to_pods": external})
    return topology, random.choice(_snapshots(lab, topology.load_balancer.status))


@cache
def _snapshots(lab: str, status: BalancerStatus) -> tuple[Snapshot, ...]:
    """Return twenty cells, each endpoint in some condition. Addresses exist even without a load balancer."""
    random = Random(lab + status)
    base = BASES[lab]
    there = declared(
        base.model_copy(update={"load_balancer": base.load_balancer.model_copy(update={"status": status})})
    )
    return tuple(replace(there, services={k: _mixed(v, random) for k, v in there.services.items()}) for _ in range(20))


def _mixed(state: ServiceState, random: Random) -> ServiceState:
    return replace(state, endpoints=tuple(_conditioned(one, random.choice(CONDITIONS)) for one in state.endpoints))


def _conditioned(one: Endpoint, condition: tuple[bool, bool, bool]) -> Endpoint:
    ready, serving, terminating = condition
    return replace(one, ready=ready, serving=serving, terminating=terminating)


@pytest.mark.slow
def test_every_cell_has_one_whole_expectation_in_more_than_10_000_clusters() -> None:
    asked: set[str] = set()
    turns = {lab: cycle(cells) for lab, cells in CELLS.items()}
    for lab, topology, snapshot in clusters():
        for cell in islice(turns[lab], CELLS_EACH):
            asked.add(cell.id)
            _is_whole(topology, snapshot, cell)
    assert asked == {cell.id for cells in CELLS.values() for cell in cells}, "a cell that was never asked"


def _is_whole(topology: Topology, snapshot: Snapshot, cell: Cell) -> None:
    expectation = expect(topology, snapshot, cell)
    assert sum(path.share for path in expectation.paths) == pytest.approx(1)
    assert set(expectation.rules) <= KNOWN
    assert expectation.because
    for path in expectation.paths:
        answered = path.outcome is Outcome.OK
        assert path.share > 0
        assert bool(path.sources) is answered
        assert (path.backend is not None) is answered
        assert set(path.rules) <= set(expectation.rules)
        assert not path.by_icmp or path.outcome is Outcome.REFUSED
    assert expectation.backends <= _allowed(topology, snapshot, cell.frontend)


def _allowed(topology: Topology, snapshot: Snapshot, frontend: Frontend) -> set[str]:
    """Return the backends that may answer: ready ones, and from 1.26 on or directly those serving while terminating.

    At a port that no Service declares: the balancer, its listeners, the Service one leads to, a host's listener.
    """
    names = {frontend.service, *(one.leads_to for one in topology.load_balancer.listeners if not frontend.declared)}
    endpoints = [one for name in names if name for one in snapshot.services[name].endpoints]
    ready = {one.backend for one in endpoints if one.ready}
    ending = {one.backend for one in endpoints if one.serving and one.terminating}
    lenient = topology.proxy_version >= (1, 26) or frontend.kind is FrontendKind.ENDPOINT
    hosts = {one.name for one in topology.workload.backends if one.host_network}
    others = {"lb", *hosts, *(one.name for one in topology.load_balancer.listeners)}
    return ready | (ending if lenient else set()) | (set() if frontend.declared else others)


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
