"""A host port that is taken on a node: the backends of its app move together, and the expectation moves with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.lifecycle.host_ports import STEPS, candidates
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.cluster_state.declared_workload import declared_workload
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.support.fake_api import Api

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells
WISH = 9090


def conduct(kubeconfig: Path) -> session.Answers:
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0, keep=True)
    return session.conduct(TOPOLOGY, CELLS, "x", options, progress=lambda _: None)


def listens(pod: dict[str, Any]) -> int:
    [container] = pod["spec"]["containers"]
    return int(container["args"][1].partition("=")[2]) if len(container["args"]) > 1 else 0


def crashed() -> dict[str, Any]:
    ended = {"reason": "Error", "exitCode": 1, "message": "listen tcp :9090: bind: address already in use\n"}
    held = {
        "name": "agnhost",
        "ready": False,
        "image": "x",
        "imageID": "x",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": ended},
    }
    return {"phase": "Running", "podIP": "198.18.1.11", "containerStatuses": [held]}


def refused() -> dict[str, Any]:
    return {"phase": "Failed", "reason": "NodePorts", "message": "Pod was rejected: Predicate NodePorts failed"}


def unscheduled() -> dict[str, Any]:
    message = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def take(api: Api, *ports: int, how: Any = crashed) -> None:
    """Let something else on the nodes have these ports."""
    api.pod_status = lambda pod: how() if pod["spec"].get("hostNetwork") and listens(pod) in ports else None


@pytest.mark.parametrize("how", [crashed, refused, unscheduled])
def test_a_taken_port_is_replaced_by_a_free_one(how: Any, api: Api, kubeconfig: Path) -> None:
    first, second, *_ = candidates(WISH)
    take(api, WISH, first, how=how)
    answers = conduct(kubeconfig)

    assert answers.snapshot.ports == {"host-a": second}
    [pod] = [one for place, one in api.objects.items() if place.endswith("/pods/host-a")]
    assert listens(pod) == second
    assert pod["spec"]["containers"][0]["ports"][0]["containerPort"] == second
    assert pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] == second
    services = [one for place, one in api.objects.items() if "/services/host" in place]
    assert services
    assert {one["spec"]["ports"][0]["targetPort"] for one in services} == {second}
    assert not [one for one in answers.observations.values() if "host-a" in one.trouble]
    note = f"the host port of app host is taken on a node: its backends listen on {second} instead"
    assert [one for one in answers.notes if "host port" in one] == [note]


def test_without_a_free_port_the_cells_are_not_asked(api: Api, kubeconfig: Path) -> None:
    take(api, WISH, *candidates(WISH))
    answers = conduct(kubeconfig)

    troubles = {cell for cell, one in answers.observations.items() if "host-a is not Ready" in one.trouble}
    assert troubles >= {cell.id for cell in CELLS if cell.frontend.backend == "host-a"}
    assert len([call for call in api.calls if call.startswith("DELETE") and call.endswith("/host-a")]) == len(STEPS)


def test_a_free_port_is_left_alone(api: Api, kubeconfig: Path) -> None:
    assert conduct(kubeconfig).snapshot.ports == {}
    assert not [call for call in api.calls if call.startswith("DELETE")]


def test_the_expectation_is_at_the_port_found(api: Api, kubeconfig: Path) -> None:
    take(api, WISH)
    answers = conduct(kubeconfig)
    reference = declared_workload(TOPOLOGY, answers.snapshot)
    [port] = answers.snapshot.ports.values()

    assert {one.port for one in reference.services["host"].endpoints} == {port}
    cells = [cell for cell in CELLS if cell.frontend.backend == "host-a"]
    assert cells
    assert all(expect(TOPOLOGY, reference, cell).backends == {"host-a"} for cell in cells)


def test_candidates_are_below_the_nodeports_and_apart() -> None:
    for wish in (1, 80, 1024, 9090, 29999, 30500, 65534):
        found = list(candidates(wish))
        both = {port for one in found for port in (one, one + 1)}
        assert len(found) == len(STEPS)
        assert len(both) == 2 * len(STEPS)
        assert all(1024 <= port < 30000 for port in both)
        assert wish not in both
