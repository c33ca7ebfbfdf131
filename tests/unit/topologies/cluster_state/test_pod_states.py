"""Which states of a pod end the wait, from statuses as kubelets of 1.20 to 1.30 report them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes import client

from topologies.cluster_state.pod_states import PodState, classify

READY = [{"type": "Ready", "status": "True"}]
UNREADY = [
    {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "unready: [agnhost]",
    }
]


def pod(status: dict[str, Any] | None, *, host_network: bool = False) -> Any:
    written = {"metadata": {"name": "web-a"}, "spec": {"nodeName": "n1", "hostNetwork": host_network, "containers": []}}
    written |= {"status": status} if status is not None else {}
    return client.ApiClient().deserialize(json.dumps(written), "V1Pod", "application/json")


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    container = {"name": "agnhost", "image": "x/agnhost:1", "imageID": "", "ready": False, "restartCount": 0}
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {
        "phase": "Pending",
        "startTime": "2026-11-22T07:00:00Z",
        "conditions": UNREADY,
        "containerStatuses": [container | {"state": state} | more],
    }


PULL = 'rpc error: code = NotFound desc = failed to pull and unpack image "x/agnhost:1": not found'
LAST_WORDS = "Error, exit code 1: listen tcp :9090: bind: address already in use"
CRASHED = {
    "terminated": {
        "exitCode": 1,
        "reason": "Error",
        "message": "starting\nlisten tcp :9090: bind: address already in use\n",
    }
}
REFUSED = {"phase": "Failed", "startTime": "2026-11-22T07:00:00Z"}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (waiting("ErrImagePull", PULL), f"Pending (ErrImagePull for image x/agnhost:1: {PULL})"),
        (waiting("ImagePullBackOff", "Back-off pulling image"), "ImagePullBackOff for image x/agnhost:1"),
        (waiting("InvalidImageName", "couldn't parse image reference"), "InvalidImageName"),
        (waiting("ErrImageNeverPull"), "ErrImageNeverPull"),
        (
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
            "runAsNonRoot",
        ),
        (
            waiting("CreateContainerError", "context deadline exceeded"),
            "CreateContainerError: context deadline exceeded",
        ),
        (waiting("RunContainerError", 'exec: "sh": executable file not found in $PATH'), 'exec: "sh"'),
        (
            REFUSED | {"reason": "OutOfcpu", "message": "Pod Node didn't have enough resource: cpu"},
            "Failed (OutOfcpu: Pod Node",
        ),
        (
            REFUSED | {"reason": "UnexpectedAdmissionError", "message": "no device"},
            "UnexpectedAdmissionError: no device",
        ),
        (REFUSED | {"reason": "NodeAffinity", "message": "Predicate NodeAffinity failed"}, "NodeAffinity"),
        (REFUSED | {"reason": "Evicted", "message": "low on memory"}, "Evicted"),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/2 nodes are available",
                    }
                ],
            },
            "Pending (Unschedulable: 0/2 nodes are available)",
        ),
    ],
)
def test_nothing_can_be_asked(status: dict[str, Any], says: str) -> None:
    state = classify(pod(status))

    assert says in str(state)
    assert (state.ready, state.terminal, state.fatal) == (False, True, True)
    assert "\n" not in str(state)


@pytest.mark.parametrize(
    ("status", "host_network", "says"),
    [
        (
            waiting("CrashLoopBackOff", "back-off 10s restarting", lastState=CRASHED, restartCount=1),
            False,
            "address already in use",
        ),
        (waiting("CrashLoopBackOff", "back-off 10s restarting failed container"), False, "back-off 10s"),
        (
            REFUSED | {"reason": "NodePorts", "message": "Pod Predicate NodePorts failed"},
            True,
            "Failed (NodePorts: Pod Predicate NodePorts failed)",
        ),
        (
            REFUSED
            | {
                "containerStatuses": [
                    {"name": "a", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": CRASHED}
                ]
            },
            False,
            "exit code 1",
        ),
    ],
)
def test_one_pod_is_lost_and_the_others_may_be_asked(status: dict[str, Any], host_network: bool, says: str) -> None:
    state = classify(pod(status, host_network=host_network))

    assert says in str(state)
    assert (state.ready, state.terminal, state.fatal) == (False, True, False)


def test_a_host_network_pod_that_crashed_is_lost_although_the_holder_of_its_port_answers_the_probe() -> None:
    status = waiting("", lastState=CRASHED, restartCount=2) | {"phase": "Running", "conditions": READY}
    status["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-11-22T07:00:00Z"}}

    assert classify(pod(status, host_network=True)) == PodState(
        "web-a",
        ready=False,
        reason=f"CrashLoopBackOff ({LAST_WORDS}; restarted 2 times)",
        terminal=True,
        port_taken=True,
    )
    assert classify(pod(status)).ready


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (None, "Pending: it has no status yet"),
        ({"phase": "Pending"}, "no kubelet has taken it: is there a node n1, and is its kubelet running?"),
        (waiting("ContainerCreating"), "Pending (ContainerCreating: no message)"),
        (
            {"phase": "Running", "startTime": "2026-11-22T07:00:00Z", "conditions": UNREADY},
            "Running, not Ready: unready: [agnhost]",
        ),
        ({"phase": "Unknown", "startTime": "2026-11-22T07:00:00Z"}, "Unknown, not Ready"),
    ],
)
def test_others_are_on_their_way(status: dict[str, Any] | None, says: str) -> None:
    state = classify(pod(status))

    assert says in str(state)
    assert (state.ready, state.terminal, state.fatal) == (False, False, False)


def test_a_ready_pod_is_ready() -> None:
    assert classify(pod({"phase": "Running", "conditions": READY})) == PodState("web-a", ready=True, started=True)


def test_a_node_without_a_label_of_the_node_selector_has_a_next_step() -> None:
    state = classify(pod(REFUSED | {"reason": "NodeAffinity", "message": "Predicate NodeAffinity failed"}))

    assert state.hint.startswith("The node lacks a label of the pod's nodeSelector: correct pods.node_selector")
