"""Clusters that could not be declared, and workloads that no API would accept."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from probes.observation import Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.cluster import manifests
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import TopologyError, load, names, parse
from topologies.schema.enums import DetectLocal, DeviantOutcome

IDS = Path(__file__).with_name("cell_ids.json")
EKS = """
name: eks
kubernetes: "v1.29.4-eks-036c24b"
nodes:
- {name: ip-10-0-4-233.ec2.internal, address: 10.0.4.233}
- {name: 10.0.5.17, address: 10.0.5.17, ssh: {}}
cni: {kind: eni, pod_cidr: 10.0.0.0/16}
external: [{name: bastion-of-the-vpc-in-zone-a, address: 10.0.9.9}]
"""
PRIMARY = """
name: primary
kubernetes: "1.31.0"
nodes:
- {name: n1, address: 198.18.1.11, pod_cidr: 10.244.1.0/24}
- {name: n2, address: 198.18.1.12, pod_cidr: 10.244.2.0/24}
cni: {kind: routed, masquerade: none}
proxy: {mode: iptables, node_port_addresses: [primary]}
"""
PENDING = """
name: pending
kubernetes: "1.29.4"
nodes: [{name: pi, address: 10.7.1.3, pod_cidr: 10.42.0.0/24}]
cni: {kind: flannel-vxlan, pod_cidr: 10.42.0.0/16}
load_balancer: {kind: none, addresses: 10.7.9.0/24}
workload:
  backends: [{name: traefik, app: traefik, node: pi}]
  services: [{name: traefik, app: traefik, type: LoadBalancer, external_traffic_policy: Local}]
  vantages: [{name: host, kind: node, node: pi}]
"""
WORK = """
name: mine
kubernetes: "1.31.3"
nodes: 2
cni: {kind: flannel-vxlan}
load_balancer: {kind: inline}
workload:
  backends: [%s]
  services: [%s]
  vantages: [%s]
