"""Scenarios whose endpoints come and go: scaling, eviction, readiness, a rolling update."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.contract.model import Feature
from probes.scenarios.catalogue.common import NODE_SERVED, POD_REFUSED, POD_SERVED, service
from probes.scenarios.changes import CreatePods, DeletePods, EvictPods, PublishUnready, Relabel, SetReady
from probes.scenarios.model import Backing, Check, ContractScenario, Step
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from probes.scenarios.stage import Stage

UNREADY, PUBLISHED, UPDATED = "unready-not-served", "unready-served-if-published", "lb-no-disruption-during-update"


def _scaled(stage: Stage) -> tuple[Step, ...]:
    name, pods = "s-zero", ("zero-1",)
    served = stage.at_cluster_ip(POD_SERVED, stage.pods, name, "ok")
    served += stage.at_cluster_ip(NODE_SERVED, stage.hosts, name, "ok")
    return (
        Step("to zero", DeletePods(pods), stage.at_cluster_ip(POD_REFUSED, stage.pods, name, "refused")),
        Step("and back", CreatePods(pods, "zero"), served),
    )


def _evicted(stage: Stage) -> tuple[Step, ...]:
    checks = stage.at_cluster_ip("evicted-pods-refuse", stage.pods, "s-evict", "refused")
    return (Step("evicted", EvictPods(("evict-1",)), checks),)


def _readiness(stage: Stage) -> tuple[Step, ...]:
    name, pods = "s-ready", ("ready-1",)

    def everywhere(row: str, promise: str) -> tuple[Check, ...]:
        return stage.at_cluster_ip(row, stage.pods, name, promise) + stage.at_own_node(row, stage.pods, name, promise)

    return (
        Step("unready", SetReady(pods, ready=False), everywhere(UNREADY, "unanswered")),
        Step("published", PublishUnready(name, published=True), everywhere(PUBLISHED, "ok")),
        Step("not published", PublishUnready(name, published=False), everywhere(UNREADY, "unanswered")),
        Step("ready", SetReady(pods, ready=True), stage.at_cluster_ip(POD_SERVED, stage.pods, name, "ok")),
    )


def _updated(stage: Stage) -> tuple[Step, ...]:
    clients = (*stage.pods, *stage.outside)

    def without_failure(*backends: str) -> tuple[Check, ...]:
        checks = stage.at_balancer(UPDATED, clients, "s-roll", "ok")
        return tuple(replace(one, throughout=True, only=frozenset(backends)) for one in checks)

    def replaced() -> tuple[Check, ...]:
        checks = stage.at_cluster_ip(POD_SERVED, stage.pods, "s-roll", "ok")
        return tuple(replace(one, only=frozenset({"roll-2"})) for one in checks)

    return (
        Step("new endpoint", Relabel(("roll-2",), "roll"), without_failure("roll-1", "roll-2")),
        Step("old endpoint gone", Relabel(("roll-1",), "spare"), without_failure("roll-1", "roll-2") + replaced()),
    )


SCENARIOS = (
    ContractScenario(
        id="scaled-to-zero",
        title="The only endpoint of a Service is deleted and created again",
        rows=(POD_REFUSED, POD_SERVED, NODE_SERVED),
        backings=(Backing("zero-1", "zero"),),
        services=(service("s-zero", "zero"),),
        steps=_scaled,
    ),
    ContractScenario(
        id="evicted",
        title="The only endpoint of a Service is evicted",
        rows=("evicted-pods-refuse",),
        backings=(Backing("evict-1", "evict"),),
        services=(service("s-evict", "evict"),),
        steps=_evicted,
    ),
    ContractScenario(
        id="readiness",
        title="The only endpoint of a Service becomes unready, without and with publishNotReadyAddresses",
        rows=(UNREADY, PUBLISHED, POD_SERVED),
        backings=(Backing("ready-1", "ready", gated=True),),
        services=(service("s-ready", "ready", type="NodePort"),),
        steps=_readiness,
    ),
    ContractScenario(
        id="rolling-update",
        title="The endpoint of a load balancer's Service is replaced by another",
        rows=(UPDATED, POD_SERVED),
        backings=(Backing("roll-1", "roll"), Backing("roll-2", "roll", second=True, spare=True)),
        services=(service("s-roll", "roll", type="LoadBalancer"),),
        steps=_updated,
        features=(Feature.LOAD_BALANCER,),
        nodes=2,
        since=Version(1, 20),
    ),
)
