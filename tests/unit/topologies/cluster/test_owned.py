"""A run deletes what it has created, and nothing else; two runs take turns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.support.fake_api import Api, Raw, serve, status
from topologies.cluster import client as clusters
from topologies.cluster import manifests, run_namespaces
from topologies.cluster.api import ClusterError
from topologies.cluster.client import Cluster
from topologies.cluster.run_namespaces import Lease
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPOLOGY = load("lab-small")


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Iterator[Cluster]:
    with serve(api, tmp_path) as kubeconfig:
        yield Cluster(clusters.connect(str(kubeconfig)), TOPOLOGY, "hairpin-mine", "mine")


def test_a_namespace_that_was_there_before_is_not_deleted(api: Api, cluster: Cluster) -> None:
    api.seed("hairpin-mine", "mine", age_s=9)

    with pytest.raises(ClusterError, match=r"namespace hairpin-mine exists already and is not this run's: run again"):
        cluster.deploy()
    cluster.remove()

    assert api.namespaces() == {"hairpin-mine"}
    assert not api.deleted


def test_nothing_created_nothing_deleted(api: Api, cluster: Cluster) -> None:
    api.script["POST /api/v1/namespaces"] = status(403, "namespaces is forbidden: User cannot create")

    with pytest.raises(ClusterError, match=r"create Namespace .*403 .*: namespaces is forbidden: User cannot create$"):
        cluster.deploy()
    cluster.remove()

    assert not [call for call in api.calls if call.startswith("DELETE")]


def test_what_a_run_created_is_deleted_by_its_uid(api: Api, cluster: Cluster) -> None:
    cluster.deploy()
    uid = cluster.uid
    cluster.remove()
    cluster.remove()

    assert api.deleted == [("hairpin-mine", uid)]
    assert uid


def test_a_namespace_made_anew_under_the_same_name_is_left_alone(api: Api, cluster: Cluster) -> None:
    cluster.deploy()
    del api.objects["/api/v1/namespaces/hairpin-mine"]
    api.seed("hairpin-mine", "mine")
    cluster.remove()

    assert api.namespaces() == {"hairpin-mine"}


def test_a_creation_whose_answer_was_lost_is_found_again(api: Api, cluster: Cluster) -> None:
    def lost() -> Raw:
        del api.script["POST /api/v1/namespaces"]
        api.answer(
            "POST",
            "/api/v1/namespaces",
            "",
            manifests.namespace("hairpin-mine", "mine", run_namespaces.owner()),
        )
        return Raw(b"<html>gateway timeout</html>", 200, "text/html")

    api.script["POST /api/v1/namespaces"] = lost
    with pytest.raises(ClusterError, match="create Namespace"):
        cluster.deploy()
    assert api.namespaces() == {"hairpin-mine"}
    cluster.remove()

    assert api.namespaces() == set()


def test_after_a_lost_answer_a_namespace_of_another_owner_is_left_alone(api: Api, cluster: Cluster) -> None:
    api.script["POST /api/v1/namespaces"] = lambda: Raw(b"<html>gateway timeout</html>", 200, "text/html")
    with pytest.raises(ClusterError, match="create Namespace"):
        cluster.deploy()
    api.seed("hairpin-mine", "mine")

    with pytest.raises(ClusterError, match="lists no namespace hairpin-mine of this run"):
        cluster.remove()
    assert api.namespaces() == {"hairpin-mine"}
    assert not api.deleted


def test_a_run_waits_for_earlier_ones_that_ask_and_for_no_others(api: Api, cluster: Cluster) -> None:
    api.seed("hairpin-asks", "asks", age_s=30, asking=True)
    api.seed("hairpin-dead", "dead", age_s=90, asking=False)
    api.seed("hairpin-unknown", "unknown", age_s=90)
    cluster.claim()
    api.seed("hairpin-later", "later", age_s=-30, asking=True)

    assert cluster.others.earlier() == "the run of namespace hairpin-asks of me is asking this cluster"


def test_a_namespace_that_is_being_deleted_counts_while_it_has_pods(api: Api, cluster: Cluster) -> None:
    api.seed("hairpin-gone", "gone", age_s=30)
    api.objects["/api/v1/namespaces/hairpin-gone"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert cluster.others.alone() == ""

    api.objects["/api/v1/namespaces/hairpin-gone/pods/a"] = {"metadata": {"name": "a"}}
    assert cluster.others.alone() == "namespace hairpin-gone is being deleted"


def test_the_external_ips_of_this_run_must_not_be_those_of_a_namespace_left_behind(api: Api, cluster: Cluster) -> None:
    address = next(ip for service in TOPOLOGY.workload.services for ip in service.external_ips)
    api.seed("hairpin-dead", "dead", age_s=90, asking=False)
    assert cluster.others.taken() == ""

    theirs = {"metadata": {"name": "a"}, "spec": {"externalIPs": [str(address)]}}
    api.objects["/api/v1/namespaces/hairpin-dead/services/a"] = theirs
    assert cluster.others.taken() == (
        f"namespace hairpin-dead of me, left by an earlier run, has Services at this run's externalIPs {address}"
    )


def test_a_lease_shows_that_its_run_asks_by_the_servers_clock_alone(
    api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's own clock is an hour late."""
    monkeypatch.setattr(run_namespaces, "RENEW_S", 0.05)
    monkeypatch.setattr(manifests, "micro_time", lambda: "2020-01-01T00:00:00.000000Z")
    cluster.claim()
    lease = Lease(cluster.api, cluster.namespace, "mine", lambda _: None)
    assert lease.hold() == ""
    time.sleep(0.3)
    [seen] = run_namespaces.run_namespaces(cluster.api)
    lease.release()

    assert seen.asking
    assert api.calls.count("PATCH /apis/coordination.k8s.io/v1/namespaces/hairpin-mine/leases/run") > 1


def test_a_run_whose_namespace_is_deleted_by_somebody_says_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_namespaces, "RENEW_S", 0.05)
    said: list[str] = []
    cluster.claim()
    lease = Lease(cluster.api, cluster.namespace, "mine", said.append)
    lease.hold()
    run_namespaces.delete(cluster.api, cluster.namespace, cluster.uid)
    time.sleep(0.5)

    assert said == ["namespace hairpin-mine was deleted by somebody else while this run asked"] == [lease.lost]


def test_without_the_right_to_leases_a_run_goes_on_and_says_what_follows(api: Api, cluster: Cluster) -> None:
    api.script["POST .*/leases"] = status(403, "leases is forbidden")
    cluster.claim()

    assert "cannot see that this run asks" in Lease(cluster.api, cluster.namespace, "mine", lambda _: None).hold()
