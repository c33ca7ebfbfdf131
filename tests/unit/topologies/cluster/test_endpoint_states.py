"""A run brings its backends into the declared states, reads their conditions, and ends them when it is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kubernetes import client

from hairpin.main import main
from probes.lifecycle import settling
from tests.unit.support.fake_api import Api, serve
from topologies.cluster import manifests
from topologies.cluster.api_objects import pod_status, read_slices
from topologies.cluster.client import Cluster, connect
from topologies.cluster.proxy_barrier import Settled
from topologies.cluster_state.api_fields import get_metadata, get_name
from topologies.loading.load import load
from topologies.loading.overrides import declared
from topologies.schema.enums import EndpointState

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = load("lab-endpoint-states")
OLD = declared("lab-endpoint-states", {"kubernetes": "1.20.2"})
TERMINATING = {"mix-b", "going-a", "going-b", "last-a", "over-a"}


def _pod(name: str) -> manifests.Manifest:
    return next(one for one in manifests.pods(TOPOLOGY, "run-1") if one["metadata"]["name"] == name)


def test_a_ready_pod_is_made_as_before() -> None:
    spec = _pod("mix-a")["spec"]
    container = spec["containers"][0]
    assert spec["terminationGracePeriodSeconds"] == 0
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    assert container["command"] == manifests.SAID_APART


@pytest.mark.parametrize(
    ("name", "stays", "probed"),
    [("mix-b", True, "httpGet"), ("down-a", False, "tcpSocket"), ("over-a", True, "tcpSocket")],
)
def test_a_pod_has_the_grace_period_and_the_probe_of_its_state(name: str, stays: bool, probed: str) -> None:
    spec = _pod(name)["spec"]
    container = spec["containers"][0]
    assert (spec["terminationGracePeriodSeconds"] == manifests.TERMINATING_S) is stays
    assert (container["command"] == manifests.IGNORING_SIGTERM) is stays
    assert probed in container["readinessProbe"]


def test_a_service_and_a_mark_publish_addresses_that_are_not_ready() -> None:
    made = {one["metadata"]["name"]: one["spec"] for one in manifests.services(TOPOLOGY, "run-1")}
    published = {name for name, spec in made.items() if spec.get("publishNotReadyAddresses")}
    backends = TOPOLOGY.workload.backends_by_name
    assert published == {"down-np-published", "over-np-published"}
    assert "publishNotReadyAddresses" not in manifests.mark(backends["mix-a"], "run-1", 1)["spec"]
    assert manifests.mark(backends["going-a"], "run-1", 1)["spec"]["publishNotReadyAddresses"] is True


def _status(*, ready: bool, deleted: bool, running: bool = True) -> client.V1Pod:
    state = client.V1ContainerState(running=client.V1ContainerStateRunning()) if running else client.V1ContainerState()
    container = client.V1ContainerStatus(
        name="agnhost", image="i", image_id="i", ready=ready, restart_count=0, state=state
    )
    condition = client.V1PodCondition(type="Ready", status="True" if ready else "False")
    status = client.V1PodStatus(
        phase="Running", start_time="2026-11-26", conditions=[condition], container_statuses=[container]
    )
    metadata = client.V1ObjectMeta(name="x", uid="1", deletion_timestamp="2026-11-26" if deleted else None)
    return client.V1Pod(metadata=metadata, status=status)


@pytest.mark.parametrize(
    ("ready", "deleted", "state"),
    [
        (True, False, EndpointState.READY),
        (False, False, EndpointState.UNREADY),
        (True, True, EndpointState.TERMINATING),
        (False, True, EndpointState.TERMINATING_UNREADY),
    ],
)
def test_the_state_of_a_running_pod_is_read(ready: bool, deleted: bool, state: EndpointState) -> None:
    assert pod_status(_status(ready=ready, deleted=deleted), str).state is state


def test_a_pod_that_does_not_run_has_no_state() -> None:
    assert pod_status(_status(ready=False, deleted=False, running=False), str).state is None


def _slice(service: str, *endpoints: client.V1Endpoint, family: str = "IPv4") -> client.V1EndpointSlice:
    return client.V1EndpointSlice(
        metadata=client.V1ObjectMeta(name=f"{service}-x", labels={"kubernetes.io/service-name": service}),
        address_type=family,
        endpoints=list(endpoints),
        ports=[client.DiscoveryV1EndpointPort(port=8080)],
    )


def _listed(name: str, *conditions: bool | None, address: str = "10.244.1.7") -> client.V1Endpoint:
    ready, serving, terminating = conditions
    return client.V1Endpoint(
        addresses=[address],
        conditions=client.V1EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        node_name="n1",
        target_ref=client.V1ObjectReference(name=name),
    )


def test_slices_have_all_conditions_and_unset_ones_are_read_as_kube_proxy_does() -> None:
    first = _slice("mix", _listed("mix-b", False, True, True), _listed("stranger", True, True, False))
    more = _slice("mix", _listed("mix-a", None, None, None), _listed("other", False, True, True))
    sixth = _slice("mix", _listed("down-a", True, True, False, address="fd00::1"), family="IPv6")
    endpoints, others = read_slices([first, more, sixth], TOPOLOGY)["mix"]
    conditions = {one.backend: (one.ready, one.serving, one.terminating) for one in endpoints}
    assert conditions == {"mix-a": (True, True, False), "mix-b": (False, True, True)}
    assert others == ("10.244.1.7",)
    assert {one.port for one in endpoints} == {8080}


def test_terminating_backends_are_deleted_and_stay_until_the_run_is_removed(tmp_path: Path) -> None:
    api = Api()
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(connect(str(kubeconfig)), OLD, "hairpin-run-1", "run-1")
        cluster.deploy()
        cluster.serve()
        assert settling.terminate(cluster, frozenset(), 5, lambda _: None) == ()
        deleted = {get_name(pod) for pod in cluster.listed_pods() if get_metadata(pod).deletion_timestamp}
        assert deleted == TERMINATING
        assert {name for name, _ in api.deleted} == TERMINATING
        cluster.remove()
    assert api.namespaces() == set()
    ended = [name for name, _ in api.deleted]
    assert [ended.count(name) for name in sorted(TERMINATING)] == [3] * len(TERMINATING)  # spec, 1 s, 0 s
    assert ended[-1] == "hairpin-run-1"


def test_clean_ends_the_terminating_pods_of_a_killed_run(tmp_path: Path) -> None:
    api = Api()
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(connect(str(kubeconfig)), OLD, "hairpin-run-1", "run-1")
        cluster.deploy()
        cluster.serve()
        settling.terminate(cluster, frozenset(), 5, lambda _: None)
        assert main(["clean", "--kubeconfig", str(kubeconfig), "--all"]) == 0
    assert api.namespaces() == set()
    assert [name for name, _ in api.deleted].count("mix-b") == 3


def test_a_backend_that_never_ran_is_not_deleted(tmp_path: Path) -> None:
    api = Api()
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(connect(str(kubeconfig)), OLD, "hairpin-run-1", "run-1")
        cluster.deploy()
        cluster.serve()
        settling.terminate(cluster, frozenset({"mix-b"}), 5, lambda _: None)
    assert {name for name, _ in api.deleted} == TERMINATING - {"mix-b"}


def test_slices_are_read_only_if_an_endpoint_may_be_listed_as_terminating(tmp_path: Path) -> None:
    for topology, reads in ((OLD, False), (TOPOLOGY, True), (load("lab-small"), False)):
        api = Api(collections={"/apis/discovery.k8s.io/v1/namespaces/hairpin-run-1/endpointslices": []})
        with serve(api, tmp_path) as kubeconfig:
            cluster = Cluster(connect(str(kubeconfig)), topology, "hairpin-run-1", "run-1")
            cluster.deploy()
            cluster.snapshot()
        assert any("endpointslices" in call for call in api.calls) is reads
        assert any(call.endswith("/endpoints") for call in api.calls) is not reads


def test_pods_that_are_declared_unready_are_not_waited_for(tmp_path: Path) -> None:
    def unready(pod: manifests.Manifest) -> manifests.Manifest | None:
        if pod["metadata"]["name"] not in {"down-a", "over-a"}:
            return None
        started = {"running": {"startedAt": "2026-11-26T00:00:00Z"}}
        container = {"name": "agnhost", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
        return {
            "phase": "Running",
            "podIP": "10.244.1.77",
            "startTime": "2026-11-26T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{**container, "state": started}],
        }

    api = Api(pod_status=unready)
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(connect(str(kubeconfig)), OLD, "hairpin-run-1", "run-1")
        cluster.deploy()
        assert cluster.running() == ""
        cluster.topology = load("lab-small")  # declares none of them
        assert "down-a is Running, not Ready" in cluster.running()


def test_a_ready_backend_is_the_endpoint_of_the_mark() -> None:
    cluster = Cluster(client.ApiClient(), OLD, "hairpin-run-1", "run-1")
    assert Settled(cluster).backends[0].name == "mix-a"
    assert Settled(cluster, lost=frozenset({"mix-a"})).backends[0].name == "mix-b"


def test_a_backend_is_deleted_once_its_services_list_it(tmp_path: Path) -> None:
    api = Api()
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(connect(str(kubeconfig)), OLD, "hairpin-run-1", "run-1")
        cluster.deploy()
        cluster.serve()
        listed = api.objects["/api/v1/namespaces/hairpin-run-1/endpoints/mix"]["subsets"]
        assert cluster.unlisted({"mix-b"}) == ""
        api.objects["/api/v1/namespaces/hairpin-run-1/endpoints/mix"]["subsets"] = []
        assert cluster.unlisted({"mix-b"}) == "mix-b is no endpoint of Service mix yet"
        notes = settling.terminate(cluster, frozenset(), 0.5, lambda _: None)
        api.objects["/api/v1/namespaces/hairpin-run-1/endpoints/mix"]["subsets"] = listed
    assert "mix-b is no endpoint of Service mix yet" in notes[0]
    assert {name for name, _ in api.deleted} == TERMINATING  # the look at the endpoints finds what is wrong
