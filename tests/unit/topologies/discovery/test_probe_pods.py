"""The probe pods: what they show, which nodes are replaced, and what is left in the cluster."""

from __future__ import annotations

import pytest

from tests.unit.support import fake_api
from tests.unit.support.discoverer import Discoverer, values
from tests.unit.support.real_clusters.alibaba_tencent_huawei import tke
from tests.unit.support.real_clusters.installed import kind
from tests.unit.support.real_clusters.seeds import node
from topologies.discovery.discover import list_findings


def test_the_service_range_is_read_from_the_error_for_an_address_outside_it(discoverer: Discoverer) -> None:
    cluster = tke()
    cluster.service_range = "172.16.252.0/22"

    found = dict(list_findings(discoverer.discover(cluster)))["service_cidr"]

    assert found.value == "172.16.252.0/22"
    assert "names the range" in found.source


def test_refused_connections_show_that_nodes_forward_and_accept(discoverer: Discoverer) -> None:
    found = values(discoverer.discover(kind()))

    assert (found["cni.forward_policy"], found["cni.input_policy"]) == ("accept", "accept")


@pytest.mark.parametrize(
    ("silent", "policies"),
    [
        ({"10.244.1.9", "10.244.2.9"}, ("unknown", "accept")),
        ({"10.244.2.9"}, ("accept", "accept")),  # the other direction passed both nodes
        ({"192.168.1.12"}, ("accept", "unknown")),
    ],
)
def test_silence_leaves_a_policy_unknown(discoverer: Discoverer, silent: set[str], policies: tuple[str, str]) -> None:
    discoverer.silent = silent

    found = values(discoverer.discover(kind()))

    assert (found["cni.forward_policy"], found["cni.input_policy"]) == policies


def test_a_node_whose_pod_does_not_run_is_replaced_and_named(discoverer: Discoverer) -> None:
    cluster = kind()
    cluster.nodes.append(node("n0", "192.168.1.10", cidr="10.244.0.0/24"))

    discovery = discoverer.discover(cluster, count=2)

    assert [one.chosen.node.name for one in discovery.nodes] == ["n1", "n2"]
    assert [line for line in discovery.left_out if "n0" in line and "could not be asked" in line]


def test_a_node_without_a_replacement_is_named_once(discoverer: Discoverer) -> None:
    cluster = kind()
    cluster.nodes.append(node("n0", "192.168.1.10", cidr="10.244.0.0/24"))

    discovery = discoverer.discover(cluster)

    assert sum("n0" in line for line in discovery.left_out) == 1


def test_a_pod_that_admission_refuses_is_named_with_the_reason(discoverer: Discoverer) -> None:
    refusal = 'pods "host-1" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    discoverer.api.script["POST /api/v1/namespaces/.*/pods"] = lambda: (
        fake_api.status(403, refusal) if discoverer.api.body["spec"].get("hostNetwork") else None
    )

    discoverer.discover(kind())

    assert [line for line in discoverer.progress if line.startswith("node n1: ") and "PodSecurity" in line]


def test_probing_lists_nothing_but_the_pods(discoverer: Discoverer) -> None:
    discoverer.discover(kind())

    namespace = "GET /api/v1/namespaces/hairpin-a1b2/"
    assert {call for call in discoverer.api.calls if call.startswith(namespace)} == {f"{namespace}pods"}


def test_nothing_is_left_in_the_cluster(discoverer: Discoverer) -> None:
    discoverer.discover(kind())

    assert discoverer.api.namespaces() == set()
    assert [name for name, _ in discoverer.api.deleted] == ["hairpin-a1b2"]


def test_a_namespace_that_exists_is_used_and_left(discoverer: Discoverer) -> None:
    discoverer.api.script["POST /api/v1/namespaces"] = fake_api.status(403, "forbidden")

    discovery = discoverer.discover(kind(), namespace="team")

    assert values(discovery)["proxy.mode"] == "iptables"
    assert "POST /api/v1/namespaces/team/pods" in discoverer.api.calls
    assert not [path for path in discoverer.api.objects if "/namespaces/team/pods/" in path]