"""
OVERLAPPING = """
- {name: a, address: 192.0.2.1, pod_cidr: 10.244.0.0/23}
- {name: b, address: 192.0.2.2, pod_cidr: 10.244.1.0/24}"""
BACKEND, SERVICE, VANTAGE = "{name: b, app: a, node: n1}", "{name: s, app: a}", "{name: v, kind: pod, node: n1}"


def digest(name: str) -> list[object]:
    planned = plan(load(name))
    lines = [*(cell.id for cell in planned.cells), "", *(left.cell for left in planned.omissions)]
    return [len(planned.cells), len(planned.omissions), sha256("\n".join(lines).encode()).hexdigest()[:16]]


@pytest.mark.parametrize("name", names())
def test_the_cell_ids_of_the_library_stay_as_they_are(name: str) -> None:
    known, found = json.loads(IDS.read_text()).get(name), digest(name)

    assert known == found, f"{IDS.name}: if this is meant, the entry is {json.dumps({name: found})}"


def test_nodes_have_the_names_of_the_api_and_vantages_short_ones() -> None:
    topology = parse(EKS, "eks.yaml")

    assert [node.name for node in topology.nodes] == ["ip-10-0-4-233.ec2.internal", "10.0.5.17"]
    assert [one.name for one in topology.workload.vantages] == [
        "pod-n1",
        "host-n1",
        "pod-n2",
        "host-n2",
        "self-web-a",
        "ssh-n2",
        "ext-e1",
    ]
    assert {pod["spec"]["nodeName"] for pod in manifests.pods(topology, "r")} == {node.name for node in topology.nodes}


@pytest.mark.parametrize("bad", ["A.internal", "a..b", "-a", "a-", "a_b", "x" * 254, ""])
def test_a_name_that_no_node_can_have_is_refused(bad: str) -> None:
    with pytest.raises(TopologyError, match=r"nodes\[0\]\.name"):
        parse(EKS.replace("ip-10-0-4-233.ec2.internal", f'"{bad}"'), "eks.yaml")


def test_no_vantage_has_a_backends_name() -> None:
    topology = parse(
        "{name: x, kubernetes: '1.30.3', cni: {kind: eni}, nodes: [{name: a, address: 192.0.2.1}]}", "x.yaml"
    )

    assert [one.name for one in topology.workload.vantages] == ["pod-n1", "host-n1", "self-web-a"]


def test_kube_proxy_knows_no_pod_where_no_pod_range_is_declared() -> None:
    text = EKS.replace(", pod_cidr: 10.0.0.0/16", "")
    other = parse(text + "proxy: {detect_local: BridgeInterface}", "eks.yaml")

    assert parse(text, "eks.yaml").proxy.detect_local is DetectLocal.NONE
    assert parse(EKS, "eks.yaml").proxy.detect_local is DetectLocal.CLUSTER_CIDR
    assert other.proxy.detect_local is DetectLocal.BRIDGE_INTERFACE


def test_pods_of_kind_eni_share_the_range_of_nodes_and_hosts() -> None:
    assert parse(EKS, "eks.yaml").cni.shares_node_network


@pytest.mark.parametrize("kind", ["flannel-vxlan", "tunnel", "routed", "vpc-routed"])
def test_pods_of_other_kinds_have_a_range_of_their_own(kind: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse(EKS.replace("kind: eni", f"kind: {kind}"), "eks.yaml")

    paths = {one.path for one in caught.value.complaints}
    assert {"nodes[0].address", "nodes[1].address", "external[0].address"} <= paths


def test_primary_serves_node_ports_at_the_internal_address_only() -> None:
    topology = parse(PRIMARY, "primary.yaml")
    snapshot = declared(topology)
    outcomes = {
        cell.frontend.label: {path.outcome for path in expect(topology, snapshot, cell).paths}
        for cell in plan(topology).cells
        if cell.vantage.name == "host-n1" and cell.frontend.service == "web-np" and "nodeport" in cell.id
    }

    assert outcomes == {
        "nodeport.n1": {Outcome.OK},
        "nodeport.n2": {Outcome.OK},
        "nodeport.loopback": {Outcome.REFUSED},
        "nodeport.n1-cni0": {Outcome.REFUSED},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("1.31.0", "1.30.14"), "got primary with 1.30.14, want 1.31 or newer"),
        (("[primary]", "[primary, 198.18.1.0/24]"), "want [primary] alone, or ranges: kube-proxy refuses a mixed list"),
        (("[primary]", "[secondary]"), "want an IPv4 range in CIDR form"),
        (("[primary]", "[localhost]"), "got localhost with 1.31.0, want 1.37 or newer"),
        (("[primary]", "[all]"), "got all with 1.31.0, want 1.37 or newer"),
        (("[primary]", "primary"), "want a list of IPv4 ranges and the words primary, localhost, all"),
        (("[primary]", "[], localhost_nodeport_proxy: true"), "got true with 1.31.0, want 1.37 or newer (KEP-6032)"),
        (("[primary]", "[], allow_external_ips: false"), "got false with 1.31.0, want 1.36 or newer (KEP-5707)"),
    ],
)
def test_primary_is_accepted_as_kube_proxy_does(change: tuple[str, str], words: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse(PRIMARY.replace(*change), "primary.yaml")

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("kubernetes", "version", "refused"),
    [("1.30.1", "1.28.3", False), ("1.28.3", "1.30.1", True), ("1.29.0", "1.29.0", False)],
)
def test_ip_mode_needs_an_api_that_has_it_not_a_kube_proxy(kubernetes: str, version: str, refused: bool) -> None:
    """KEP-1860: ipMode is a field of the API. A kube-proxy that does not know it serves the address (R0.3)."""
    text = PRIMARY.replace("[primary]", "[]").replace("1.31.0", kubernetes)
    text = text.replace("mode: iptables", f'mode: iptables, version: "{version}"')
    text += "load_balancer: {kind: inline, status: proxy}"
    if not refused:
        assert parse(text, "ipmode.yaml").load_balancer.status == "proxy"
        return
    with pytest.raises(TopologyError, match=r"status: got proxy with kubernetes 1\.28\.3, want 1\.29 or newer"):
        parse(text, "ipmode.yaml")


@pytest.mark.parametrize(
    ("words", "ranges"),
    [
        ("[primary, localhost]", ["198.18.1.11/32", "198.18.1.12/32", "127.0.0.0/8"]),
        ("[all]", ["0.0.0.0/0"]),
        ("[10.0.0.0/8, primary]", ["10.0.0.0/8", "198.18.1.11/32", "198.18.1.12/32"]),
    ],
)
def test_words_and_ranges_may_be_mixed_from_1_37_on(words: str, ranges: list[str]) -> None:
    """cmd/kube-proxy/app/server.go: expandNodePortAddressKeywords."""
    topology = parse(PRIMARY.replace("1.31.0", "1.37.2").replace("[primary]", words), "words.yaml")

    assert [str(one) for one in topology.node_port_networks] == ranges


def test_a_word_twice_is_refused_as_by_kube_proxy() -> None:
    text = PRIMARY.replace("1.31.0", "1.37.2").replace("[primary]", "[localhost, primary, localhost]")
    with pytest.raises(TopologyError, match=r"node_port_addresses: got localhost 2 times, want each once"):
        parse(text, "twice.yaml")


def test_a_service_without_a_balancer_is_asked_at_its_node_port_and_says_what_is_left_out() -> None:
    topology = parse(PENDING, "pending.yaml")
    planned = plan(topology)

    assert "host-to-traefik.nodeport.pi-v4-tcp" in {cell.id for cell in planned.cells}
    assert not [cell.id for cell in planned.cells if "loadbalancer" in cell.id]
    assert {left.reason for left in planned.omissions if "loadbalancer" in left.cell} == {
        "load_balancer.kind is none: nothing gives the Service an address in status.loadBalancer"
    }
    assert declared(topology).services["traefik"].load_balancer_ip is None


def test_a_small_pool_is_enough_for_the_balanced_services() -> None:
    services = (
        ", ".join(f"{{name: s{number}, app: a}}" for number in range(40)) + ", {name: lb, app: a, type: LoadBalancer}"
    )
    text = (WORK % (BACKEND, services, VANTAGE)).replace("kind: inline", "kind: inline, addresses: 192.0.2.8/32")

    assert str(declared(parse(text, "small.yaml")).services["lb"].load_balancer_ip) == "192.0.2.8"


@pytest.mark.parametrize(
    ("backends", "services", "vantages", "words"),
    [
        ("", "{name: 1web, app: a}", VANTAGE, "services[0].name: got '1web', want a Service name"),
        ("", "{name: settled-1, app: a}", VANTAGE, "runs make Services of that name"),
        ("", "{name: s, app: prober}", VANTAGE, "the probers have that label"),
        ("{name: v, app: a, node: n1}", SERVICE, VANTAGE, "vantages[0].name: got v, want a name that is no backend's"),
        (
            "{name: b, app: a, node: n1}, {name: c, app: a, node: n1, port: 81}",
            SERVICE,
            VANTAGE,
            "port: got 81, want 8080",
        ),
        (
            "{name: b, app: a, node: n1, port: 65535}",
            SERVICE,
            VANTAGE,
            "port: got 65535, want a whole number from 1 to 65534",
        ),
        (
            "{name: b, app: a, node: n1, host_network: true}, {name: c, app: c, node: n1, host_network: true, port: 1}",
            SERVICE,
            VANTAGE,
            "got another backend that reports the host name n1",
        ),
        (
            "{name: b, app: a, node: n1, host_network: true}, {name: n1, app: c, node: n2}",
            SERVICE,
            VANTAGE,
            "got another backend that reports the host name n1",
        ),
        (BACKEND, "{name: s, app: a, load_balancer_source_ranges: [10.0.0.0/8]}", VANTAGE, "want type LoadBalancer"),
        (
            BACKEND,
            "{name: s, app: a, external_traffic_policy: Local, external_ips: [192.0.2.9]}",
            VANTAGE,
            "only a NodePort or LoadBalancer",
        ),
        (BACKEND, "{name: s, app: a, type: LoadBalancer, shares_address_of: s}", VANTAGE, "with an address of its own"),
        (
            BACKEND,
            "{name: s, app: a, external_ips: [192.0.2.9]}, {name: t, app: a, external_ips: [192.0.2.9]}",
            VANTAGE,
            "192.0.2.9:80 2 times",
        ),
        (BACKEND, SERVICE, "{name: v, kind: backend, backend: b, node: n2}", "node: got n2, want n1, the node of b"),
        (BACKEND, SERVICE, "{name: v, kind: backend, backend: b, node: n7}", "node: got n7, want one of n1, n2"),
        (BACKEND, SERVICE, "{name: v, kind: pod, node: n1, external: e1}", "external: got e1, want no external"),
        (BACKEND, SERVICE, "{name: v, kind: pod}", "node: got nothing, want one of n1, n2"),
        (
            BACKEND,
            "{name: y-to-z, app: a}, {name: z, app: a}",
            "{name: x, kind: pod, node: n1}, {name: x-to-y, kind: pod, node: n1}",
            "x-to-y-to-z 2 times",
        ),
    ],
)
def test_a_workload_that_cannot_be_deployed_or_told_apart_is_refused(
    backends: str, services: str, vantages: str, words: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        parse(WORK % (backends, services, vantages), "mine.yaml")

    assert words in str(caught.value)


def test_a_backend_that_asks_itself_is_on_its_own_node() -> None:
    topology = parse(WORK % (BACKEND, SERVICE, "{name: v, kind: backend, backend: b}"), "mine.yaml")

    assert topology.workload.vantages[0].node == "n1"


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ("[{name: loopback, address: 192.0.2.1}]", "a name that cell ids do not use"),
        ("[{name: a, address: 192.0.2.1}, {name: a-cni0, address: 192.0.2.2}]", "nodes[1].name: got a-cni0"),
        (
            OVERLAPPING,
            "no overlap with nodes[0]",
        ),
        ("[{name: a, address: 10.96.0.9}]", "nodes[0].address: got 10.96.0.9, want an address outside service_cidr"),
        ("[{name: a, address: 127.0.0.1}]", "want the IPv4 address of a host"),
    ],
)
def test_nodes_that_cannot_be_are_refused(nodes: str, words: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse((WORK % ("", "", "")).replace("nodes: 2", f"nodes: {nodes}"), "mine.yaml")

    assert words in str(caught.value)


def test_a_plan_beyond_the_limit_is_refused_before_it_is_made() -> None:
    services = ", ".join(f"{{name: s{number}, app: a, type: NodePort}}" for number in range(1_000))
    vantages = ", ".join(f"{{name: v{number}, kind: pod, node: n1}}" for number in range(100))
    with pytest.raises(TopologyError, match="at most 200000; declare fewer Services, vantages or nodes"):
        parse(WORK % (BACKEND, services, vantages), "mine.yaml")


def test_a_deviation_may_say_every_outcome_there_is() -> None:
    assert {str(one) for one in DeviantOutcome} == {str(one) for one in Outcome}
