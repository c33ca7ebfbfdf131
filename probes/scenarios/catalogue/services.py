"""Scenarios that change the Service itself: its type, its ports, its labels, its existence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.contract.model import Feature
from probes.scenarios.catalogue.common import POD_SERVED, WEB, service
from probes.scenarios.changes import CreateService, DeleteService, PatchService, Relabel
from probes.scenarios.model import AddressKind, Asked, Backing, Check, ContractScenario, Step
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.scenarios.stage import Stage
    from topologies.schema.workload import Vantage

RELEASED, RETURNED = "nodeport-released-after-type-change", "type-change-from-external-name"
PORTS, GONE = "ports-added-and-deleted", "services-come-and-go"
UNDECLARED = "clusterip-undeclared-port"
HEADLESS, PROXY_NAME = "headless-label-ignored", "service-proxy-name-ignored"
NO_NODE_PORTS = "lb-without-node-ports"
SEVERAL, SLICES, NAMED = "several-ports", "slices-with-different-ports", "named-target-ports"
HTTP_PORT: dict[str, Any] = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
SECOND_PORT: dict[str, Any] = {"name": "second", "port": 81, "targetPort": 8080, "protocol": "TCP"}


def _types(stage: Stage) -> tuple[Step, ...]:
    name = "s-type"

    def become(kind: str, **spec: object) -> PatchService:
        text = f"type of Service {name} becomes {kind}"
        return PatchService(name, text, {"type": kind, **spec})

    away = become("ExternalName", externalName="hairpin.invalid", clusterIP=None, clusterIPs=None)
    at_nodes = stage.at_own_node(RELEASED, (*stage.pods, *stage.outside[:1]), name, "unanswered")
    served = stage.at_cluster_ip(RETURNED, stage.pods, name, "ok")
    return (
        Step("to ExternalName", away, at_nodes),
        Step(
            "to NodePort",
            become("NodePort", externalName=None),
            served + stage.at_own_node(RETURNED, stage.pods, name, "ok"),
        ),
        Step("to ExternalName again", away, at_nodes),
        Step("to ClusterIP", become("ClusterIP", externalName=None), served),
    )


def _ports(stage: Stage) -> tuple[Step, ...]:
    name = "s-ports"

    def at(port: int, promise: str, row: str = PORTS) -> tuple[Check, ...]:
        asked = Asked(name, AddressKind.CLUSTER_IP, port=port)
        return tuple(Check(row, one, asked, promise) for one in stage.pods)

    def become(text: str, *ports: dict[str, Any]) -> PatchService:
        return PatchService(name, text, {"ports": list(ports)})

    return (
        Step(
            "added",
            become(f"port 81 is added to Service {name}", HTTP_PORT, SECOND_PORT),
            at(80, "ok") + at(81, "ok") + at(82, "unanswered", UNDECLARED),
        ),
        Step(
            "deleted", become(f"port 80 of Service {name} is deleted", SECOND_PORT), at(80, "unanswered") + at(81, "ok")
        ),
    )


def _named_ports(stage: Stage) -> tuple[Step, ...]:
    """Two endpoints give the name `http` to different ports, and a third one has only a port `other`."""
    name = "s-named"
    listed = {"http": frozenset(("named-1", "named-2")), "other": frozenset(("named-3",))}

    def at(row: str, asked: Asked, clients: Iterable[Vantage], target: str, promise: str) -> tuple[Check, ...]:
        return tuple(Check(row, one, asked, promise, only=listed[target]) for one in clients)

    def step(title: str, targets: dict[int, str]) -> Step:
        text = f"port 80 of Service {name} leads to the named port {targets[80]}, port 81 to {targets[81]}"
        ports = [HTTP_PORT | {"name": f"port-{port}", "port": port, "targetPort": to} for port, to in targets.items()]
        checks: tuple[Check, ...] = ()
        for port, to in targets.items():
            inside = Asked(name, AddressKind.CLUSTER_IP, port=port)
            checks += at(SEVERAL, inside, stage.pods, to, "ok")
            for client in stage.pods:
                own = Asked(name, AddressKind.NODE_PORT, client.node or stage.first, port)
                checks += at(SLICES, own, (client,), to, "ok")
            checks += at(NAMED, inside, stage.pods, to, "ok from-all") if to == "http" else ()
        return Step(title, PatchService(name, text, {"ports": ports}), checks)

    alone = at(NAMED, Asked(name, AddressKind.CLUSTER_IP, port=80), stage.pods, "http", "ok from-all")
    return (
        Step("endpoint without the name", Relabel(("named-3",), "named"), alone),
        step("second port", {80: "http", 81: "other"}),
        step("exchanged", {80: "other", 81: "http"}),
    )


def _label_steps(stage: Stage, row: str, name: str, label: str, value: str) -> tuple[Step, ...]:
    added = PatchService(name, f"Service {name} gets the label {label}", labels={label: value})
    removed = PatchService(name, f"the label {label} of Service {name} is removed", labels={label: None})
    return (
        Step("added", added, stage.at_cluster_ip(row, stage.pods, name, "unanswered")),
        Step("removed", removed, stage.at_cluster_ip(POD_SERVED, stage.pods, name, "ok")),
    )


def _headless(stage: Stage) -> tuple[Step, ...]:
    return _label_steps(stage, HEADLESS, "s-headless", "service.kubernetes.io/headless", "")


def _proxy_name(stage: Stage) -> tuple[Step, ...]:
    return _label_steps(stage, PROXY_NAME, "s-proxied", "service.kubernetes.io/service-proxy-name", "hairpin")


def _gone(stage: Stage) -> tuple[Step, ...]:
    name = "s-gone"
    return (
        Step("deleted", DeleteService(name), stage.at_cluster_ip(GONE, stage.pods, name, "unanswered")),
        Step("created", CreateService(name), stage.at_cluster_ip(GONE, stage.pods, name, "ok")),
    )


def _no_node_ports(stage: Stage) -> tuple[Step, ...]:
    name = "s-portless"
    text = f"allocateLoadBalancerNodePorts of Service {name} becomes false, and its NodePort is removed"
    spec = {"allocateLoadBalancerNodePorts": False, "ports": [HTTP_PORT | {"nodePort": 0}]}
    checks = stage.at_own_node(NO_NODE_PORTS, stage.pods, name, "unanswered")
    checks += stage.at_balancer(NO_NODE_PORTS, stage.pods, name, "ok")
    return (Step("removed", PatchService(name, text, spec), checks),)


SCENARIOS = (
    ContractScenario(
        id="type-changed",
        title="The type of a Service becomes ExternalName, NodePort, ExternalName and ClusterIP",
        rows=(RELEASED, RETURNED),
        backings=WEB,
        services=(service("s-type", "web", type="NodePort"),),
        steps=_types,
    ),
    ContractScenario(
        id="ports-changed",
        title="A port is added to a Service, and another deleted",
        rows=(PORTS, UNDECLARED),
        backings=WEB,
        services=(service("s-ports", "web"),),
        steps=_ports,
    ),
    ContractScenario(
        id="named-ports",
        title="Two ports of a Service lead to named ports with different numbers, and exchange them",
        rows=(SEVERAL, SLICES, NAMED),
        backings=(
            Backing("named-1", "named", port_name="http"),
            Backing("named-2", "named", second=True, port=8082, port_name="http"),
            Backing("named-3", "named", spare=True, port=8084, port_name="other"),
        ),
        services=(service("s-named", "named", type="NodePort"),),
        steps=_named_ports,
    ),
    ContractScenario(
        id="headless-label",
        title="The label service.kubernetes.io/headless is added and removed",
        rows=(HEADLESS, POD_SERVED),
        backings=WEB,
        services=(service("s-headless", "web"),),
        steps=_headless,
    ),
    ContractScenario(
        id="proxy-name-label",
        title="The label service.kubernetes.io/service-proxy-name is added and removed",
        rows=(PROXY_NAME, POD_SERVED),
        backings=WEB,
        services=(service("s-proxied", "web"),),
        steps=_proxy_name,
    ),
    ContractScenario(
        id="service-deleted",
        title="A Service is deleted and created again",
        rows=(GONE,),
        backings=WEB,
        services=(service("s-gone", "web"),),
        steps=_gone,
    ),
    ContractScenario(
        id="no-node-ports",
        title="allocateLoadBalancerNodePorts becomes false",
        rows=(NO_NODE_PORTS,),
        backings=WEB,
        services=(service("s-portless", "web", type="LoadBalancer"),),
        steps=_no_node_ports,
        features=(Feature.LOAD_BALANCER,),
        since=Version(1, 22),
    ),
)
