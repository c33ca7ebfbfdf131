"""What kube-proxies of several versions print at 127.0.0.1:10249, and what cannot be read stays unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from probes.asking.vantages.base import Completed, UnusableError, at_once
from probes.lifecycle.proxy_facts import read_proxies
from topologies.cluster_state.proxy_facts import BUILD, CONFIG, HEALTH, LAST_SYNC, MODE, SCRIPT, ProxyFacts, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# of kube-proxy 1.20.2 in the lab, shortened
OLD = {
    "FeatureGates": {},
    "ClusterCIDR": "10.244.0.0/16",
    "IPTables": {"MasqueradeBit": 14, "MasqueradeAll": False, "SyncPeriod": "30s"},
    "IPVS": {"Scheduler": "", "ExcludeCIDRs": None},
    "Mode": "iptables",
    "NodePortAddresses": [],
    "DetectLocalMode": "ClusterCIDR",
}
# as pkg/proxy/apis/config/types.go has it since 1.32
NEW = {
    "Linux": {"MasqueradeAll": True, "OOMScoreAdj": -999},
    "Mode": "nftables",
    "IPTables": {"MasqueradeBit": 14, "LocalhostNodePorts": None},
    "NFTables": {"MasqueradeBit": 14},
    "DetectLocalMode": "ClusterCIDR",
    "DetectLocal": {"BridgeInterface": "", "ClusterCIDRs": ["10.244.0.0/16", "fd00:1::/56"], "InterfaceNamePrefix": ""},
    "NodePortAddresses": ["198.18.1.11/32", "fd00::5/128"],
}
VERSIONED = {
    "mode": "",
    "clusterCIDR": "",
    "detectLocalMode": "",
    "iptables": {"masqueradeAll": False, "localhostNodePorts": False},
    "nodePortAddresses": None,
}


def printed(mode: str = "", config: Any = None, build: str = "") -> bytes:
    told = json.dumps({"kubeproxy.config.k8s.io": config}) if config is not None else ""
    metric = (
        f'kubernetes_build_info{{build_date="2021",git_version="{build}",go_version="go1.15.5"}} 1' if build else ""
    )
    return f"{MODE}\n{mode}\n{CONFIG}\n{told}\n{BUILD}\n{metric}\n".encode()


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        (
            printed("iptables", OLD, "v1.20.2"),
            ProxyFacts("n1", "iptables", "v1.20.2", "ClusterCIDR", ("10.244.0.0/16",), False, None, ()),
        ),
        (
            printed("nftables", NEW, "v1.33.2"),
            ProxyFacts(
                *("n1", "nftables", "v1.33.2", "ClusterCIDR", ("10.244.0.0/16",), True, True, ("198.18.1.11/32",)),
                has_synced=False,
            ),
        ),
        (printed("", VERSIONED), ProxyFacts("n1", None, None, "ClusterCIDR", (), False, False, ())),
        (printed("", OLD), ProxyFacts("n1", "iptables", None, "ClusterCIDR", ("10.244.0.0/16",), False, None, ())),
        (printed("ipvs"), ProxyFacts("n1", "ipvs")),
        (printed(), ProxyFacts("n1")),
        (b"", ProxyFacts("n1")),
        (b"sh: curl: not found\n", ProxyFacts("n1")),
        (printed("<html>login</html>"), ProxyFacts("n1")),
        (printed("iptables") + b"\xff\x00", ProxyFacts("n1", "iptables")),
    ],
)
def test_what_is_printed_is_read(output: bytes, facts: ProxyFacts) -> None:
    assert parse("n1", output) == facts


V1ALPHA1 = {
    "kind": "KubeProxyConfiguration",
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "featureGates": {"KubeProxyNFTablesLocalhostNodePorts": True, "AllowServiceExternalIPs": False, "Other": True},
    "mode": "nftables",
    "nftables": {"masqueradeAll": True},
    "iptables": {"masqueradeAll": False, "localhostNodePorts": None},
    "clusterCIDR": "10.244.0.0/16",
    "nodePortAddresses": ["primary", "localhost"],
}


def test_the_configuration_of_1_36_and_newer_is_that_of_the_api() -> None:
    """From 1.36 on /configz has v1alpha1 with apiVersion, as it was given: words stay words."""
    read = parse("n1", printed("nftables", V1ALPHA1, "v1.37.2"))

    assert read == ProxyFacts(
        node="n1",
        mode="nftables",
        version="v1.37.2",
        detect_local="ClusterCIDR",
        cluster_cidrs=("10.244.0.0/16",),
        masquerade_all=True,
        localhost_nodeports=True,
        node_port_addresses=("localhost", "primary"),
        localhost_nodeport_proxy=True,
        allow_external_ips=False,
        has_synced=False,
    )
    assert read.settings["localhost_nodeport_proxy"] == "true"
    assert parse("n1", printed("nftables", {**V1ALPHA1, "featureGates": 7})).allow_external_ips is None


@pytest.mark.parametrize("config", [[], 7, None, "x", {"kubeproxy.config.k8s.io": []}, {"Mode": 7}, [[[]]]])
def test_a_configuration_of_another_shape_is_none(config: object) -> None:
    text = f"{MODE}\n\n{CONFIG}\n{json.dumps(config)}\n{BUILD}\n\n".encode()

    assert parse("n1", text) == ProxyFacts("n1")


@pytest.mark.parametrize("wrong", [7, [], {}, "x", None, True])
def test_a_value_of_another_type_is_unknown(wrong: object) -> None:
    config = dict.fromkeys((*OLD, *NEW), wrong) | {"Mode": "iptables"}

    assert parse("n1", printed("iptables", config)).mode == "iptables"


@pytest.mark.parametrize(
    ("version", "mode", "line", "synced"),
    [
        ("v1.20.2", "iptables", f"{LAST_SYNC} 1.7641e+09", True),
        ("v1.32.13", "ipvs", f"{LAST_SYNC} 0", False),
        ("v1.32.13", "iptables", "", None),
        ("v1.25.16", "userspace", f"{LAST_SYNC} 0", None),
        ("v1.33.13", "iptables", f'{LAST_SYNC}{{ip_family="IPv4"}} 1.7641e+09', True),
        ("v1.37.2", "nftables", f'{LAST_SYNC}{{ip_family="IPv6"}} 1.7641e+09', False),
        ("v1.37.2", "nftables", "", False),
        ("v1.37.2", "", "", None),
        ("vNext", "iptables", "", None),
        ("", "iptables", f"{LAST_SYNC} 0", None),
        ("v1.24.0", "iptables", f"{LAST_SYNC} none", None),
    ],
)
def test_whether_rules_were_written_is_read_from_the_metrics_of_each_version(
    version: str, mode: str, line: str, synced: bool | None
) -> None:
    assert parse("n1", printed(mode, build=version) + f"{line}\n".encode()).has_synced is synced


@pytest.mark.parametrize(
    ("health", "unhealthy"),
    [
        ('{"lastUpdated": "2026-11-26 08:00:00","currentTime": "x", "nodeEligible": true} 200', ""),
        (
            '{"lastUpdated": "2026-11-26",\n"nodeEligible": false} 503',
            '{"lastUpdated": "2026-11-26", "nodeEligible": false}',
        ),
        (" 503", "503"),
        (" 000", ""),
        ("", ""),
    ],
)
def test_a_health_check_that_fails_is_reported_with_its_text(health: str, unhealthy: str) -> None:
    text = printed("iptables", OLD, "v1.20.2").replace(BUILD.encode(), f"{HEALTH}\n{health}\n{BUILD}".encode())

    assert parse("n1", text).unhealthy == unhealthy


class Pod:
    """A vantage that prints this, or that cannot be asked."""

    name = "host-n1"

    def __init__(self, output: bytes | None) -> None:
        self.output = output
        self.command: Sequence[str] = [""]

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        del stdin, timeout, gate
        self.command = command
        if self.output is None:
            message = "refused"
            raise UnusableError(message)
        return Completed(self.output)


def test_each_node_is_asked_once_and_those_in_vain_are_named() -> None:
    first = Pod(printed("iptables", OLD, "v1.20.2"))
    found, unread = read_proxies({"n1": first, "n2": Pod(None), "n3": Pod(b"")})

    assert [str(facts) for facts in found] == ["v1.20.2 iptables"]
    assert unread == {"n2": "no command ran there: refused", "n3": "127.0.0.1:10249 does not answer"}
    assert first.command == ["sh", "-c", SCRIPT]


def test_nobody_is_asked_where_nobody_is_on_a_host_network() -> None:
    assert read_proxies({}) == ((), {})


def test_settings_are_named_as_the_topology_names_them() -> None:
    facts = ProxyFacts("n1", "nftables", "v1.33.2", "ClusterCIDR", ("10.244.0.0/16",), True, False, ("198.18.1.11/32",))

    assert facts.settings == {
        "detect_local": "ClusterCIDR",
        "cluster_cidrs": "10.244.0.0/16",
        "masquerade_all": "true",
        "localhost_nodeports": "false",
        "node_port_addresses": "198.18.1.11/32",
    }
    assert ProxyFacts("n1", "ipvs").settings == {}
