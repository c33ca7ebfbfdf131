"""The world of the recorded observations (observed/README.md): Topology, Snapshot, cells and its own load balancer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from probes.cell import Cell
from probes.expectation import Path
from probes.observation import Outcome
from probes.oracle.environment import Environment
from probes.oracle.flow import Flow, Onward, Origin, Packet, World
from probes.oracle.travel import lost_answer
from topologies.frontends import At, Frontend, FrontendKind
from topologies.kinds import ServiceType, TrafficPolicy
from topologies.model import Topology, Vantage
from topologies.snapshot import Endpoint, ServiceState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.expectation import Expectation

FOLDER = File(__file__).parent / "observed"
FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))
REAL_LB = "REAL-LB"
NAMES = {"host-b@n2": "host-b", "pod-b": "pod-b", REAL_LB: REAL_LB}
NAMES |= {f"host-listener@n{x}": f"listener-n{x}" for x in (1, 2, 3)}
UNDECLARED = 7777
SERVICES = ("pod-c", "pod-l", "host-c", "host-l", "noep-c", "noep-l", "itp-cip", "itp-lb", "itp-lbl", "xip-c", "xip-l")
CLIENTS = {
    **{f"n{x}": {"kind": "ssh", "node": f"n{x}"} for x in (1, 2, 3)},
    **{f"c{x}": {"kind": "pod", "node": f"n{x}"} for x in (1, 2, 3)},
    "b": {"kind": "backend", "node": "n2", "backend": "pod-b"},
    "ext": {"kind": "external", "external": "ext"},
}
TARGETS = {
    "ClusterIP": (FrontendKind.CLUSTER_IP, {}),
    "ClusterIP:undeclared": (FrontendKind.CLUSTER_IP, {"declared": False}),
    "LB": (FrontendKind.LOAD_BALANCER, {}),
    "LB:undeclared": (FrontendKind.LOAD_BALANCER, {"declared": False}),
    "ExternalIP": (FrontendKind.EXTERNAL_IP, {}),
    "localhost:NodePort": (FrontendKind.NODE_PORT, {"at": At.LOOPBACK}),
    **{f"NodePort@n{x}": (FrontendKind.NODE_PORT, {"node": f"n{x}"}) for x in (1, 2, 3)},
}


CNIS = {"flannel": "flannel-vxlan", "overlay": "tunnel", "routed": "routed", "eni": "eni"}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "": {},
    "strict": {"kernel": {"rp_filter": 1}},
    "rp_filter=1": {"kernel": {"rp_filter": 1}},
    "no-kubelet": {"kernel": {"kubelet_rules": False}},
    "masquerade-all": {"proxy": {"masquerade_all": True}},
}


@dataclass(frozen=True)
class Recorded:
    """One line of a file: a cell, and the set of what its tries got."""

    id: str
    cell: Cell
    outcomes: frozenset[Outcome]
    source: IPv4Address | None
    backend: str | None


def topology(row: dict[str, Any]) -> Topology:
    tunnelled = row["cni"] in {"flannel", "overlay"}
    flags = VARIANTS[row.get("variant", "")]
    proxy = {"mode": row["mode"], "detect_local": "ClusterCIDR" if row["cluster_cidr"] else "none"}
    return Topology.model_validate(
        {
            "name": "observed",
            "kubernetes": row["version"],
            "nodes": [
                {"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24"} for x in (1, 2, 3)
            ],
            "cni": {"kind": CNIS[row["cni"]]},
            "proxy": {**proxy, **flags.get("proxy", {})},
            "kernel": flags.get("kernel", {}),
            "load_balancer": {
                "kind": "inline",
                "address": "198.18.1.1",
                "addresses": "198.18.100.0/24",
                "listens": True,
            },
            "external": [{"name": "ext", "address": "198.18.3.100"}],
            "external_routes_to_pods": not tunnelled and row["mode"] != "ipvs",
            "workload": {
                "backends": [
                    {"name": "pod-b", "app": "pod", "node": "n2"},
                    {"name": "host-b", "app": "host", "node": "n2", "host_network": True, "port": 9090},
                    *(
                        {"name": f"listener-n{x}", "app": "listener", "node": f"n{x}"}
                        | {"host_network": True, "port": UNDECLARED}
                        for x in (1, 2, 3)
                    ),
                ],
                "services": [],
                "vantages": [{"name": name, **client} for name, client in CLIENTS.items()],
            },
        }
    )


def snapshot(rows: list[dict[str, Any]]) -> Snapshot:
    pods = {f"c{x}": IPv4Address(f"10.244.{x}.20") for x in (1, 2, 3)} | {"pod-b": IPv4Address("10.244.2.10")}
    first = {row["service"]: row for row in rows}
    return Snapshot(
        pods=pods, services={name: _state(k, name, first[name]) for k, name in enumerate(SERVICES, start=1)}
    )


def _state(k: int, name: str, row: dict[str, Any]) -> ServiceState:
    inward, outward = name == "itp-cip", name.startswith("xip")
    return ServiceState(
        name=name,
        type=ServiceType.CLUSTER_IP if inward else ServiceType.NODE_PORT if outward else ServiceType.LOAD_BALANCER,
        cluster_ip=IPv4Address(f"10.96.0.{50 + k}"),
        port=80,
        node_port=None if inward else 30100 + k,
        external_ips=(IPv4Address(f"198.18.101.{k}"),) if outward else (),
        load_balancer_ip=None if inward or outward else IPv4Address(f"198.18.100.{k}"),
        load_balancer_ip_mode="VIP",
        external_traffic_policy=TrafficPolicy(row["etp"]),
        internal_traffic_policy=TrafficPolicy(row["itp"]),
        health_check_node_port=None,
        sticky=False,
        endpoints=_endpoints(row["backend"]),
    )


def _endpoints(backend: str) -> tuple[Endpoint, ...]:
    return {
        "none": (),
        "pod": (Endpoint("pod-b", IPv4Address("10.244.2.10"), 8080, "n2"),),
        "host": (Endpoint("host-b", IPv4Address("198.18.1.12"), 9090, "n2", host_network=True),),
    }[backend]


class RecordedBalancer:
    """It sends outside clients to n1 or n2, and answers the nodes' side itself, at whatever port."""

    def receive(self, flow: Flow) -> tuple[Onward, ...]:
        if lost_answer(flow):
            return (Onward((Path(Outcome.TIMEOUT),)),)
        if flow.packet.origin is not Origin.EXTERNAL or not flow.declared:
            return (Onward((Path(Outcome.OK, frozenset({flow.packet.source}), REAL_LB),)),)
        node = "n2" if flow.state.external_traffic_policy is TrafficPolicy.LOCAL else "n1"
        packet = Packet(Origin.EXTERNAL, flow.packet.source, node=node)
        target = flow.world.topology.node(node).address
        return (Onward(replace(flow, kind=FrontendKind.NODE_PORT, target=target, asked_node=node, packet=packet)),)


