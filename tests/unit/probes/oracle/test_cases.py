"""Clusters from public reports: the predictions that its file and its report require."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probes.oracle.address_names import AddressNames
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import Snapshot, declared
from topologies.loading.load import load
from topologies.schema.topology import Topology
from topologies.schema.validation.rules import complaints

CASES = Path(__file__).parent / "cases"
OF_RULES = ("iptables", "nftables")


def case(file: str, **proxy: Any) -> Topology:
    """Return the topology of a case with another kube-proxy."""
    raw = load(str(CASES / f"{file}.yaml")).model_dump(mode="json", exclude_unset=True)
    return Topology.model_validate({**raw, "proxy": {**raw.get("proxy", {}), **proxy}})


def predicted(topology: Topology, ids: str) -> str:
    """Return the expected paths of the cell with that id, joined: `ok traefik 10.42.0.1 (cni0 of pi)`."""
    snapshot = declared(topology)
    cell = next(one for one in plan(topology).cells if one.id == f"{ids}-v4-tcp")
    return " | ".join(sorted(_path(path, topology, snapshot) for path in expect(topology, snapshot, cell).paths))


def _path(path: Any, topology: Topology, snapshot: Snapshot) -> str:
    sources = (AddressNames.of(topology, snapshot).describe(address) for address in sorted(path.sources))
    return " ".join((path.outcome.value, *([path.backend] if path.backend else []), *sources))


def test_a_pod_of_a_node_without_a_pod_range_is_known_by_the_cluster_cidr() -> None:
    topology = case("eni-without-node-ranges")
    assert predicted(topology, "pod-1-to-lb-local.loadbalancer") == "ok web-a 10.8.0.11 (pod-1)"
    assert predicted(topology, "pod-1-to-lb-local.nodeport.w1") == "ok web-a 10.8.0.11 (pod-1)"
    assert predicted(topology, "pod-1-to-lb.clusterip") == "ok web-a 10.8.0.11 (pod-1)"
    assert predicted(topology, "self-to-lb.clusterip") == "ok web-a 10.0.1.12 (primary of w2)"
    assert predicted(topology, "host-1-to-lb.clusterip") == "ok web-a 10.0.1.11 (primary of w1)"


@pytest.mark.parametrize("mode", ["iptables", "ipvs", "nftables"])
def test_a_node_pod_range_changes_no_prediction_but_the_pods_addresses(mode: str) -> None:
    without = case("eni-without-node-ranges", mode=mode)
    raw = without.model_dump(mode="json", exclude_unset=True)
    nodes = [{**node, "pod_cidr": f"10.8.{number}.0/24"} for number, node in enumerate(raw["nodes"], start=1)]
    ranged = Topology.model_validate({**raw, "nodes": nodes})

    def seen(topology: Topology) -> dict[str, str]:
        cells = (cell.id.removesuffix("-v4-tcp") for cell in plan(topology).cells)
        pods = {str(address): pod for pod, address in declared(topology).pods.items()}
        words = {cell: predicted(topology, cell) for cell in cells}
        return {cell: " ".join(pods.get(word, word) for word in text.split()) for cell, text in words.items()}

    assert seen(without) == seen(ranged)


def test_a_bridge_without_a_known_address_is_asked_for() -> None:
    with pytest.raises(
        Exception, match=r"nodes\[0\]\.pod_cidr: got nothing, want .*needed for this cni\.kind"
    ) as error:
        case("flannel-without-node-ranges")
    assert "kubectl get node w1 -o jsonpath={.spec.podCIDR}" in str(error.value)
    assert "nodes[1].pod_cidr" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"proxy": {"detect_local": "NodeCIDR"}}, "nodes[0].pod_cidr"),
        ({"cni": {"kind": "eni"}}, "cni.pod_cidr"),
        ({"cni": {"kind": "eni", "masquerade": "egress"}, "proxy": {"detect_local": "none"}}, "cni.pod_cidr"),
        ({"cni": {"kind": "vpc-routed", "pod_cidr": "10.8.0.0/16"}}, "nodes[0].pod_cidr"),
        ({"cni": {"kind": "eni", "pod_cidr": "10.8.0.0/30"}}, "workload"),
        ({"cni": {"kind": "eni"}, "proxy": {"detect_local": "none"}}, None),
        ({"cni": {"kind": "eni"}, "proxy": {"detect_local": "BridgeInterface"}}, None),
    ],
)
def test_a_pod_range_is_asked_for_where_a_rule_reads_it(changes: dict[str, Any], path: str | None) -> None:
    raw = case("eni-without-node-ranges").model_dump(mode="json", exclude_unset=True)
    found = complaints(Topology.model_validate({**raw, **changes}))
    assert [complaint.path for complaint in found[:1]] == ([path] if path else [])


def test_pods_may_have_addresses_of_the_nodes_network() -> None:
    topology = case("eks-vpc-pods")
    pods = declared(topology).pods
    assert not {pods[name] for name in ("web-a", "pod-w1", "pod-w2")} & {node.address for node in topology.nodes}
    # the CNI does not masquerade to this range, so the pod IP is preserved
    assert predicted(topology, "pod-w2-to-host.nodeport.w1") == "ok host-a 10.0.0.12 (pod-w2)"
    # kube-proxy treats any source in the cluster CIDR as pod traffic: all endpoints, not masqueraded
    assert predicted(topology, "ext-to-web-local.nodeport.w2") == "timeout"
    assert predicted(topology, "ext-to-web-local.nodeport.w1") == "ok web-a 10.0.9.9 (bastion)"


LOCAL_AT_PI = {  # the first externalIP, 10.7.1.3: pi has the endpoint
    "host-pi": "ok traefik 10.42.0.1 (cni0 of pi)",
    "host-pj": "ok traefik 10.42.1.0 (vtep of pj)",
    "pod-pi": "ok traefik 10.42.0.11 (pod-pi)",
    "pod-pj": "ok traefik 10.42.1.10 (pod-pj)",
    "self": "ok traefik 10.42.0.1 (cni0 of pi)",
    "ext": "ok traefik 10.7.1.50 (laptop)",
}


@pytest.mark.parametrize("mode", OF_RULES)
def test_a_nodes_own_address_is_served_by_that_node(mode: str) -> None:
    topology = case("node-external-ips", mode=mode, version="1.36.2")
    assert {client: predicted(topology, f"{client}-to-web.externalip") for client in LOCAL_AT_PI} == LOCAL_AT_PI
    at_pj = {**LOCAL_AT_PI, "ext": "timeout"}  # pj has no endpoint
    assert {client: predicted(topology, f"{client}-to-web.externalip.2") for client in at_pj} == at_pj


def test_nftables_until_1_33_5_drops_a_process_of_a_node_without_endpoint() -> None:
    topology = case("node-external-ips", mode="nftables", version="1.33.5")
    assert predicted(topology, "host-pj-to-web.externalip.2") == "timeout"
    assert predicted(topology, "host-pi-to-web.externalip.2") == LOCAL_AT_PI["host-pi"]


def test_in_ipvs_mode_a_nodes_own_address_cuts_it_off_from_the_others() -> None:
    topology = case("node-external-ips", mode="ipvs", version="1.29.4")
    expected = {client: predicted(topology, f"{client}-to-web.externalip") for client in LOCAL_AT_PI}
    assert expected == {
        "host-pi": "ok traefik 10.7.1.3 (primary of pi)",
        "host-pj": "timeout",
        "pod-pi": "ok traefik 10.42.0.11 (pod-pi)",
        "pod-pj": "timeout",
        "self": "ok traefik 10.42.0.1 (cni0 of pi)",
        "ext": "ok traefik 10.7.1.50 (laptop)",
    }
    assert predicted(topology, "ext-to-web.externalip.2") == "timeout"
    assert predicted(topology, "host-pj-to-web.nodeport.pi") == "refused"
    assert predicted(topology, "pod-pj-to-web.clusterip") == "timeout"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.22.3", "ok traefik 10.7.1.50 (laptop)"),
        ("1.25.1", "refused"),  # #114815
        ("1.27.1", "refused"),
        ("1.27.2", "ok traefik 10.7.1.50 (laptop)"),  # #117684
    ],
)
def test_in_ipvs_mode_node_ports_at_such_an_address_were_lost(version: str, expected: str) -> None:
    topology = case("node-external-ips", mode="ipvs", version=version)
    assert predicted(topology, "ext-to-web.nodeport.pi") == expected


LIVE = {  # observed with kube-proxy 1.20.2, iptables, in the lab
    "host-n1-to-xip-local": "ok web-a 10.244.1.1 (cni0 of n1)",
    "pod-n2-to-xip-local": "ok web-a 198.18.1.12 (primary of n2)",
    "host-n2-to-xip-local": "ok web-a 198.18.1.12 (primary of n2)",
    "ext-e1-to-xip-local": "ok web-a 198.18.3.100 (e1)",
    "host-n1-to-xip-other": "timeout",
    "pod-n2-to-xip-other": "ok web-a 10.244.2.10 (pod-n2)",
    "host-n2-to-xip-other": "ok web-a 10.244.2.0 (vtep of n2)",
    "ext-e1-to-xip-other": "timeout",
}


def test_what_the_lab_saw_of_nodes_own_addresses() -> None:
    topology = case("lab-node-ips")
    assert {cell: predicted(topology, f"{cell}.externalip") for cell in LIVE} == LIVE


def test_without_endpoints_a_nodes_own_address_refuses_its_own_processes_too() -> None:
    topology = case("lab-node-ips")
    clients = ("host-n1", "host-n2", "pod-n1", "pod-n2", "ext-e1")
    assert {predicted(topology, f"{client}-to-xip-none.externalip") for client in clients} == {"refused"}
