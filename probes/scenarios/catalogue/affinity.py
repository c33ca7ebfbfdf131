"""Scenarios of session affinity and traffic distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.contract.model import Feature
from probes.scenarios.catalogue.common import WEB, service
from probes.scenarios.changes import PatchService
from probes.scenarios.model import Check, ContractScenario, Step
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from probes.scenarios.stage import Stage

SWITCHED, TIMEOUT, SAME_NODE = "affinity-switched-off-and-on", "affinity-timeout", "traffic-distribution-same-node"
SAME_ZONE, LOCAL_FIRST = "traffic-distribution-same-zone", "local-policy-beats-traffic-distribution"
NAMED_SAME_ZONE = Version(1, 34)  # PreferSameZone, before PreferClose
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


def _same_zone(stage: Stage) -> tuple[Step, ...]:
    name = "s-zone"
    value = "PreferSameZone" if stage.topology.kubernetes >= NAMED_SAME_ZONE else "PreferClose"
    near = PatchService(name, f"trafficDistribution of Service {name} becomes {value}", {"trafficDistribution": value})
    inner = PatchService(
        name, f"internalTrafficPolicy of Service {name} becomes Local", {"internalTrafficPolicy": "Local"}
    )
    ends = {"web-1": stage.first, "web-2": stage.second}
    beside = [one for one in stage.pods if one.node in ends.values()]
    apart = [one for one in stage.pods if one not in beside]
    served = stage.at_cluster_ip(SAME_ZONE, stage.pods, name, "ok")
    return (
        Step("same zone", near, tuple(replace(one, only=_in_zone(stage, one, ends)) for one in served)),
        Step(
            "policy Local",
            inner,
            stage.at_cluster_ip(LOCAL_FIRST, beside, name, "ok from-local")
            + stage.at_cluster_ip(LOCAL_FIRST, apart, name, "unanswered"),
        ),
    )


def _in_zone(stage: Stage, check: Check, ends: dict[str, str]) -> frozenset[str]:
    """Return the backends in the zone of a client, or all if it has none."""
    zone = stage.topology.node(check.node).zone
    near = [name for name, node in ends.items() if stage.topology.node(node).zone == zone]
    return frozenset(near or ends)


SCENARIOS = (
    ContractScenario(
        id="affinity-switched",
        title="Session affinity is switched off and on",
        rows=(SWITCHED,),
        backings=WEB,
        services=(service("s-affinity", "web", type="NodePort", session_affinity="ClientIP"),),
        steps=_switched,
        nodes=2,
    ),
    ContractScenario(
        id="affinity-timeout",
        title="Clients wait longer than the affinity timeout",
        rows=(TIMEOUT,),
        backings=WEB,
        services=(service("s-timeout", "web", session_affinity="ClientIP"),),
        steps=_timeout,
        nodes=2,
    ),
    ContractScenario(
        id="same-node",
        title="trafficDistribution PreferSameNode is set and removed",
        rows=(SAME_NODE, "clusterip-reaches-every-endpoint"),
        backings=WEB,
        services=(service("s-near", "web"),),
        steps=_same_node,
        nodes=2,
        since=Version(1, 34),
    ),
    ContractScenario(
        id="same-zone",
        title="trafficDistribution prefers the client's zone, and a Local policy goes before it",
        rows=(SAME_ZONE, LOCAL_FIRST),
        backings=WEB,
        services=(service("s-zone", "web"),),
        steps=_same_zone,
        features=(Feature.ZONES,),
        nodes=2,
        since=Version(1, 31),
    ),
)
