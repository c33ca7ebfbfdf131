"""Single predictions of the oracle."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.environment import Environment
from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.predict import expect
from probes.plan.cell import Cell
from tests.unit.probes.oracle.variants import changed
from topologies.cluster_state.snapshot import declared
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from probes.oracle.expectation import Expectation
    from topologies.schema.topology import Topology

BARE = {"kind": "flannel-vxlan", "masquerade": False}
LOCAL_NODE_PORT = ("web-np-local", FrontendKind.NODE_PORT)


def asked(topology: Topology, vantage: str, service: str, kind: FrontendKind, **more: Any) -> Expectation:
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    return expect(topology, declared(topology), Cell(client, Frontend(service, kind, **more)))


def seen(topology: Topology, expectation: Expectation) -> set[str]:
    """Return each path as `web-a from 10.244.1.1 (cni0 of n1)` or as its outcome."""
    snapshot = declared(topology)
    expected = set()
    for path in expectation.paths:
        source = " ".join(AddressNames.of(topology, snapshot).describe(address) for address in path.sources)
        expected.add(f"{path.backend} from {source}" if path.outcome is Outcome.OK else path.outcome.value)
    return expected


def test_a_pod_keeps_its_address_at_a_cluster_ip_and_sees_itself_as_its_bridge() -> None:
    flannel = changed("lab-flannel")
    expectation = asked(flannel, "self-web-a", "web", FrontendKind.CLUSTER_IP)
    assert seen(flannel, expectation) == {"web-a from 10.244.1.1 (cni0 of n1)", "web-b from 10.244.1.10 (web-a)"}


def test_a_local_node_port_of_a_node_without_endpoint_drops_strangers() -> None:
    flannel = changed("lab-flannel")
    expectation = asked(flannel, "ext-e1", *LOCAL_NODE_PORT, node="n3")
    assert expectation.outcomes == {Outcome.TIMEOUT}
    assert "only marks packets for drop" in expectation.because
    assert "kube-proxy 1.20.2 iptables" in expectation.because


def test_without_kubelets_rules_the_mark_is_a_closed_port_until_1_24() -> None:
    for version, outcome in (("1.24.3", Outcome.REFUSED), ("1.25.1", Outcome.TIMEOUT)):
        topology = changed("lab-flannel", kubernetes=version, kernel={"kubelet_rules": False})
        expectation = asked(topology, "ext-e1", *LOCAL_NODE_PORT, node="n3")
        assert expectation.outcomes == {outcome}
        assert not any(path.by_icmp for path in expectation.paths)


def test_without_detect_local_a_pod_under_local_leaves_for_the_balancer_until_1_24() -> None:
    old = changed("lab-no-cluster-cidr", kubernetes="1.24.3")
    expected = seen(old, asked(old, "pod-n3", "web-lb-local", FrontendKind.LOAD_BALANCER))
    assert expected == {"web-a from 198.18.1.1 (load balancer)", "web-b from 198.18.1.1 (load balancer)"}
    new = changed("lab-no-cluster-cidr", kubernetes="1.25.1")
    assert seen(new, asked(new, "pod-n3", "web-lb-local", FrontendKind.LOAD_BALANCER)) == {"timeout"}


def test_no_endpoints_refuse_by_icmp_but_the_empty_pool_of_the_balancer_by_rst() -> None:
    flannel = changed("lab-flannel")
    by_icmp = asked(flannel, "ext-e1", "none-lb", FrontendKind.LOAD_BALANCER).paths
    by_rst = asked(flannel, "ext-e1", "none-lb-local", FrontendKind.LOAD_BALANCER).paths
    assert [(path.outcome, path.by_icmp) for path in by_icmp] == [(Outcome.REFUSED, True)]
    assert [(path.outcome, path.by_icmp) for path in by_rst] == [(Outcome.REFUSED, False)]


def test_a_node_process_leaves_for_the_balancer_which_comes_back_to_a_node_that_rejects() -> None:
    flannel = changed("lab-flannel")
    expectation = asked(flannel, "host-n1", "none-lb", FrontendKind.LOAD_BALANCER)
    assert expectation.outcomes == {Outcome.REFUSED}
    assert {"R1.1", "L10", "R1.2"} <= set(expectation.rules)


@pytest.mark.parametrize(
    ("vantage", "service", "expected"),
    [
        ("host-n1", "web-xip", {"web-a from 10.244.1.1 (cni0 of n1)", "web-b from 10.244.1.0 (vtep of n1)"}),
        ("pod-n1", "web-xip", {"web-a from 10.244.1.1 (cni0 of n1)", "web-b from 10.244.1.0 (vtep of n1)"}),
        ("host-n1", "web-xip-local", {"web-a from 198.18.1.1 (load balancer)"}),
        ("host-n3", "web-xip", {"web-a from 10.244.1.1 (cni0 of n1)", "web-b from 10.244.1.0 (vtep of n1)"}),
        ("host-n3", "web-xip-local", {"web-a from 198.18.1.1 (load balancer)"}),
        ("ext-e1", "web-xip-local", {"web-a from 198.18.3.100 (e1)"}),
    ],
)
def test_external_ips_in_1_20_are_translated_by_the_first_node_only(
    vantage: str, service: str, expected: set[str]
) -> None:
    flannel = changed("lab-flannel")
    assert seen(flannel, asked(flannel, vantage, service, FrontendKind.EXTERNAL_IP)) == expected


IPVS = {"mode": "ipvs"}


@pytest.mark.parametrize(
    ("vantage", "version", "expected"),
    [
        ("pod-n1", "1.20.2", {"web-a from 10.244.1.11 (pod-n1)"}),
        ("pod-n1", "1.36.2", {"web-a from 10.244.1.11 (pod-n1)"}),
        ("pod-n3", "1.23.4", {"refused"}),
        ("pod-n3", "1.24.3", {"web-a from 10.244.3.10 (pod-n3)", "web-b from 10.244.3.10 (pod-n3)"}),
        ("host-n3", "1.24.3", {"web-a from 10.244.3.0 (vtep of n3)", "web-b from 10.244.3.0 (vtep of n3)"}),
    ],
)
def test_ipvs_under_local_gives_local_endpoints_or_none_and_since_1_24_all(
    vantage: str, version: str, expected: set[str]
) -> None:
    topology = changed("lab-flannel", kubernetes=version, proxy=IPVS)
    assert seen(topology, asked(topology, vantage, "web-lb-local", FrontendKind.LOAD_BALANCER)) == expected


@pytest.mark.parametrize(
    ("vantage", "expected"),
    [
        ("host-n1", {"listener from 10.96.0.50 (ClusterIP of web)"}),
        ("pod-n1", {"listener from 10.244.1.11 (pod-n1)"}),
        ("host-n3", {"refused"}),  # no process listens there
    ],
)
def test_ipvs_until_1_25_leaves_an_undeclared_port_to_whoever_listens_on_the_node(
    vantage: str, expected: set[str]
) -> None:
    topology = changed("lab-flannel", kubernetes="1.25.1", proxy=IPVS)
    expectation = asked(topology, vantage, "web", FrontendKind.CLUSTER_IP, declared=False)
    assert seen(topology, expectation) == expected
    assert not any(path.by_icmp for path in expectation.paths)


def test_external_ips_since_1_21_are_translated_by_the_clients_node() -> None:
    flannel = changed("lab-flannel", kubernetes="1.21.1")
    expected = seen(flannel, asked(flannel, "pod-n1", "web-xip", FrontendKind.EXTERNAL_IP))
    assert expected == {"web-a from 10.244.1.11 (pod-n1)", "web-b from 10.244.1.11 (pod-n1)"}


def test_on_a_bare_overlay_strict_rp_filter_kills_a_pods_packet_on_the_way() -> None:
    loose = changed("lab-flannel", cni=BARE)
    strict = changed("lab-flannel", cni=BARE, kernel={"rp_filter": 1})
    assert seen(loose, asked(loose, "pod-n3", *LOCAL_NODE_PORT, node="n1")) == {
        "web-a from 10.244.3.10 (pod-n3)",
        "timeout",  # the reply of web-b on n2 bypasses n1
    }
    assert seen(strict, asked(strict, "pod-n3", *LOCAL_NODE_PORT, node="n1")) == {"timeout"}


def test_another_nodes_bridge_address_is_reached_over_the_pod_network() -> None:
    flannel = changed("lab-flannel")
    assert seen(flannel, asked(flannel, "host-n3", *LOCAL_NODE_PORT, node="n1", at=At.BRIDGE)) == {
        "web-a from 10.244.3.0 (vtep of n3)",
        "timeout",  # treated as pod traffic, so web-b may be selected too, and its reply bypasses n1
    }


def test_affinity_binds_one_processing_node_only() -> None:
    flannel = changed("lab-flannel")
    assert asked(flannel, "pod-n1", "web-affinity", FrontendKind.CLUSTER_IP).sticky
    assert not asked(flannel, "pod-n1", "web", FrontendKind.CLUSTER_IP).sticky


def test_an_unknown_address_is_told_bare() -> None:
    flannel = changed("lab-flannel")
    assert AddressNames.of(flannel, declared(flannel)).describe(IPv4Address("192.0.2.7")) == "192.0.2.7"


@pytest.mark.parametrize(
    ("mode", "version"), [("ipvs", "1.19.3"), ("nftables", "1.28.3"), ("iptables", "1.19.0"), ("iptables", "1.38.0")]
)
def test_a_kube_proxy_without_rules_is_named_with_what_there_is(mode: str, version: str) -> None:
    topology = changed("lab-flannel", kubernetes=version, proxy={"mode": mode})
    with pytest.raises(UnsupportedMode, match=r"iptables 1\.20 to 1\.37, ipvs 1\.20 to 1\.37, nftables 1\.29 to 1\.37"):
        asked(topology, "pod-n1", "web", FrontendKind.CLUSTER_IP)


def test_localhost_node_ports_can_be_switched_off_since_1_26() -> None:
    environment = Environment.of(changed("lab-flannel", kubernetes="1.25.1", proxy={"localhost_nodeports": False}))
    assert environment.serves_node_ports_at(IPv4Address("127.0.0.1"))
    assert not replace(environment, version=Version(1, 26, 0)).serves_node_ports_at(IPv4Address("127.0.0.1"))
