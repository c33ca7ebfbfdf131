"""A run in a namespace that was made beforehand: it creates and deletes its own objects and nothing else."""

from __future__ import annotations

import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from hairpin.main import main
from probes import session
from probes.lifecycle.node_health import NodeHealth
from probes.plan.plan import plan
from tests.unit.support.fake_api import Api, now, status
from topologies.cluster import run_namespaces
from topologies.cluster.client import Cluster, ClusterError, connect
from topologies.cluster.shared_namespace import runs_in
from topologies.loading.load import load, raw, validated
from topologies.loading.overrides import apply

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = load("lab-small")
CELLS = [cell for cell in plan(TOPOLOGY).cells if cell.vantage.name == "pod-n1"]
TEAM = "/api/v1/namespaces/team"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/team/leases"
WIDE = ("GET /api/v1/namespaces", "GET /api/v1/namespaces/default/services", ".* /api/v1/nodes/.*/proxy/.*")
THEIRS = {f"{TEAM}/pods/theirs", f"{TEAM}/services/theirs"}


@pytest.fixture
def api() -> Api:
    made = Api(node_proxy=False)
    for number, place in enumerate(sorted(THEIRS)):
        labels = {"app": "x"}
        made.objects[place] = {"metadata": {"name": "theirs", "uid": str(number), "labels": labels}}
    for pattern in WIDE:
        made.script[pattern] = status(403, 'is forbidden: User "probe" cannot do this at the cluster scope')
    return made


def conduct(kubeconfig: Path, **more: Any) -> session.Answers:
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0, namespace="team", **more)
    return session.conduct(TOPOLOGY, CELLS, "x", options, progress=lambda _: None)


def left(api: Api) -> set[str]:
    return {place for place in api.objects if "/namespaces/team/" in place and "/endpoints/" not in place}


def test_a_run_leaves_the_namespace_as_it_was(api: Api, kubeconfig: Path) -> None:
    conduct(kubeconfig)

    assert left(api) == THEIRS
    assert [call for call in api.calls if call == f"POST {TEAM}/pods"]
    assert not [call for call in api.calls if call.endswith(" /api/v1/namespaces") and not call.startswith("GET")]
    assert f"DELETE {TEAM}" not in api.calls


def test_everything_that_a_run_creates_has_its_label(api: Api, kubeconfig: Path) -> None:
    conduct(kubeconfig, keep=True)

    made = [api.objects[place] for place in left(api) - THEIRS]
    assert len(made) > 8
    assert {one["metadata"]["labels"]["hairpin/run"] for one in made} == {"x"}
    assert f"{LEASES}/run-x" in left(api)
    selectors = [one["spec"]["selector"] for one in made if "selector" in one.get("spec", {})]
    assert {one["hairpin/run"] for one in selectors} == {"x"}


def test_objects_are_deleted_by_their_uid(api: Api, kubeconfig: Path) -> None:
    conduct(kubeconfig)

    assert api.deleted
    assert all(uid for _, uid in api.deleted)


def test_what_is_there_already_is_not_taken_over(api: Api, kubeconfig: Path) -> None:
    api.objects[f"{TEAM}/pods/web-a"] = {"metadata": {"name": "web-a", "uid": "3", "labels": {"app": "x"}}}

    with pytest.raises(ClusterError, match=r"another object has this name\. .* hairpin clean --namespace NS"):
        conduct(kubeconfig)
    assert left(api) == THEIRS | {f"{TEAM}/pods/web-a"}


def test_a_namespace_that_is_not_there_is_named(api: Api, kubeconfig: Path) -> None:
    api.script[f"POST {TEAM}/pods"] = status(404, 'namespaces "team" not found')

    with pytest.raises(ClusterError, match=r"there is no namespace team\. Create it: kubectl create namespace"):
        conduct(kubeconfig)


def test_a_run_in_the_same_namespace_is_waited_for(api: Api, kubeconfig: Path) -> None:
    seed(api, "earlier", age_s=30, asking=True)
    lines: list[str] = []

    def end(line: str) -> None:
        lines.append(line)
        if "earlier" in line:
            api.objects.pop(f"{LEASES}/run-earlier", None)

    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0, namespace="team")
    session.conduct(TOPOLOGY, CELLS, "x", options, progress=end)

    assert [line for line in lines if line.startswith("waiting: the run of run earlier of me in namespace team")]


def seed(api: Api, run: str, *, age_s: float, asking: bool) -> None:
    """Add the objects of another run to the namespace."""
    labels = {"app.kubernetes.io/managed-by": "hairpin", "hairpin/run": run}
    metadata = {"labels": labels, "creationTimestamp": now(age_s)}
    api.objects[f"{TEAM}/pods/{run}-pod"] = {"metadata": metadata | {"name": f"{run}-pod", "uid": f"{run}-1"}}
    renewed = now(0 if asking else 300)
    lease = {"name": f"run-{run}", "uid": f"{run}-2", "managedFields": [{"manager": "x", "time": renewed}]}
    api.objects[f"{LEASES}/run-{run}"] = {
        "metadata": metadata | lease,
        "spec": {"holderIdentity": "me", "renewTime": renewed[:-1] + ".000000Z"},
    }


@pytest.mark.parametrize(("run", "earlier"), [("a", ""), ("z", "the run of run m of me in namespace team is asking")])
def test_of_two_runs_of_the_same_second_one_is_the_earlier(run: str, earlier: str, api: Api, kubeconfig: Path) -> None:
    seed(api, "m", age_s=30, asking=True)
    cluster = Cluster(connect(str(kubeconfig)), TOPOLOGY, "team", run, given=True)
    [other] = runs_in(cluster.api, "team")
    cluster.created = other.created

    assert cluster.others.earlier() == (f"{earlier} this cluster" if earlier else "")


