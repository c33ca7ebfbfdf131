"""Scenarios of externalTrafficPolicy and the healthCheckNodePort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.model import Feature
from probes.scenarios.catalogue.common import WEB, service
from probes.scenarios.changes import PatchService, Relabel
from probes.scenarios.model import Backing, ContractScenario, Step

if TYPE_CHECKING:
    from probes.scenarios.stage import Stage

WITH, WITHOUT = "local-outside-node-with", "local-outside-node-without"
POD_WITH, POD_WITHOUT = "local-pod-node-with", "local-pod-other-node-without"
BACK = "external-policy-changed-to-cluster"
HEALTHY, EMPTY, CLOSED = (
    "health-check-node-port-with-endpoint",
    "health-check-node-port-without-endpoint",
    "health-check-node-port-closed",
)


def _set_policy(name: str, policy: str) -> PatchService:
    text = f"externalTrafficPolicy of Service {name} becomes {policy}"
    return PatchService(name, text, {"externalTrafficPolicy": policy}, declares={"external_traffic_policy": policy})


def _switched(stage: Stage) -> tuple[Step, ...]:
    name = "s-policy"
    with_endpoint = (stage.first, stage.second)
    others = [one for one in stage.nodes if one not in with_endpoint]
    asking = [one for one in stage.pods if one.node == stage.first]  # a client of each kind asks every node
    local = stage.at_nodes(WITH, stage.outside, name, with_endpoint, "ok kept from-local")
    local += stage.at_nodes(WITHOUT, stage.outside, name, others, "unanswered")
    local += stage.at_nodes(POD_WITH, asking, name, with_endpoint, "ok")
    local += stage.at_nodes(POD_WITHOUT, asking, name, others, "unanswered")
    back = stage.at_nodes(BACK, (*stage.outside, *asking), name, stage.nodes, "ok")
    return (
        Step("to Local", _set_policy(name, "Local"), local),
        Step("to Cluster", _set_policy(name, "Cluster"), back),
    )


def _health_port(stage: Stage) -> tuple[Step, ...]:
    name, pods, first, others = "s-health", ("health-1",), stage.nodes[:1], stage.nodes[1:]
    healthy = stage.at_health_ports(HEALTHY, name, first, "http-200")
    empty = stage.at_health_ports(EMPTY, name, others, "http-503")
    return (
        Step("to Local", _set_policy(name, "Local"), healthy + empty),
        Step("endpoint gone", Relabel(pods, "spare"), stage.at_health_ports(EMPTY, name, stage.nodes, "http-503")),
        Step("endpoint back", Relabel(pods, "health"), healthy + empty),
        Step(
            "to Cluster",
            _set_policy(name, "Cluster"),
            stage.at_health_ports(CLOSED, name, stage.nodes, "unanswered"),
        ),
    )


SCENARIOS = (
    ContractScenario(
        id="external-policy-switched",
        title="externalTrafficPolicy becomes Local and Cluster again",
        rows=(WITH, WITHOUT, POD_WITH, POD_WITHOUT, BACK),
        backings=WEB,
        services=(service("s-policy", "web", type="NodePort"),),
        steps=_switched,
        features=(Feature.ALL_NODE_ADDRESSES,),
        nodes=2,
    ),
    ContractScenario(
        id="health-check-node-port",
        title="The healthCheckNodePort follows the endpoint, and is closed with externalTrafficPolicy Cluster",
        rows=(HEALTHY, EMPTY, CLOSED),
        backings=(Backing("health-1", "health"),),
        services=(service("s-health", "health", type="LoadBalancer"),),
        steps=_health_port,
        features=(Feature.LOAD_BALANCER,),
    ),
)
