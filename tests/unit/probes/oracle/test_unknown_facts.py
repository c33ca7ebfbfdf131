"""Unknown facts: an expectation has one alternative for each result that a consistent choice of values gives."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from probes.oracle import unknown_facts, upstream
from probes.oracle.address_names import AddressNames
from probes.oracle.forking import deciding_facts, fork, identify_result
from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.predict import model_cluster, predict, trace_paths
from probes.oracle.unknown_facts import FactChoices
from probes.plan.plan import plan
from tests.unit.support.library import QUICK
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load
from topologies.loading.overrides import declared as load_with
from topologies.schema import facts
from topologies.schema.enums import ProxyMode
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

OTHERS = ("lab-tunnel", "lab-eni", "lab-balancer", "lab-ipvs-balancer", "lab-full-nat", "lab-no-cluster-cidr")
VARIED = [*sorted(QUICK), *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
LISTED = tuple(fact for fact in facts.FACTS if fact.path not in facts.ONLY_AT_NODES)
FEW = 8  # cells of a topology, evenly spread, for tests of every fact


def predictions(topology: Topology, step: int = 1, cells: Sequence[Cell] = ()) -> dict[str, Expectation]:
    """Return the expectation of each cell; an empty mapping if no kube-proxy has these values."""
    try:
        cluster = model_cluster(topology, declared(topology))
    except UnsupportedMode:
        return {}
    return {cell.id: predict(cluster, cell) for cell in (cells or plan(topology).cells)[::step]}


def results(expectation: Expectation) -> set[object]:
    return {identify_result(one) for one in expectation.possible}


def assigned(topology: Topology, path: str) -> list[Topology]:
    return [facts.assign(topology, path, value) for value in facts.candidates(topology, path)]


@pytest.mark.parametrize("name", VARIED)
@pytest.mark.parametrize("fact", LISTED, ids=lambda one: one.path)
def test_an_unknown_fact_allows_the_results_of_its_candidates_and_no_others(name: str, fact: facts.Fact) -> None:
    plain = load(name)
    topology = plain.model_copy(update={"unknown": frozenset({fact.path})})
    cells = plan(plain).cells
    step = max(1, len(cells) // FEW)

    by_value = [predictions(one, step, cells) for one in assigned(topology, fact.path)]

    for cell, expectation in predictions(topology, step, cells).items():
        assert results(expectation) == {identify_result(one[cell]) for one in by_value if one}, cell


@pytest.mark.parametrize("node", ["n1", "n2", "n3"])
@pytest.mark.parametrize("fact", [one for one in LISTED if one.scope is facts.Scope.NODE], ids=lambda one: one.path)
def test_an_unknown_fact_of_one_node_leaves_the_others_as_declared(node: str, fact: facts.Fact) -> None:
    path = facts.join(node, fact.path)
    topology = load("lab-flannel").model_copy(update={"unknown": frozenset({path})})

    cells = plan(topology).cells

    by_value = [predictions(one, 40, cells) for one in assigned(topology, path)]

    for cell, expectation in predictions(topology, 40, cells).items():
        assert results(expectation) == {identify_result(one[cell]) for one in by_value if one}, cell


def test_one_choice_holds_for_the_whole_cell() -> None:
    """Two facts: an alternative is the result of one pair of values, never a mixture of two."""
    pair = ("cni.masquerade", "kernel.rp_filter")
    topology = load_with("lab-tunnel", {"unknown": list(pair)})
    by_pair = [predictions(both, 9) for one in assigned(topology, pair[0]) for both in assigned(one, pair[1])]

    found = predictions(topology, 9)

    for cell, expectation in found.items():
        assert results(expectation) == {identify_result(one[cell]) for one in by_pair}, cell
    assert any(len(one.possible) > 1 for one in found.values())


def test_shares_of_each_alternative_add_up_to_1() -> None:
    for expectation in predictions(
        load_with("lab-flannel", {"proxy.mode": "unknown", "cni.masquerade": "unknown"}), 7
    ).values():
        for one in (*expectation.possible, expectation):
            assert sum(path.share for path in one.paths) == pytest.approx(1)


def test_a_cell_names_the_facts_that_its_rules_read() -> None:
    topology = load_with("lab-flannel", {"unknown": [fact.path for fact in LISTED]})
    cell = "pod-n3-to-web-np-local.nodeport.n1-v4-tcp"

    named = deciding_facts(predictions(topology)[cell].alternatives)

    assert {"cni.masquerade", "proxy.mode", "proxy.detect_local"} <= set(named)
    assert not {"load_balancer.listens", "load_balancer.empty_pool", "proxy.masquerade_all"} & set(named)


def test_a_mode_that_the_version_does_not_have_is_no_choice() -> None:
    old = load_with("lab-flannel", {"proxy.mode": "unknown"})
    both = load_with("lab-flannel", {"proxy.mode": "unknown", "proxy.version": "unknown"})

    assert {mode for one in predictions(old, 9).values() for mode in _modes(one)} == {"iptables", "ipvs"}
    found = {mode for one in predictions(both, 9).values() for mode in _modes(one)}
    assert found == set(ProxyMode)
    for one in predictions(both, 9).values():
        for alternative in one.alternatives:
            for assumption in alternative.assumptions:
                left = dict(assumption)
                if left.get("proxy.mode") == (ProxyMode.NFTABLES,):
                    assert all(isinstance(one, Version) and one >= (1, 29) for one in left["proxy.version"])


def _modes(expectation: Expectation) -> set[Any]:
    return {
        mode
        for alternative in expectation.alternatives
        for assumption in alternative.assumptions
        for mode in dict(assumption).get("proxy.mode", ())
    }


def test_candidates_of_the_version_are_one_of_each_interval() -> None:
    changes = [one for one in vars(upstream).values() if isinstance(one, upstream.KubeProxyChange)]
    found: list[tuple[int, ...]] = []
    last = None
    for minor in upstream.known_minors():
        for patch in sorted({0, *(first for one in changes if (first := one.first_patch(minor)) is not None)}):
            having = [one.is_in((*minor, patch)) for one in changes]
            if having != last:
                found.append((*minor, patch))
            last = having

    assert list(facts.VERSIONS) == found


def test_more_choices_than_can_be_predicted_expect_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown_facts, "MOST", 2)
    topology = load_with("lab-flannel", {"unknown": [fact.path for fact in LISTED]})

    expectation = predictions(topology)["pod-n3-to-web-np-local.nodeport.n1-v4-tcp"]

    assert expectation.paths == ()
    assert "more than 2 combinations of values are possible" in expectation.because


def test_too_many_choices_name_facts_without_the_addresses_that_were_asked_about() -> None:
    choices = FactChoices({"nodes.n1.pod_cidr": (False, True)})

    def read_many() -> list[bool]:
        paths = [f"nodes.n1.pod_cidr with 10.0.0.{number}" for number in range(11)]
        return [choices.choose(path, (False, True), bool) for path in paths]

    with pytest.raises(unknown_facts.TooManyChoicesError, match=r"possible, with nodes\.n1\.pod_cidr unknown\."):
        fork(choices, read_many)


def test_the_reason_names_what_is_unknown() -> None:
    topology = load_with("lab-flannel", {"cni.masquerade": "unknown"})
    known = predictions(load("lab-flannel"))
    found = predictions(topology)
    cell = "pod-n3-to-web-np-local.nodeport.n1-v4-tcp"

    assert found[cell].because.startswith("2 results are possible, with cni.masquerade unknown; one of them: ")
    assert "kube-proxy 1.20.2 iptables" in found[cell].because
    unchanged = [cell for cell in found if not found[cell].alternatives]
    assert len(unchanged) > len(found) / 2
    assert all(identify_result(found[cell]) == identify_result(known[cell]) for cell in unchanged)


def test_every_path_of_every_choice_is_traced() -> None:
    topology = load_with("lab-flannel", {"cni.masquerade": "unknown"})
    cluster = model_cluster(topology, declared(topology))
    cell = next(one for one in plan(topology).cells if one.id == "pod-n3-to-web-np-local.nodeport.n1-v4-tcp")

    traced = trace_paths(cluster, cell)

    assert {one.end.outcome for one in traced} == predict(cluster, cell).outcomes


def test_a_node_without_a_pod_range_has_an_address_that_is_not_known() -> None:
    """Case 18: flannel without nodes[].pod_cidr. It was refused, and before that predicted with the kept address."""
    topology = load_with("lab-flannel", {"nodes.n1.pod_cidr": "unknown"})
    names = AddressNames.of(topology, declared(topology))

    found = predictions(topology)

    for cell, device in (
        ("host-n1-to-web-np.nodeport.n1-v4-tcp", "bridge"),
        ("pod-n3-to-web-np.nodeport.n3-v4-tcp", ""),
    ):
        sources = {names.describe(one) for one in found[cell].sources}
        unlisted = f"an address of n1 that is no other known address ({device})"
        assert (unlisted in sources) is bool(device), sources
    assert not any("n1-cni0" in cell for cell in found)


def test_a_shared_part_is_predicted_once_and_forks_over_its_results() -> None:
    """`c` changes nothing: the part has two results for twelve combinations of values."""
    choices = FactChoices({"a": (1, 2, 3), "b": (False, True), "c": (False, True)})
    ran: list[int] = []

    def part() -> bool:
        ran.append(choices.left)
        return choices.read("a", _is_more_than_one) and choices.read("c", bool) in {False, True}

    def run() -> tuple[bool, bool]:
        return choices.read("b", bool), choices.share("part", part, bool, lambda found: found[0][0])

    found = fork(choices, run)

    assert len(ran) == 3
    assert {result: list(choices.sets.list_cubes(left)) for result, left in found} == {
        (False, False): [{"a": (1,), "b": (False,)}],
        (False, True): [{"a": (2, 3), "b": (False,)}],
        (True, False): [{"a": (1,), "b": (True,)}],
        (True, True): [{"a": (2, 3), "b": (True,)}],
    }


def _is_more_than_one(value: int) -> bool:
    return value > 1


def test_what_a_part_raises_counts_only_for_values_with_which_it_is_used() -> None:
    choices = FactChoices({"a": (1, 2)})

    def part() -> int:
        if choices.read("a", _is_more_than_one):
            raise LookupError
        return 1

    def run() -> int:
        return (
            0 if choices.read("a", _is_more_than_one) else choices.share("part", part, int, lambda found: found[0][0])
        )

    assert sorted(result for result, _ in fork(choices, run)) == [0, 1]


SEVERAL = (
    ("lab-flannel", ("cni.masquerade", "proxy.mode", "load_balancer.excludes_source")),
    ("lab-tunnel", ("cni.forward_policy", "cni.masquerade", "kernel.rp_filter")),
    ("lab-balancer", ("load_balancer.arrives_at", "load_balancer.keeps_client", "load_balancer.excludes_source")),
)


@pytest.mark.parametrize(("name", "unknown"), SEVERAL)
def test_each_combination_of_values_leads_to_the_result_of_a_cluster_that_has_them(
    name: str, unknown: tuple[str, ...]
) -> None:
    """Brute force: the result, its rules and its assumptions are those of every combination of values."""
    topology = load(name).model_copy(update={"unknown": frozenset(unknown)})
    cells = plan(load(name)).cells
    step = max(1, len(cells) // FEW)
    found = predictions(topology, step, cells)
    rules: dict[str, set[str]] = {cell: set() for cell in found}

    for values in product(*(facts.candidates(topology, path) for path in unknown)):
        assigned_to = dict(zip(unknown, values, strict=True))
        whole = topology
        for path, value in assigned_to.items():
            whole = facts.assign(whole, path, value)
        for cell, known in predictions(whole, step, cells).items():
            rules[cell] |= set(known.rules)
            assert [identify_result(known)] == _allowed(found[cell], assigned_to), (cell, assigned_to)

    assert {cell: set(one.rules) for cell, one in found.items()} == rules


def _allowed(expectation: Expectation, values: dict[str, object]) -> list[object]:
    """Return the results of which an assumption allows these values of facts."""
    if not expectation.alternatives:
        return [identify_result(expectation)]
    return [
        identify_result(one.expectation)
        for one in expectation.alternatives
        if any(all(values[path] in left for path, left in assumption) for assumption in one.assumptions)
    ]


def test_no_cell_of_lab_flannel_has_too_many_results_if_all_facts_are_unknown() -> None:
    """These two cells had more than 1,024 combinations of values, and nothing was expected."""
    topology = load("lab-flannel").model_copy(update={"unknown": frozenset(fact.path for fact in LISTED)})
    cells = [one for one in plan(topology).cells if one.id in UNLIMITED]

    found = predictions(topology, cells=cells)

    assert len(found) == len(UNLIMITED)
    assert all(one.alternatives for one in found.values())


UNLIMITED = {"ext-e1-to-web-lb-local.loadbalancer-v4-tcp", "ext-e1-to-host-lb-local.loadbalancer-v4-tcp"}
