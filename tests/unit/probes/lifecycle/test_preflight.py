"""A run against an API other than declared ends before anything is created, or its cells give the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.plan.plan import plan
from tests.unit.support.fake_api import Api, Raw, status
from topologies.cluster.client import ClusterError
from topologies.cluster_state.node_versions import NodeVersions, merge_nodes
from topologies.cluster_state.proxy_facts import ProxyFacts
from topologies.cluster_state.snapshot import OtherNode
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.loading.load import load, raw, validated
from topologies.loading.overrides import apply

if TYPE_CHECKING:
    from pathlib import Path

    from topologies.schema.topology import Topology

TOPOLOGY = load("lab-small")
CELLS = [cell for cell in plan(TOPOLOGY).cells if cell.vantage.name == "pod-n1"]
HOST = {cell.id for cell in CELLS if "-to-host" in cell.id and "undeclared" not in cell.id}


@pytest.fixture
def api() -> Api:
    made = Api()
    for number, name in enumerate(("n1", "n2"), start=1):
        addresses = [{"type": "InternalIP", "address": f"198.18.1.1{number}"}, {"type": "Hostname", "address": name}]
        made.objects[f"/api/v1/nodes/{name}"] = {
            "metadata": {"name": name},
            "spec": {"podCIDR": f"10.244.{number}.0/24"},
            "status": {"addresses": addresses},
        }
    return made


def conduct(kubeconfig: Path, **more: Any) -> session.Answers:
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0)
    return session.conduct(TOPOLOGY, CELLS, "x", options, progress=lambda _: None, **more)


def created(api: Api) -> list[str]:
    return [call for call in api.calls if call.startswith("POST")]


def test_a_node_that_is_not_listed_ends_the_run_before_anything_is_created(api: Api, kubeconfig: Path) -> None:
    del api.objects["/api/v1/nodes/n2"]

    with pytest.raises(ClusterError, match="node n2: declared there, real not among n1") as caught:
        conduct(kubeconfig)
    assert "\n" not in str(caught.value)
    assert not created(api)


def test_another_version_ends_the_run_before_anything_is_created(api: Api, kubeconfig: Path) -> None:
    fields = ("major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
    told = {"gitVersion": "v1.30.3", **dict.fromkeys(fields, "x")}
    api.script["GET /version/"] = Raw(str(told).replace("'", '"').encode())

    with pytest.raises(ClusterError, match=r"kubernetes: declared 1.20.2, real v1.30.3 \(the API server's /version\)"):
        conduct(kubeconfig)
    assert not created(api)


def test_pods_outside_the_declared_ranges_end_the_run_before_a_service_is_created(api: Api, kubeconfig: Path) -> None:
    def strange(_: dict[str, Any]) -> dict[str, Any]:
        return {"phase": "Running", "podIP": "172.31.0.9", "conditions": [{"type": "Ready", "status": "True"}]}

    api.pod_status = strange
    with pytest.raises(ClusterError, match=r"pod_cidr of node n1: declared .*, real a range with 172"):
        conduct(kubeconfig)
    assert not [call for call in created(api) if call.endswith("services")]


def test_nodes_that_may_not_be_listed_are_told_once(api: Api, kubeconfig: Path) -> None:
    api.script["GET /api/v1/nodes"] = status(403, "nodes is forbidden: User x cannot list resource nodes")
    answers = conduct(kubeconfig)

    [note] = [note for note in answers.notes if "forbidden" in note]
    assert note.startswith("not compared with the topology: list Nodes: the API answered 403")
    assert sum("kube-proxy of" in note for note in answers.notes) == 1
    assert answers.versions == {"kubernetes": "v1.20.2"}


def crashed(pod: dict[str, Any]) -> dict[str, Any] | None:
    if pod["metadata"]["name"] != "host-a":
        return None
    ended = {"reason": "Error", "exitCode": 1, "message": "listen tcp :9090: bind: address already in use\n"}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
    state = {"name": "agnhost", "ready": False, "image": "x", "imageID": "x", "restartCount": 3}
    held = state | {"state": {"waiting": waiting}, "lastState": {"terminated": ended}}
    conditions = [{"type": "Ready", "status": "False"}]
    return {"phase": "Running", "podIP": "198.18.1.11", "conditions": conditions, "containerStatuses": [held]}


def test_the_cells_of_a_crashed_backend_are_not_asked(api: Api, kubeconfig: Path) -> None:
    api.pod_status = crashed
    said: list[str] = []
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0)
    answers = session.conduct(TOPOLOGY, CELLS, "x", options, progress=said.append)
    why = {cell: seen.trouble for cell, seen in answers.observations.items() if "host-a" in seen.trouble}

    assert set(why) == HOST
    assert all(reason.startswith("declared backend host-a is not Ready: CrashLoopBackOff") for reason in why.values())
    assert all("bind: address already in use" in reason for reason in why.values())
    assert any(line.startswith("NOT TESTED: declared backend host-a is not Ready") for line in said)
    assert not any("not settled: endpoints" in line for line in said)


def test_a_pod_that_restarts_while_cells_are_asked_is_told(api: Api, kubeconfig: Path) -> None:
    def restart(_: session.Answers) -> None:
        [place] = [place for place in api.objects if place.endswith("/pods/web-a")]
        once = {"name": "agnhost", "ready": True, "image": "x", "imageID": "x", "restartCount": 1}
        api.objects[place]["status"]["containerStatuses"] = [once]

    answers = conduct(kubeconfig, before_asking=restart)

    assert (
        "the cluster changed while cells were asked: backend web-a restarted (0 restarts before, 1 after)"
        in answers.notes
    )


def aliased(api: Api) -> Topology:
    """The topology with a first node whose name in the API is another; the API has that node."""
    api_name = "ip-10-0-1-2.ec2.internal"
    node = api.objects.pop("/api/v1/nodes/n1")
    api.objects[f"/api/v1/nodes/{api_name}"] = node | {"metadata": {"name": api_name}}
    given, _ = raw("lab-small")
    return validated(apply(given, {"nodes.0.metadata_name": api_name}), "mine")


def test_only_the_api_sees_the_name_that_it_has_for_an_aliased_node(api: Api, kubeconfig: Path) -> None:
    topology = aliased(api)
    api.node_addresses = {"ip-10-0-1-2.ec2.internal": 1}
    cells = [cell for cell in plan(topology).cells if cell.vantage.name == "pod-n1"]
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0, keep=True)
    answers = session.conduct(topology, cells, "x", options, progress=lambda _: None)

    pods = [one for place, one in api.objects.items() if "/pods/" in place]
    assert {one["spec"]["nodeName"] for one in pods} == {"ip-10-0-1-2.ec2.internal", "n2"}
    assert {one.node for one in answers.snapshot.statuses.values()} == {"n1", "n2"}
    assert {one.node for one in answers.snapshot.services["web"].endpoints} == {"n1"}
    assert any("/nodes/ip-10-0-1-2.ec2.internal%3A3" in call for call in api.calls)
    assert not any("/nodes/n1%3A" in call for call in api.calls)
    assert not [one for one in answers.notes if "nodes that the topology" in one or "runs on" in one]


def test_a_message_about_an_aliased_node_has_both_names(api: Api, kubeconfig: Path) -> None:
    topology = aliased(api)
    [place] = [place for place in api.objects if "ec2" in place]
    api.objects[place]["status"]["addresses"][0]["address"] = "198.18.1.99"
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0)

    with pytest.raises(ClusterError) as caught:
        session.conduct(topology, CELLS, "x", options, progress=lambda _: None)
    assert "address of node n1 (ip-10-0-1-2.ec2.internal): declared 198.18.1.11" in str(caught.value)


def test_a_node_that_is_not_declared_is_in_the_snapshot(api: Api, kubeconfig: Path) -> None:
    addresses = [{"type": "InternalIP", "address": "198.18.1.13"}]
    api.objects["/api/v1/nodes/n3"] = {
        "metadata": {"name": "n3"},
        "spec": {"podCIDR": "10.244.3.0/24"},
        "status": {"addresses": addresses},
    }
    answers = conduct(kubeconfig)

    assert answers.snapshot.other_nodes == (OtherNode("n3", IPAddress("198.18.1.13"), IPNetwork("10.244.3.0/24")),)
    assert [note for note in answers.notes if "n3" in note] == [
        "nodes that the topology does not declare: n3. They are not asked; the load balancer may use them"
    ]


def test_without_the_right_to_list_nodes_the_run_reports_that_it_knows_no_others(api: Api, kubeconfig: Path) -> None:
    api.script["GET /api/v1/nodes"] = status(403, "nodes is forbidden: User x cannot list resource nodes")

    [note] = [note for note in conduct(kubeconfig).notes if "does not declare" in note]
    assert note.endswith("are not known: a load balancer's cells may fail for them")


def test_what_each_node_runs_is_in_the_answers(api: Api, kubeconfig: Path) -> None:
    info = {
        **dict.fromkeys(("architecture", "bootID", "kubeProxyVersion", "machineID", "operatingSystem"), "x"),
        **dict.fromkeys(("osImage", "systemUUID"), "x"),
        "containerRuntimeVersion": "containerd://1.6.20",
        "kernelVersion": "6.1.0",
        "kubeletVersion": "v1.20.2",
    }
    api.objects["/api/v1/nodes/n1"]["status"]["nodeInfo"] = info
    found: list[session.Answers] = []
    conduct(kubeconfig, before_asking=found.append)

    assert found[0].nodes["n1"] == NodeVersions("v1.20.2", "containerd://1.6.20", "6.1.0")
    assert found[0].nodes["n2"] == NodeVersions()


def test_what_the_api_and_a_kube_proxy_report_is_one_nodes() -> None:
    api = {"n1": NodeVersions(kubelet="v1.34.4", container_runtime="containerd://2.1.4")}
    own = {"n1": ProxyFacts("n1", mode="ipvs", version="v1.30.14").versions, "n2": NodeVersions(mode="iptables")}

    assert merge_nodes(api, own) == {
        "n1": NodeVersions("v1.34.4", "containerd://2.1.4", kube_proxy="v1.30.14", mode="ipvs"),
        "n2": NodeVersions(mode="iptables"),
    }
