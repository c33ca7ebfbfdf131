from __future__ import annotations

import pytest

from topologies.lab.worker.exchange import complain, mix_proxies
from topologies.loading.load import load
from topologies.loading.overrides import declared
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Topology, Version

OLD = "iptables\nhealthy\nkubeproxy_sync_proxy_rules_last_timestamp_seconds 1.7957e+09\n"
NEW = 'nftables\nhealthy\nkubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.7957e+09\n'
BEFORE = load("lab-small")
AFTER = declared("lab-small", {"proxy.mode": "nftables", "proxy.version": "1.34.4"})


@pytest.mark.parametrize(("answer", "mode"), [(OLD, "iptables"), (NEW, "nftables")])
def test_a_proxy_that_has_written_its_rules_has_synced(answer: str, mode: str) -> None:
    assert complain(answer, mode) == ""


@pytest.mark.parametrize(
    ("answer", "mode", "complaint"),
    [
        ("\n", "iptables", "mode: got no answer at http://127.0.0.1:10249/proxyMode, want iptables"),
        (OLD, "nftables", "mode: got iptables at http://127.0.0.1:10249/proxyMode, want nftables"),
        (OLD.replace("healthy\n", ""), "iptables", "health: got no success"),
        (OLD.replace("1.7957e+09", "0"), "iptables", "sync: got no time of a sync"),
        (NEW.replace("IPv4", "IPv6"), "nftables", "sync: got no time of a sync"),
    ],
)
def test_what_is_missing_is_named(answer: str, mode: str, complaint: str) -> None:
    assert complain(answer, mode).startswith(complaint)


def test_a_rollout_that_is_half_done_is_declared_node_by_node() -> None:
    half = mix_proxies(BEFORE, AFTER, ["n1"])

    assert half.proxy_of("n1").mode is ProxyMode.NFTABLES
    assert half.proxy_version_of("n1") == Version(1, 34, 4)
    assert half.proxy_of("n2").mode is ProxyMode.IPTABLES
    assert half.proxy_version_of("n2") == BEFORE.kubernetes
    assert Topology.model_validate_json(half.model_dump_json()).proxy_of("n1") == half.proxy_of("n1")


def test_a_whole_rollout_is_the_new_topology() -> None:
    assert mix_proxies(BEFORE, AFTER, ["n2", "n1"]) == AFTER
    assert mix_proxies(BEFORE, AFTER, []) == BEFORE


def test_a_restart_changes_no_declaration() -> None:
    assert mix_proxies(BEFORE, BEFORE, ["n1"]).model_dump_json() == BEFORE.model_dump_json()
