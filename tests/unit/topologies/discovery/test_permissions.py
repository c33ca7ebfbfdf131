"""What a refusal leaves unknown, and which failures end discovery with one error."""

from __future__ import annotations

import pytest

from tests.unit.support import fake_api
from tests.unit.support.discoverer import Discoverer, values, written
from tests.unit.support.real_clusters.installed import kind, kubeadm_flannel_metallb
from tests.unit.support.real_clusters.seeds import SeededCluster
from topologies.cluster.client import ClusterError
from topologies.loading.load import parse

FORBIDDEN = fake_api.status(403, "forbidden")
OPTIONAL = (
    ("GET /apis/apps/v1/.*", "DaemonSets"),
    ("GET /api/v1/namespaces/kube-system/configmaps/.*", "ConfigMaps of kube-system"),
    ("GET /api/v1/services", "Services of all namespaces"),
    ("GET /apis/metallb.io/.*", "ipaddresspools"),
    ("GET /apis/networking.k8s.io/.*/servicecidrs", "servicecidrs"),
    ("GET /api/v1/nodes/.*/proxy/.*", "nodes/proxy"),
    ("GET /api/v1/namespaces/kube-system/pods", "Pods of kube-system"),
    ("POST /api/v1/namespaces", "probe pods"),
    ("POST /api/v1/namespaces/.*/pods", "probe pods"),
)


@pytest.mark.parametrize(("calls", "what"), OPTIONAL)
def test_a_missing_permission_is_named_with_what_stays_unknown(discoverer: Discoverer, calls: str, what: str) -> None:
    discoverer.api.script[calls] = FORBIDDEN

    discovery = discoverer.discover(kubeadm_flannel_metallb())

    named = [one for one in discovery.unread if one.what.startswith(what)]
    assert len(named) == 1
    assert named[0].leaves
    assert f"#   {named[0].what}: " in written(discovery)
    parse(written(discovery), "mine")


def test_without_any_optional_permission_no_value_is_a_guess(discoverer: Discoverer) -> None:
    discoverer.api.script |= {calls: FORBIDDEN for calls, _ in OPTIONAL}

    found = values(discoverer.discover(kubeadm_flannel_metallb()))

    known = {path for path, value in found.items() if value not in {None, "unknown"} or isinstance(value, bool)}
    assert {path for path in known if path.startswith(("proxy", "kernel"))} == set()
    assert found["cni.masquerade"] == "unknown"


def test_nodes_that_may_not_be_listed_end_it_with_the_right_that_is_missing(discoverer: Discoverer) -> None:
    discoverer.api.script["GET /api/v1/nodes"] = FORBIDDEN

    with pytest.raises(ClusterError, match="list nodes"):
        discoverer.discover(kind())


def test_an_expired_token_is_one_error(discoverer: Discoverer) -> None:
    discoverer.api.script[".*"] = lambda: fake_api.status(401, "Unauthorized")

    with pytest.raises(ClusterError, match="401"):
        discoverer.discover(kind())


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b"null", b'{"kind":"List"}'])
def test_an_api_that_is_not_kubernetes_is_one_error(discoverer: Discoverer, body: bytes) -> None:
    discoverer.api.script[".*"] = fake_api.Raw(body)

    with pytest.raises(ClusterError, match=r"API server|JSON"):
        discoverer.discover(kind())


def test_an_empty_cluster_is_one_error(discoverer: Discoverer) -> None:
    with pytest.raises(ClusterError, match="the API lists no node"):
        discoverer.discover(SeededCluster("v1.29.4", []))
