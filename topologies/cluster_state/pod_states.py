"""Classify a pod's status: Ready, on its way, or in a state that waiting does not change. Pure.

Reasons are those of kubelet (pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go,
pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/eviction) and of the scheduler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from topologies.cluster_state.api_fields import get_metadata, shorten
from topologies.cluster_state.refusals import image_hint

if TYPE_CHECKING:
    from kubernetes import client

MESSAGE_MAX = 300  # characters
# The node cannot fetch or name the image. kubelet tries again every 10 s and longer; a registry that comes back is
# worth a new run, not minutes of waiting.
NO_IMAGE = frozenset(
    (
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    )
)
NO_CONTAINER = frozenset(
    (
        "CreateContainerConfigError",
        "CreateContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "RunContainerError",
        "StartError",
    )
)
CRASHING = "CrashLoopBackOff"
PORT_TAKEN = frozenset(("NodePorts", "PodFitsHostPorts"))  # kubelet's predicate: another pod has the host port
HINTS = {  # by kubelet's reason
    "NodeAffinity": "The node lacks a label of the pod's nodeSelector: correct pods.node_selector, or the selector "
    "that admission adds in this namespace (OpenShift: openshift.io/node-selector)"
}
NO_FREE_PORT = re.compile("free ports|address already in use", re.IGNORECASE)
UNSCHEDULABLE = frozenset(("Unschedulable", "SchedulingGated"))


@dataclass(frozen=True, slots=True)
class PodState:
    """The state of one pod.

    `reason`: why it is not Ready, as one line; empty if it is. `terminal`: waiting does not make it Ready. `fatal`: no
    cell can be probed in this cluster as it is (the image, its configuration, the node's admission). A single crashed
    or unready pod costs only the cells that need it. `port_taken`: something else on the node has its port.
    `hint`: the next step, if it is known. `started`: all its containers run, whether or not it is Ready.
    """

    name: str
    ready: bool
    reason: str = ""
    terminal: bool = False
    fatal: bool = False
    port_taken: bool = False
    hint: str = ""
    started: bool = False

    def __str__(self) -> str:
        return f"pod {self.name} is Ready" if self.ready else f"pod {self.name} is {self.reason}"


def classify(pod: client.V1Pod) -> PodState:
    """Return the state of a V1Pod."""
    name, status = str(get_metadata(pod).name), pod.status
    if status is None:
        return PodState(name, ready=False, reason="Pending: it has no status yet")
    containers = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    if status.phase in {"Failed", "Succeeded"}:
        return _ended(name, status, containers)
    for one in containers:
        if stuck := _stuck(name, pod.spec, status, one):
            return stuck
    if _condition(status, "Ready") == "True":
        return PodState(name, ready=True, started=True)
    waiting = _describe_waiting(name, pod.spec, status, containers)
    return replace(waiting, started=_has_started(status))


def _has_started(status: client.V1PodStatus) -> bool:
    states = [one.state for one in status.container_statuses or []]
    return bool(states) and all(state and state.running for state in states)


def _ended(name: str, status: client.V1PodStatus, containers: list[client.V1ContainerStatus]) -> PodState:
    """Return the state of a pod that will not run again: refused by kubelet, evicted, or all its containers ended."""
    reason = status.reason or next((_describe_end(one) for one in containers if _describe_end(one)), "no reason given")
    text = f"{status.phase} ({reason}{_colon(status.message)})"
    taken = status.reason in PORT_TAKEN
    fatal = status.reason is not None and not taken
    hint = HINTS.get(status.reason or "", "")
    return PodState(name, ready=False, reason=text, terminal=True, fatal=fatal, port_taken=taken, hint=hint)


def _stuck(
    name: str, spec: client.V1PodSpec | None, status: client.V1PodStatus, container: client.V1ContainerStatus
) -> PodState | None:
    """Return the state of a pod one of whose containers cannot start, or crashed; None for any other."""
    state = container.state
    waiting = state.waiting if state else None
    reason, message = (waiting.reason or "", waiting.message or "") if waiting else ("", "")
    if reason in NO_IMAGE | NO_CONTAINER:
        image = f" for image {container.image}" if reason in NO_IMAGE and container.image else ""
        text = f"{status.phase} ({reason}{image}{_colon(message)})"
        hint = image_hint(f"{reason} {message}") if image else ""
        return PodState(name, ready=False, reason=text, terminal=True, fatal=True, hint=hint)
    # A hostNetwork pod that crashed on a taken port passes its readiness probe: the holder of the port answers it.
    restarted = bool(container.restart_count) and spec is not None and bool(spec.host_network)
    if reason == CRASHING or restarted:
        words = _describe_end(container) or shorten(message, MESSAGE_MAX)
        text = f"{CRASHING} ({words or 'no message'}; restarted {container.restart_count or 0} times)"
        taken = NO_FREE_PORT.search(words) is not None
        return PodState(name, ready=False, reason=text, terminal=True, port_taken=taken)
    return None


def _describe_waiting(
    name: str, spec: client.V1PodSpec | None, status: client.V1PodStatus, containers: list[client.V1ContainerStatus]
) -> PodState:
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason in UNSCHEDULABLE:
            text = f"Pending ({condition.reason}{_colon(condition.message)})"
            taken = NO_FREE_PORT.search(condition.message or "") is not None
            return PodState(name, ready=False, reason=text, terminal=True, fatal=not taken, port_taken=taken)
    for one in containers:
        if one.state and one.state.waiting:
            return PodState(name, ready=False, reason=f"{status.phase} ({_describe_reason(one.state.waiting)})")
    node = spec.node_name if spec else None
    if status.phase == "Pending" and not status.start_time:
        text = f"Pending: no kubelet has taken it: is there a node {node}, and is its kubelet running?"
        return PodState(name, ready=False, reason=text)
    return PodState(name, ready=False, reason=f"{status.phase}, not Ready{_colon(_unready_message(status))}")


def _describe_reason(waiting: client.V1ContainerStateWaiting) -> str:
    return f"{waiting.reason or 'waiting'}: {shorten(waiting.message, MESSAGE_MAX) or 'no message'}"


def _describe_end(container: client.V1ContainerStatus) -> str:
    """Return how a container ended last: its exit code and the last line of its termination message."""
    for state in (container.state, container.last_state):
        ended = state.terminated if state else None
        if ended:
            lines = (ended.message or "").strip().splitlines()
            text = shorten(lines[-1], MESSAGE_MAX) if lines else ""
            return f"{ended.reason or 'ended'}, exit code {ended.exit_code}{_colon(text)}"
    return ""


def _condition(status: client.V1PodStatus, kind: str) -> str:
    return next((str(one.status) for one in status.conditions or [] if one.type == kind), "")


def _unready_message(status: client.V1PodStatus) -> str:
    return next((str(one.message or "") for one in status.conditions or [] if one.type == "Ready"), "")


def _colon(text: str | None) -> str:
    return f": {shorten(text, MESSAGE_MAX)}" if text else ""
