"""Scenarios of terminating endpoints (KEP-1669)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.contract.model import Feature
from probes.scenarios.catalogue.common import service
from probes.scenarios.changes import DeletePods, SetReady
from probes.scenarios.model import Backing, ContractScenario, Step
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from probes.scenarios.stage import Stage

PREFERRED, CLUSTER_IP, NODE_PORT = (
    "ready-preferred-to-terminating",
    "all-terminating-clusterip",
    "all-terminating-nodeport",
)
LOCAL_IP, LOCAL_PORT = "local-terminating-clusterip", "local-terminating-nodeport"
HEALTH, DEAD = "health-check-node-port-only-terminating", "terminating-and-not-serving"
PODS = (Backing("term-1", "term", lingers=True), Backing("term-2", "term", second=True, lingers=True))


def _terminating(stage: Stage) -> tuple[Step, ...]:
    preferred = stage.at_cluster_ip(PREFERRED, stage.pods, "s-term", "ok")
    one = tuple(replace(check, only=frozenset({"term-1"})) for check in preferred)
    with_endpoint = {stage.first, stage.second}
    beside = [pod for pod in stage.pods if pod.node in with_endpoint]
    apart = [pod for pod in stage.pods if pod.node not in with_endpoint]
    every = stage.at_cluster_ip(CLUSTER_IP, stage.pods, "s-term", "ok")
    every += stage.at_own_node(NODE_PORT, stage.pods, "s-term", "ok")
    every += stage.at_cluster_ip(LOCAL_IP, beside, "s-term-inner", "ok from-local")
    every += stage.at_cluster_ip(LOCAL_IP, apart, "s-term-inner", "unanswered")
    every += stage.at_nodes(LOCAL_PORT, stage.outside, "s-term-local", sorted(with_endpoint), "ok from-local")
    others = [node for node in stage.nodes if node not in with_endpoint]
    every += stage.at_nodes(LOCAL_PORT, stage.outside, "s-term-local", others, "unanswered")
    return (
        Step("one of two", DeletePods(("term-2",), terminating=True), one),
        Step("both", DeletePods(("term-1",), terminating=True), every),
    )


def _health(stage: Stage) -> tuple[Step, ...]:
    checks = stage.at_health_ports(HEALTH, "s-ending", stage.nodes[:1], "http-503")
    checks += stage.at_nodes(HEALTH, stage.outside, "s-ending", stage.nodes[:1], "ok")
    return (Step("terminating", DeletePods(("ending-1",), terminating=True), checks),)


def _dead(stage: Stage) -> tuple[Step, ...]:
    change = SetReady(("dead-1",), ready=False, deleted=True)
    return (Step("terminating", change, stage.at_cluster_ip(DEAD, stage.pods, "s-dead", "unanswered")),)


SCENARIOS = (
    ContractScenario(
        id="terminating",
        title="One of two endpoints terminates and keeps serving, then both, under each traffic policy",
        rows=(PREFERRED, CLUSTER_IP, NODE_PORT, LOCAL_IP, LOCAL_PORT),
        backings=PODS,
        services=(
            service("s-term", "term", type="NodePort"),
            service("s-term-inner", "term", internal_traffic_policy="Local"),
            service("s-term-local", "term", type="NodePort", external_traffic_policy="Local"),
        ),
        steps=_terminating,
        nodes=2,
        since=Version(1, 22),
    ),
    ContractScenario(
        id="terminating-health",
        title="The only endpoint of a node terminates: the healthCheckNodePort fails, and connections are served",
        rows=(HEALTH,),
        backings=(Backing("ending-1", "ending", lingers=True),),
        services=(service("s-ending", "ending", type="LoadBalancer", external_traffic_policy="Local"),),
        steps=_health,
        features=(Feature.LOAD_BALANCER,),
        since=Version(1, 22),
    ),
    ContractScenario(
        id="terminating-unready",
        title="The only endpoint of a Service terminates and does not serve",
        rows=(DEAD,),
        backings=(Backing("dead-1", "dead", gated=True, lingers=True),),
        services=(service("s-dead", "dead"),),
        steps=_dead,
    ),
)
