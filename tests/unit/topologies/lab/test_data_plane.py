"""Our own data plane: what it decides for Services of the API, and its nft rules."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from typing import Any

import pytest

from probes.contract.load import rows
from probes.contract.sources import Level
from tests.lab.data_plane import violations
from tests.lab.data_plane.__main__ import describe_node, parser
from tests.lab.data_plane.decisions import Client, Decision, SourceNat, ThisNode, Unserved, decide_all
from tests.lab.data_plane.health import ready_endpoints
from tests.lab.data_plane.ruleset import affinity_sets, ruleset
from tests.lab.data_plane.services import Kind, ServiceEndpoint, read_ports
from tests.lab.data_plane.violations import VIOLATIONS
from tests.unit.support.paths import ROOT
from topologies.lab.state import State
from topologies.lab.worker.node import Programs, daemons, service_proxy
from topologies.loading.overrides import declared, parse
from topologies.schema.complaints import TopologyError

N1 = ThisNode("n1", ("198.18.1.11",), "10.244.1.0/24")
N3 = ThisNode("n3", ("198.18.1.13",), "10.244.3.0/24")
WEB_A, WEB_B = ("10.244.1.5", "n1"), ("10.244.2.5", "n2")
CLUSTER_IP, LB_IP, EXTERNAL_IP = "10.96.0.5", "198.18.100.1", "198.18.101.1"


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}]
    balanced = {"loadBalancer": {"ingress": [{"ip": LB_IP, "ipMode": "VIP"}]}}
    given = {"type": "LoadBalancer", "clusterIP": CLUSTER_IP, "ports": ports, "externalIPs": [EXTERNAL_IP]}
    return {"metadata": {"namespace": "default", "name": name}, "spec": {**given, **spec}, "status": balanced}


def endpoint(address: str, node: str, **more: Any) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True}, **more}


def endpoint_slice(*endpoints: dict[str, Any], name: str = "web", port: int = 8080) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


BOTH = endpoint_slice(endpoint(*WEB_A), endpoint(*WEB_B))
TERMINATING: dict[str, Any] = {"conditions": {"ready": False, "serving": True, "terminating": True}}
LOCAL: dict[str, Any] = {"externalTrafficPolicy": "Local"}
INNER: dict[str, Any] = {"internalTrafficPolicy": "Local"}
AFFINITY = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90}}}


def decisions(node: ThisNode, *slices: dict[str, Any], **spec: Any) -> dict[tuple[Kind, Client], Decision]:
    ports = read_ports([service(**spec)], slices, node.name)
    return {(one.kind, one.client): one for one in decide_all(ports, node)}


def served(node: ThisNode, kind: Kind, client: Client, *slices: dict[str, Any], **spec: Any) -> list[str] | Unserved:
    """Return the addresses that serve, or what a client gets without one."""
    one = decisions(node, *(slices or (BOTH,)), **spec)[kind, client]
    return [endpoint.address for endpoint in one.endpoints] or one.unserved


EVERY = [WEB_A[0], WEB_B[0]]
REFUSE, DROP = Unserved.REFUSE, Unserved.DROP


@pytest.mark.parametrize(
    ("row", "node", "kind", "client", "spec", "wanted"),
    [
        (1, N3, Kind.CLUSTER_IP, Client.POD, {}, EVERY),
        (4, N3, Kind.CLUSTER_IP, Client.NODE, {}, EVERY),
        (21, N3, Kind.NODE_PORT, Client.OUTSIDE, {}, EVERY),
        (28, N1, Kind.NODE_PORT, Client.OUTSIDE, LOCAL, [WEB_A[0]]),
        (29, N3, Kind.NODE_PORT, Client.OUTSIDE, LOCAL, REFUSE),
        (33, N3, Kind.NODE_PORT, Client.POD, LOCAL, REFUSE),
        (33, N1, Kind.NODE_PORT, Client.POD, LOCAL, [WEB_A[0]]),
        (34, N3, Kind.NODE_PORT, Client.NODE, LOCAL, EVERY),
        (35, N3, Kind.LB_IP, Client.POD, LOCAL, EVERY),
        (35, N3, Kind.LB_IP, Client.NODE, LOCAL, EVERY),
        (96, N3, Kind.EXTERNAL_IP, Client.POD, LOCAL, EVERY),
        (44, N1, Kind.CLUSTER_IP, Client.POD, INNER, [WEB_A[0]]),
        (45, N3, Kind.CLUSTER_IP, Client.POD, INNER, REFUSE),
        (94, N3, Kind.CLUSTER_IP, Client.NODE, INNER, REFUSE),
        (48, N3, Kind.NODE_PORT, Client.OUTSIDE, INNER, EVERY),
        (49, N3, Kind.NODE_PORT, Client.POD, INNER, REFUSE),
        (49, N1, Kind.EXTERNAL_IP, Client.NODE, INNER, [WEB_A[0]]),
        (50, N3, Kind.CLUSTER_IP, Client.POD, LOCAL, EVERY),
        (98, N1, Kind.EXTERNAL_IP, Client.OUTSIDE, {}, EVERY),
    ],
)
def test_each_client_gets_what_the_row_promises(  # noqa: PLR0913 - the columns of a table
    row: int, node: ThisNode, kind: Kind, client: Client, spec: dict[str, Any], wanted: list[str] | Unserved
) -> None:
    assert served(node, kind, client, **spec) == wanted, row


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("client", Client)
def test_without_endpoints_only_a_pod_at_a_cluster_ip_is_refused(kind: Kind, client: Client) -> None:
    if kind is Kind.CLUSTER_IP and client is Client.OUTSIDE:
        assert (kind, client) not in decisions(N1)  # row 5: left alone
        return
    is_promised = kind is Kind.CLUSTER_IP and client is Client.POD

    assert served(N1, kind, client, endpoint_slice()) is (REFUSE if is_promised else DROP)


def test_terminating_endpoints_serve_in_the_policys_scope_if_no_other_does() -> None:
    one_of_two = endpoint_slice(endpoint(*WEB_A, **TERMINATING), endpoint(*WEB_B))
    gone = endpoint_slice(endpoint(*WEB_A, conditions={"ready": False, "serving": False, "terminating": True}))
    outside = (Kind.NODE_PORT, Client.OUTSIDE)

    assert served(N1, *outside, one_of_two) == [WEB_B[0]]  # row 51
    assert served(N1, *outside, one_of_two, **LOCAL) == [WEB_A[0]]  # row 55
    assert served(N1, *outside, endpoint_slice(endpoint(*WEB_A, **TERMINATING))) == [WEB_A[0]]  # row 53
    assert served(N1, *outside, gone) is DROP  # row 56


def test_traffic_distribution_prefers_near_endpoints_and_a_local_policy_has_precedence() -> None:
    hints = [{"forNodes": [{"name": node}]} for node in ("n1", "n2")]
    hinted = endpoint_slice(endpoint(*WEB_A, hints=hints[0]), endpoint(*WEB_B, hints=hints[1]))
    half = endpoint_slice(endpoint(*WEB_A, hints=hints[0]), endpoint(*WEB_B))
    zones = [{"forZones": [{"name": zone}]} for zone in ("a", "b")]
    by_zone = endpoint_slice(endpoint(*WEB_A, hints=zones[0]), endpoint(*WEB_B, hints=zones[1]))
    moved = endpoint_slice(endpoint(WEB_A[0], "n3", hints=hints[0]), endpoint(*WEB_B, hints=hints[1]))

    assert served(N1, Kind.CLUSTER_IP, Client.POD, hinted) == [WEB_A[0]]
    assert served(N3, Kind.CLUSTER_IP, Client.POD, hinted) == EVERY
    assert served(N1, Kind.CLUSTER_IP, Client.POD, half) == EVERY
    assert served(N3, Kind.CLUSTER_IP, Client.POD, moved, **INNER) == [WEB_A[0]]  # row 66: its hint names n1
    [port] = read_ports([service()], [by_zone], "n3", "b")
    assert [one.address for one in port.endpoints if not one.distant] == [WEB_B[0]]


def test_labels_types_and_slices_of_others_are_left_alone() -> None:
    labelled = service()
    labelled["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "another"}
    outside = service(type="ExternalName")
    headless = service(clusterIP="None")
    by_hostname = service()
    by_hostname["status"]["loadBalancer"]["ingress"] = [{"hostname": "lb.example"}, {"ip": LB_IP, "ipMode": "Proxy"}]
    v6 = {**BOTH, "addressType": "IPv6"}

    assert read_ports([labelled, outside, headless], [BOTH], "n1") == []
    [port] = read_ports([by_hostname], [v6, endpoint_slice(endpoint(*WEB_A), name="other")], "n1")
    assert (port.lb_ips, port.endpoints) == ((), ())


def test_endpoint_slices_of_1_20_have_the_node_in_their_topology() -> None:
    old = {"addresses": [WEB_A[0]], "topology": {"kubernetes.io/hostname": "n1"}, "conditions": {"ready": True}}
    [port] = read_ports([service()], [endpoint_slice(old)], "n1")

    assert port.endpoints == (ServiceEndpoint(WEB_A[0], 8080, "n1"),)


def test_a_source_is_kept_unless_another_node_has_to_answer_a_client_from_outside() -> None:
    found = {one.source_nat for (_, client), one in decisions(N1, BOTH).items() if client is not Client.OUTSIDE}
    rules = _rules(N1)

    assert found == {SourceNat.NOBODY}
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


def test_health_check_ports_count_ready_endpoints_of_the_node() -> None:
    given: dict[str, Any] = {**LOCAL, "healthCheckNodePort": 31000}

    def ready(*endpoints: dict[str, Any], node: str = "n1") -> dict[int, int]:
        return ready_endpoints(read_ports([service(**given)], [endpoint_slice(*endpoints)], node), node)

    assert ready(endpoint(*WEB_A)) == {31000: 1}  # row 38
    assert ready(endpoint(*WEB_A), node="n3") == {31000: 0}  # row 39
    assert ready(endpoint(*WEB_A, **TERMINATING)) == {31000: 0}  # row 40
    assert ready_endpoints(read_ports([service()], [BOTH], "n1"), "n1") == {}  # row 41


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_changes_decisions_and_names_rows_of_its_levels(name: str) -> None:
    services = [
        service("web", clusterIP="10.96.0.1", **INNER),
        service("sticky", clusterIP="10.96.0.2", **AFFINITY),
        service("local", clusterIP="10.96.0.3", **LOCAL),
        service("host", clusterIP="10.96.0.4"),
    ]
    slices = [endpoint_slice(endpoint(*WEB_A), endpoint(*WEB_B), name=one["metadata"]["name"]) for one in services[:3]]
    slices.append(endpoint_slice(endpoint("198.18.1.11", "n1"), name="host", port=9090))
    before = list(decide_all(read_ports(services, slices, "n3"), N3))
    violation = VIOLATIONS[name]
    levels = {row.number: row.level for row in rows()}

    assert list(violation.change(before, N3)) != before
    assert {levels[number] for number in violation.must} == {Level.MUST}
    assert {levels[number] for number in violation.should} <= {Level.SHOULD}


def test_ten_violations_break_a_must() -> None:
    assert len(VIOLATIONS) >= 10
    assert N3.name == violations.BROKEN_NODE


def test_a_node_is_read_from_its_object_and_a_violation_by_its_name() -> None:
    addresses = [{"type": "InternalIP", "address": "198.18.1.11"}, {"type": "Hostname", "address": "n1"}]
    found = describe_node(
        {"metadata": {"name": "n1"}, "status": {"addresses": addresses}, "spec": {"podCIDR": "10.244.1.0/24"}}
    )

    assert found == N1
    assert parser().parse_args(["--kubeconfig=x", "--hostname-override=n1", "--violate=masquerade-local"]).violate


OTHER = ("proxy={kind: other}", "lab={data_plane: [./serve, -v]}")


def test_the_lab_starts_the_declared_command_in_kube_proxys_place(tmp_path: Any) -> None:
    topology = declared("lab-small", parse(OTHER))
    programs = Programs(kubernetes=_NoProxies(), runtime=_Runtime())  # type: ignore[arg-type] # no kube-proxy is asked for

    *_, last = daemons(topology, State(tmp_path), programs, topology.nodes[0])

    assert service_proxy(topology) == last["name"] == "data-plane"
    flags = [f"--kubeconfig={tmp_path}/kube/proxy.conf", "--hostname-override=n1"]
    assert last["argv"] == ["./serve", "-v", *flags]


class _NoProxies:
    def path(self, name: str) -> str:
        return f"/bin/{name}"


class _Runtime:
    path = "/bin"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (OTHER[:1], "proxy.kind: got other, want kube-proxy, or the command of another data plane in lab.data_plane"),
        (OTHER[1:], "lab.data_plane: got ./serve -v, want no command: the lab starts kube-proxy"),
    ],
)
def test_a_command_and_another_kind_are_declared_together(given: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declared("lab-small", parse(given))

    assert complaint in str(refused.value)


def test_the_page_lists_each_violation_with_its_rows() -> None:
    page = (ROOT / "docs" / "data-plane.md").read_text(encoding="utf-8")

    for name, one in VIOLATIONS.items():
        must, should = (", ".join(map(str, numbers)) or "none" for numbers in (one.must, one.should))
        assert f"| `{name}`: {one.about} | {must} | {should} |\n" in page
