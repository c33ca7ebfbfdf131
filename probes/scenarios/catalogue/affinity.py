"""Scenarios of session affinity and traffic distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.scenarios.catalogue.common import WEB, service
from probes.scenarios.changes import PatchService
from probes.scenarios.model import Check, Scenario, Step
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from probes.scenarios.stage import Stage

SWITCHED, TIMEOUT, SAME_NODE = "affinity-switched-off-and-on", "affinity-timeout", "traffic-distribution-same-node"
TIMEOUT_S = 1  # sessionAffinityConfig.clientIP.timeoutSeconds of the scenario
WAIT_S = 2.2  # between two connections: more than the timeout, and than the rounding of kernels that count seconds


def _switched(stage: Stage) -> tuple[Step, ...]:
    name = "s-affinity"

    def everywhere(promise: str) -> tuple[Check, ...]:
        at_cluster_ip = stage.at_cluster_ip(SWITCHED, stage.pods, name, promise)
        return at_cluster_ip + stage.at_own_node(SWITCHED, stage.pods, name, promise)

    def switch(value: str) -> PatchService:
        text = f"sessionAffinity of Service {name} becomes {value}"
        return PatchService(name, text, {"sessionAffinity": value}, declares={"session_affinity": value})

    return (
        Step("off", switch("None"), everywhere("ok from-all")),
        Step("on", switch("ClientIP"), everywhere("ok from-one")),
    )


def _timeout(stage: Stage) -> tuple[Step, ...]:
    name = "s-timeout"
    text = f"the affinity timeout of Service {name} becomes {TIMEOUT_S} s"
    change = PatchService(name, text, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": TIMEOUT_S}}})
    checks = stage.at_cluster_ip(TIMEOUT, stage.pods, name, "ok from-all")
    return (Step("short", change, tuple(replace(one, wait_s=WAIT_S) for one in checks)),)


def _same_node(stage: Stage) -> tuple[Step, ...]:
    name = "s-near"
    text = f"trafficDistribution of Service {name} becomes PreferSameNode"
    beside = [one for one in stage.pods if one.node in {stage.first, stage.second}]
    others = [one for one in stage.pods if one not in beside]
    near = stage.at_cluster_ip(SAME_NODE, beside, name, "ok from-local")
    far = stage.at_cluster_ip(SAME_NODE, others, name, "ok")
    change = PatchService(name, text, {"trafficDistribution": "PreferSameNode"})
    away = PatchService(name, f"trafficDistribution of Service {name} is removed", {"trafficDistribution": None})
    return (
        Step("same node", change, near + far),
        Step("anywhere", away, stage.at_cluster_ip("clusterip-reaches-every-endpoint", beside, name, "ok from-all")),
    )


SCENARIOS = (
    Scenario(
        id="affinity-switched",
        title="Session affinity is switched off and on",
        rows=(SWITCHED,),
        backings=WEB,
        services=(service("s-affinity", "web", type="NodePort", session_affinity="ClientIP"),),
        steps=_switched,
        nodes=2,
    ),
    Scenario(
        id="affinity-timeout",
        title="Clients wait longer than the affinity timeout",
        rows=(TIMEOUT,),
        backings=WEB,
        services=(service("s-timeout", "web", session_affinity="ClientIP"),),
        steps=_timeout,
        nodes=2,
    ),
    Scenario(
        id="same-node",
        title="trafficDistribution PreferSameNode is set and removed",
        rows=(SAME_NODE, "clusterip-reaches-every-endpoint"),
        backings=WEB,
        services=(service("s-near", "web"),),
        steps=_same_node,
        nodes=2,
        since=Version(1, 34),
    ),
)
