"""Which rule causes a change: real upgrades and changes of mode, each cause with the cells that it changes."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from probes.observation import Outcome
from reports.analysis.change_cause import Cause, find_cause
from reports.analysis.diff import Kind, compare
from reports.analysis.diff_side import Reply, Side, SideAnswer
from reports.records.prediction import Prediction
from reports.records.schema import CellKey
from reports.terminal import diff as terminal
from topologies.loading.overrides import declared

CELL = CellKey(
    id="pod-n1-to-web.nodeport.n2-v4-tcp",
    vantage="pod-n1",
    vantage_kind="pod",
    vantage_node="n1",
    service="web",
    frontend="nodeport.n2",
    frontend_kind="nodeport",
    family="v4",
    protocol="tcp",
)
LOST, GAINED, REFUSAL, INTERMITTENT = "lost-reachability", "gained-reachability", "changed-refusal", "intermittent"
BACKEND, SOURCE, LOST_SOURCE = "wrong-backend", "changed-source", "lost-source"
# topology, before and after as VERSION/MODE; then for each cause the cells by kind of change
DIFFS = [
    (
        "lab-flannel",
        "1.25.1/ipvs",
        "1.26.0/ipvs",
        {"R8.5": {LOST: 4}, "R7.8": {REFUSAL: 18}},
    ),
    (
        "lab-flannel",
        "1.30.3/iptables",
        "1.30.3/nftables",
        {"R7.4": {LOST: 120}, "R7.3": {LOST: 30}, "R5.1": {LOST: 7}},
    ),
    ("lab-flannel", "1.23.17/ipvs", "1.24.17/ipvs", {"R4i.3": {GAINED: 93, REFUSAL: 17}}),
    ("lab-flannel", "1.37.2/iptables", "1.37.2/nftables", {"R7.4": {LOST: 120}, "R7.3": {LOST: 30}}),
    (
        "lab-flannel",
        "1.37.2/ipvs",
        "1.37.2/nftables",
        {
            "R7.4": {LOST: 120},
            "R4.5": {LOST: 21},
            "R8.1": {GAINED: 36},
            "R4.7": {GAINED: 3},
            "R4.1": {BACKEND: 10},
            "R4.2": {BACKEND: 5},
        },
    ),
    (
        "lab-eni",
        "1.37.2/ipvs",
        "1.37.2/nftables",
        {
            "R4.1": {INTERMITTENT: 9, BACKEND: 10},
            "R8.1": {GAINED: 36},
            "R4.7": {GAINED: 7},
            "R4.2": {BACKEND: 5},
        },
    ),
    (
        "lab-routed",
        "1.37.2/ipvs",
        "1.37.2/nftables",
        {
            "R7.4": {LOST: 60},
            "R4.1": {INTERMITTENT: 9, BACKEND: 10},
            "R8.1": {GAINED: 36},
            "R4.7": {GAINED: 7},
            "R4.2": {BACKEND: 5},
        },
    ),
]


@cache
def predicted(topology: str, version_and_mode: str, *changes: str) -> Side:
    version, mode = version_and_mode.split("/")
    overrides = {"kubernetes": version, "mode": mode, **dict(change.split("=") for change in changes)}
    return Side.predicted(topology, Prediction.of(declared(topology, overrides)))


@pytest.mark.slow
@pytest.mark.parametrize(("topology", "before", "after", "causes"), DIFFS)
def test_each_cell_has_the_rule_that_decides_after_as_its_cause(
    topology: str, before: str, after: str, causes: dict[str, dict[str, int]]
) -> None:
    found = compare(predicted(topology, before), predicted(topology, after))

    counted: dict[str, Counter[str]] = {}
    for group in found.groups:
        if group.kind is not Kind.CHANGED_BECAUSE and group.come:
            counted.setdefault(group.come.id, Counter())[group.kind.value] += len(group.changes)
    assert counted == causes


@pytest.mark.slow
def test_a_rule_that_replaces_several_is_one_group_and_lists_them() -> None:
    """R7.4 was two groups: one for R3.3 before, one for R4.1."""
    found = compare(predicted("lab-flannel", "1.30.3/iptables"), predicted("lab-flannel", "1.30.3/nftables"))

    (group,) = [one for one in found.groups if one.come and one.come.id == "R7.4" and one.kind == LOST]
    assert (len(group.changes), {rule.id for rule in group.gone}) == (120, {"R3.3", "R4.1"})
    assert "before  by R3.3, R4.1\n" in terminal.render(found)


@pytest.mark.slow
def test_a_changed_source_is_caused_by_the_mark_for_masquerade() -> None:
    plain, all_masqueraded = (
        predicted("lab-flannel", "1.20.2/iptables", *changes) for changes in ((), ("proxy.masquerade_all=true",))
    )

    found = compare(plain, all_masqueraded)

    assert {group.come.id for group in found.groups if group.come and group.kind is not Kind.CHANGED_BECAUSE} == {
        "R2.2"
    }
    assert {group.kind.value for group in found.groups} - {"changed-because"} == {LOST_SOURCE, SOURCE}


KEPT, TIMEOUT = Reply(Outcome.OK, "kept", "web-a"), Reply(Outcome.TIMEOUT)


def answer(*ways: tuple[Reply, str]) -> SideAnswer:
    rules = {reply: tuple(text.split()) for reply, text in ways}
    replies = dict.fromkeys(rules, 1 / len(rules))
    return SideAnswer(
        CELL, replies, frozenset(replies), tuple(dict.fromkeys(r for way in rules.values() for r in way)), ways=rules
    )


def test_of_several_paths_the_new_one_has_the_cause() -> None:
    """Behind a load balancer half of the connections are dropped: by R4.5, and not by R4.3 on the other node."""
    before = answer((KEPT, "R0.4 L1 R4i.1 R4i.4 R10.6 R11.5"))
    after = answer((KEPT, "R0.4 L1 R4.3 R4.8 R10.6 R11.5"), (TIMEOUT, "R0.4 L1 R4.5"))

    assert find_cause(Kind.INTERMITTENT, before, after) == Cause("R4.5", "R4i.1")


def test_a_lost_reply_is_caused_by_the_mark_if_the_source_differs_and_else_by_the_selection() -> None:
    kept = answer((TIMEOUT, "R0.14 R4i.3 R4i.4 R10.6 R11.9"))
    masqueraded = answer((Reply(Outcome.OK, "primary(n1)", "web-a"), "R0.1 R4.2 R4.7 R10.3 R11.6"))
    refused = answer((Reply(Outcome.REFUSED), "R0.11 R4i.2"))

    assert find_cause(Kind.GAINED_REACHABILITY, kept, masqueraded).come == "R4.7"
    assert find_cause(Kind.CHANGED_REFUSAL, refused, kept).come == "R4i.3"


def test_without_a_new_rule_the_cause_is_the_one_that_no_longer_applies() -> None:
    found = find_cause(Kind.LOST_REACHABILITY, answer((KEPT, "R0.1 L1 R3.3")), answer((TIMEOUT, "R0.1 R3.3")))

    assert (found, found.key) == (Cause("", "L1"), ("", "L1"))
    assert Cause("R7.4", "R3.3").key == Cause("R7.4", "R4.1").key


def test_the_same_rules_in_another_cluster_have_no_cause() -> None:
    assert find_cause(Kind.LOST_REACHABILITY, answer((KEPT, "R3.3")), answer((TIMEOUT, "R3.3"))) == Cause()