def world(name: str) -> World:
    rows = _rows(name)
    declared = topology(rows[0])
    return World(declared, snapshot(rows), Environment.of(declared), RecordedBalancer())


def snapshot_like() -> Snapshot:
    """The API's side of this world, the same in every file."""
    return snapshot(_rows("1.20.2-iptables-flannel-cc"))


def world_of(version: str, cni: dict[str, Any], mode: str = "iptables", **changes: dict[str, Any]) -> World:
    """The same world with another kube-proxy, network or kernel."""
    declared = topology({"cni": "flannel", "version": version, "mode": mode, "cluster_cidr": True})
    raw = declared.model_dump(mode="json")
    changed = {key: {**raw[key], **value} for key, value in changes.items()}
    declared = Topology.model_validate({**raw, **changed, "cni": cni})
    return World(declared, snapshot_like(), Environment.of(declared), RecordedBalancer())


def recorded(name: str) -> Iterator[Recorded]:
    for row in _rows(name):
        vantage = Vantage.model_validate({"name": row["client"], **CLIENTS[row["client"]]})
        yield Recorded(
            id=f"{row['service']} {row['target']} from {row['client']}",
            cell=Cell(vantage, _frontend(row)),
            outcomes=frozenset(Outcome(text) for text in row["outcome"].split("|")),
            source=IPv4Address(row["source"]) if row["source"] else None,
            backend=NAMES[row["backend_name"]] if row["backend_name"] else None,
        )


def _frontend(row: dict[str, Any]) -> Frontend:
    if row["target"] == "endpoint-direct":
        return Frontend(row["service"], FrontendKind.ENDPOINT, backend=f"{row['backend']}-b")
    if row["target"] == "NodePort@own-cni0":
        return Frontend(row["service"], FrontendKind.NODE_PORT, node=row["client"], at=At.CNI0)
    kind, more = TARGETS[row["target"]]
    return Frontend(row["service"], kind, **more)


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def complaint(one: Recorded, expectation: Expectation) -> str:
    """What the oracle and the recording disagree about, or an empty string."""
    wrong = one.outcomes - expectation.outcomes
    if wrong or (one.outcomes == {Outcome.OK} and expectation.outcomes != {Outcome.OK}):
        return f"{sorted(one.outcomes)} where {sorted(expectation.outcomes)} was expected"
    seen = {(one.source, one.backend)} if one.backend else set()
    allowed = {(source, path.backend) for path in expectation.paths for source in path.sources}
    return "" if seen == allowed else f"{seen} where {allowed} was expected"


def title(name: str) -> str:
    """`1.20.2-ipvs-flannel-cc` as `ipvs 1.20.2 flannel`."""
    version, mode, cni, cidr, *variant = name.split("-", 4)
    told = [f"{mode} {version} {cni}", *(["without cluster CIDR"] if cidr == "nocc" else []), *variant]
    return " ".join(told)
