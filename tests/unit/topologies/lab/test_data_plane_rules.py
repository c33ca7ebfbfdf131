"""The nft rules of our own data plane."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from typing import Any

import pytest

from tests.lab.data_plane.decisions import Client, SourceNat, ThisNode, decide_all
from tests.lab.data_plane.ruleset import affinity_sets, ruleset
from tests.lab.data_plane.services import Kind, read_ports
from tests.unit.topologies.lab.service_objects import (
    AFFINITY,
    BOTH,
    CLUSTER_IP,
    INNER,
    LOCAL,
    N1,
    N3,
    decisions,
    endpoint_slice,
    service,
)


def test_a_source_is_kept_unless_another_node_has_to_answer_a_client_from_outside() -> None:
    found = {one.source_nat for (_, client), one in decisions(N1, BOTH).items() if client is not Client.OUTSIDE}
    rules = _rules(N1)

    assert found == {SourceNat.NONE}
    assert decisions(N1, BOTH)[Kind.NODE_PORT, Client.OUTSIDE].source_nat is SourceNat.REMOTE
    assert any(rule.startswith("replace-source ip daddr != 10.244.1.0/24 meta mark and 0x20000") for rule in rules)
    assert "10.244.1.5 . 10.244.1.5 } snat to ct original ip daddr" in "\n".join(rules)  # row 3
    assert "10.244.2.5 . 10.244.2.5" not in "\n".join(rules)


def _ruleset(node: ThisNode, *slices: dict[str, Any], **spec: Any) -> str:
    return ruleset(decisions(node, *(slices or (BOTH,)), **spec).values(), node)


def _rules(node: ThisNode, *slices: dict[str, Any], **spec: Any) -> list[str]:
    lines = _ruleset(node, *slices, **spec).splitlines()
    return [line.removeprefix("add rule ip data-plane ") for line in lines if line.startswith("add rule")]


def test_a_hash_of_the_connection_selects_the_endpoint() -> None:
    [rule] = [rule for rule in _rules(N3) if rule.startswith(f"translate-pod ip daddr {CLUSTER_IP} ")]

    assert rule.endswith(
        "tcp dport 80 dnat ip to jhash ip saddr . tcp sport . ip daddr . tcp dport mod 2 seed 0x1 "
        "map { 0 : 10.244.1.5 . 8080, 1 : 10.244.2.5 . 8080 }"
    )


def test_refusals_and_drops_come_before_translation() -> None:
    rules = _rules(N3, **LOCAL)

    assert "screen-outside ip daddr 198.18.1.13 tcp dport 30080 reject with tcp reset" in rules
    assert "screen-pod ip daddr 10.96.0.5 tcp dport 80 reject with tcp reset" in _rules(N3, endpoint_slice())
    assert "screen-node ip daddr 10.96.0.5 tcp dport 80 drop" in _rules(N3, endpoint_slice())
    udp = [{"port": 53, "protocol": "UDP"}]
    assert any(
        rule.endswith("reject with icmp type port-unreachable") for rule in _rules(N3, endpoint_slice(), ports=udp)
    )


def test_node_ports_are_dropped_at_other_addresses_of_the_node() -> None:
    dropped = "fib daddr type local ip daddr != { 198.18.1.13, 127.0.0.0/8 } tcp dport 30080 drop"

    assert [f"screen-{client} {dropped}" for client in Client] == [one for one in _rules(N3) if "fib" in one]


def test_affinity_is_kept_in_sets_with_the_timeout_and_stale_ones_are_deleted() -> None:
    found = list(decisions(N3, BOTH, **AFFINITY).values())
    sets = affinity_sets(found)
    rules = ruleset(found, N3, stale=[*sets, "clients-gone"])

    assert Counter(sets.values()) == {90: 2}
    assert "delete set ip data-plane clients-gone" in rules
    assert rules.count("delete set") == 1
    assert all(f"ip saddr @{name} update @{name} {{ ip saddr }}" in rules for name in sets)
    assert "jhash ip saddr mod 2 seed 0x1 == 1 update @" in rules
    both = affinity_sets(decisions(N1, BOTH, **AFFINITY, **LOCAL).values())
    assert len(both) == 3  # a client's endpoint among the local ones does not decide at frontends with all of them


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
@pytest.mark.parametrize("node", [N1, N3], ids=["n1", "n3"])
@pytest.mark.parametrize("spec", [{}, LOCAL, INNER, AFFINITY, {**AFFINITY, **LOCAL}], ids="-".join)
def test_nft_accepts_the_rules_and_a_second_time(node: ThisNode, spec: dict[str, Any]) -> None:
    udp = service("dns", ports=[{"port": 53, "protocol": "UDP", "nodePort": 30053}], clusterIP="10.96.0.6", **spec)
    ports = read_ports([service(**spec), udp], [BOTH], node.name)
    rules = ruleset(decide_all(ports, node), node)
    stale = [f"clients-{number}" for number in range(2)]
    before = "".join(
        f"add table ip data-plane\nadd set ip data-plane {name} {{ type ipv4_addr; flags dynamic,timeout; }}\n"
        for name in stale
    )
    again = ruleset(decide_all(ports, node), node, stale=stale)

    ended = subprocess.run(
        ["unshare", "--net", "nft", "-f", "-"],
        input=rules + before + again,
        text=True,
        capture_output=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
