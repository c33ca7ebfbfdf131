"""A pod that will never be Ready ends the wait for it at once; an image that nobody can pull ends the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.lifecycle import settling
from tests.unit.support.fake_api import Api, serve
from topologies.cluster import client as clusters
from topologies.cluster.api import ClusterError
from topologies.cluster.client import Cluster
from topologies.cluster.proxy_barrier import Settled
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPOLOGY = load("lab-small")
FIRST = TOPOLOGY.workload.backends[0].name
WAIT_S = 20.0


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Iterator[Cluster]:
    with serve(api, tmp_path) as kubeconfig:
        yield Cluster(clusters.connect(str(kubeconfig)), TOPOLOGY, "hairpin-mine", "mine")


def waiting(reason: str, message: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    container = {"name": "agnhost", "image": "x", "imageID": "", "ready": False, "restartCount": 1, "state": state}
    return {"phase": "Pending", "startTime": "2026-11-22T07:00:00Z", "containerStatuses": [container]}


def test_an_image_that_cannot_be_pulled_ends_the_run_at_once(api: Api, cluster: Cluster) -> None:
    api.pod_status = lambda _: waiting("ErrImagePull", "not found")
    cluster.deploy()
    began = time.monotonic()

    with pytest.raises(
        ClusterError, match=r"^pod \S+ is Pending \(ErrImagePull for image x: not found\) \(and \d+ more"
    ):
        settling.wait_for_pods(cluster, WAIT_S, lambda _: None)
    assert time.monotonic() - began < WAIT_S / 4


def test_a_crashed_backend_is_not_waited_for_and_is_named(api: Api, cluster: Cluster) -> None:
    crashed = waiting("CrashLoopBackOff", "bind: address already in use")
    api.pod_status = lambda pod: crashed if pod["metadata"]["name"] == FIRST else None
    cluster.deploy()
    began = time.monotonic()
    notes, lost = settling.wait_for_pods(cluster, WAIT_S, lambda _: None)
    cluster.serve()

    assert lost == {FIRST}
    assert len(notes) == 1
    assert notes[0].startswith(f"pod {FIRST} is CrashLoopBackOff (bind: address already in use")
    assert cluster.ready() == ""
    assert time.monotonic() - began < WAIT_S / 2


def test_the_mark_by_which_kube_proxy_is_waited_for_has_a_backend_that_is_there(cluster: Cluster) -> None:
    others = [one for one in TOPOLOGY.workload.backends if one.name != FIRST]

    assert Settled(cluster, lost=frozenset({FIRST})).backends == others
    assert Settled(cluster, lost=frozenset(one.name for one in TOPOLOGY.workload.backends)).nodes == []


def test_the_labs_own_image_is_refused_for_any_other_cluster() -> None:
    """Before anything is created, or the kubeconfig is even read."""
    elsewhere = TOPOLOGY.model_copy(update={"lab": None, "name": "mine"})

    with pytest.raises(
        ClusterError, match=r"images\.agnhost of topology mine: got hairpin\.local/agnhost:1, which only a lab"
    ):
        session.conduct(elsewhere, [], "x", session.Options(kubeconfig="/nonexistent"), progress=lambda _: None)
