"""A failure names one rule: the one that decides the part that failed."""

from __future__ import annotations

import pytest

from reports.analysis.causes.deciding_rule import find_deciding_rule, name_rule
from tests.unit.support.broken_cluster import run_of


@pytest.mark.parametrize(
    ("fault", "name", "rule"),
    [
        ("cni-masquerade", "pod-n1-to-host.clusterip-v4-tcp", "R10.5"),  # the source: masqueraded towards a host
        ("cni-masquerade", "pod-n1-to-host-lb-local.nodeport.n3-v4-tcp", "R4.4"),  # no answer: what ends the packet
        ("proxy", "pod-n1-to-web-lb.nodeport.n2-v4-tcp", "R3.3"),  # an answer: what selects the endpoints
        ("policy", "pod-n1-to-web-np-local.nodeport.n1-v4-tcp", "R4.6"),  # a preserved source: what does not mark it
        ("policy", "pod-n1-to-web-np-local.nodeport.n2-v4-tcp", "R0.9"),  # masqueraded before it arrived
    ],
)
def test_the_deciding_rule(fault: str, name: str, rule: str) -> None:
    record = next(one for one in run_of(fault).records if one.cell.id == name)

    found = find_deciding_rule(record)
    assert found is not None
    assert found.id == rule
    assert found.sentence.endswith(".")
    assert rule in record.rules


def test_a_rule_of_another_version_keeps_its_id() -> None:
    assert str(name_rule("R99.9")) == "R99.9"


def test_a_cell_without_rules_has_no_deciding_rule() -> None:
    record = run_of("proxy").records[0].model_copy(update={"rules": ()})

    assert find_deciding_rule(record) is None