def test_a_runs_age_is_that_of_the_servers_clock(api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server's clock is an hour behind this host's. The run has no Lease."""
    monkeypatch.setattr(
        BaseHTTPRequestHandler, "date_time_string", lambda _: formatdate(time.time() - 3600, usegmt=True)
    )
    seed(api, "young", age_s=3700, asking=False)
    del api.objects[f"{LEASES}/run-young"]

    [young] = runs_in(connect(str(kubeconfig)), "team")
    assert 60 < young.age_s < 300


def test_an_object_without_a_time_is_named(api: Api, kubeconfig: Path) -> None:
    seed(api, "old", age_s=30, asking=False)
    del api.objects[f"{TEAM}/pods/old-pod"]["metadata"]["creationTimestamp"]

    with pytest.raises(ClusterError, match=r"list Pods in team: .* it has no metadata\.creationTimestamp"):
        runs_in(connect(str(kubeconfig)), "team")


def test_what_was_being_created_during_an_interruption_is_removed_too(api: Api, kubeconfig: Path) -> None:
    cluster = Cluster(connect(str(kubeconfig)), TOPOLOGY, "team", "x", given=True)
    cluster.claim()
    cluster.remove()  # by the thread that gets the signal
    seed(api, "x", age_s=0, asking=True)
    cluster.remove()  # by the main thread, which was interrupted in a call

    assert left(api) == THEIRS


def test_a_run_whose_lease_is_deleted_names_it(api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_namespaces, "RENEW_S", 0.05)
    lines: list[str] = []
    lease = run_namespaces.Lease(connect(str(kubeconfig)), "team", "x", lines.append, shared=True)
    assert lease.hold() == ""
    del api.objects[f"{LEASES}/run-x"]
    time.sleep(0.5)
    lease.release()

    assert lines == ["the Lease run-x in namespace team was deleted by somebody else while this run asked"]


def test_one_object_that_stays_does_not_keep_the_others(api: Api, kubeconfig: Path) -> None:
    api.script[f"DELETE {TEAM}/services/web"] = status(403, 'admission webhook "x" denied the request')
    notes = conduct(kubeconfig).notes

    assert left(api) - THEIRS == {f"{TEAM}/services/web", f"{LEASES}/run-x"}
    [note] = [note for note in notes if "are left behind" in note]
    assert note.startswith(
        "objects of run x are left behind in team, remove them with `hairpin clean --namespace team`"
    )
    assert "delete Service web in team" in note


@pytest.mark.parametrize("option", ["--list", "--older-than=0"])
def test_clean_removes_what_ended_runs_left(
    option: str, api: Api, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed(api, "old", age_s=7200, asking=False)
    seed(api, "busy", age_s=60, asking=True)
    before = left(api)

    assert main(["clean", "--namespace", "team", "--kubeconfig", str(kubeconfig), option]) == 0
    lines = capsys.readouterr().out.splitlines()

    gone = {f"{TEAM}/pods/old-pod", f"{LEASES}/run-old"}
    assert left(api) == (before if option == "--list" else before - gone)
    assert lines[0].startswith("run old of me in namespace team, made 120 min ago: ")
    assert lines[1].endswith("spared: its run is at work (--all removes it all the same)")
    assert len(lines) == 2


def test_the_nodes_are_asked_from_a_pod_without_nodes_proxy(
    api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def ask(_: object, node: str, port: int) -> bool:
        asked.append((node, port))
        return True

    monkeypatch.setattr("probes.lifecycle.node_health.NodeHealth.__call__", ask)
    answers = conduct(kubeconfig)

    assert {node for node, _ in asked} == {"n1", "n2"}
    assert not [call for call in api.calls if "/proxy/" in call]
    assert not [note for note in answers.notes if "is not yet answered" in note]


def test_the_nodes_are_asked_from_a_pod_that_runs(api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod of host-n1 has an address, and has crashed."""
    ended = {"phase": "Failed", "podIP": "198.18.1.11", "conditions": [{"type": "Ready", "status": "False"}]}
    api.pod_status = lambda pod: ended if pod["metadata"]["name"] == "host-n1" else None
    probers: set[str] = set()

    def ask(health: NodeHealth, _node: str, _port: int) -> bool:
        probers.add(health.prober.name)
        return True

    monkeypatch.setattr(NodeHealth, "__call__", ask)
    conduct(kubeconfig)

    assert probers == {"host-n2"}


def test_with_nodes_proxy_the_api_server_asks(api: Api, kubeconfig: Path) -> None:
    api.node_proxy = True
    del api.script[WIDE[2]]
    conduct(kubeconfig)

    assert [call for call in api.calls if "/proxy/" in call]


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ({"image_pull_secrets": ["login"]}, "pods.image_pull_secrets of topology lab-small: got login, which a run"),
        ({"service_account": "probe"}, "pods.service_account of topology lab-small: got probe, which a run"),
    ],
)
def test_objects_that_a_new_namespace_lacks_need_a_namespace(
    pods: dict[str, Any], words: str, api: Api, kubeconfig: Path
) -> None:
    given, source = raw("lab-small")
    topology = validated(apply(given, {"pods": pods}), source)

    with pytest.raises(ClusterError, match=words):
        session.conduct(topology, [], "x", session.Options(kubeconfig=str(kubeconfig)), progress=lambda _: None)
    assert not api.calls
