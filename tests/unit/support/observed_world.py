"""The world of the recordings (observed/README.md): topology, snapshot, cells and load balancer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from probes.observation import Outcome
from probes.oracle import predict
from probes.oracle.connection import Connection, NextHop, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.stages.arrival import loses_reply
from probes.plan.cell import Cell
from tests.unit.probes.oracle.recordings import FLAGS, NETWORKS, RecordingError, cell_id
from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.enums import ServiceType, TrafficPolicy
from topologies.schema.topology import Topology, Vantage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.oracle.connection import ClusterModel
    from probes.oracle.expectation import Expectation
    from tests.unit.probes.oracle.recordings import Recording

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
TARGETS: dict[str, tuple[FrontendKind, dict[str, Any]]] = {
    "ClusterIP": (FrontendKind.CLUSTER_IP, {}),
    "ClusterIP:undeclared": (FrontendKind.CLUSTER_IP, {"declared": False}),
    "LB": (FrontendKind.LOAD_BALANCER, {}),
    "LB:undeclared": (FrontendKind.LOAD_BALANCER, {"declared": False}),
    "ExternalIP": (FrontendKind.EXTERNAL_IP, {}),
    "ExternalIP:undeclared": (FrontendKind.EXTERNAL_IP, {"declared": False}),
    "localhost:NodePort": (FrontendKind.NODE_PORT, {"at": At.LOOPBACK}),
    **{f"NodePort@n{x}": (FrontendKind.NODE_PORT, {"node": f"n{x}"}) for x in (1, 2, 3)},
}


OWN = {"NodePort@own-cni0": At.BRIDGE, "NodePort@own-vtep": At.TUNNEL}
CLUSTER, LOCAL = TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL
POLICIES = {  # end of a Service's name: externalTrafficPolicy, internalTrafficPolicy
    "c": (CLUSTER, CLUSTER),
    "l": (LOCAL, CLUSTER),
    "cip": (CLUSTER, LOCAL),
    "lb": (CLUSTER, LOCAL),
    "lbl": (LOCAL, LOCAL),
}
OUTCOMES = {outcome.value for outcome in Outcome}


@dataclass(frozen=True)
class Recorded:
    """One line of a file: a cell, and the outcomes of its attempts."""

    id: str
    cell: Cell
    outcomes: frozenset[Outcome]
    source: IPv4Address | None
    backend: str | None


def topology(recording: Recording) -> Topology:
    """Return the recorded world as a topology.

    Raises:
        RecordingError: A value of the header is not valid in a topology.

    """
    try:
        return declare(recording.values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        got = f"got {first['input']!r}, want another value: {first['msg']}."
        message = f"cannot read a recording: {recording.name}.jsonl, header, {where}: {got}"
        raise RecordingError(message) from None


def declare(values: dict[str, Any]) -> Topology:
    """Return the world of the recordings with this kube-proxy, network and flags."""
    kind = NETWORKS.get(values["network"], values["network"])
    tunnelled = kind in {"flannel-vxlan", "tunnel"}
    parts: dict[str, dict[str, Any]] = {"cni": {"kind": kind}, "kernel": {}, "proxy": {"mode": values["mode"]}}
    parts["proxy"]["detect_local"] = "ClusterCIDR" if values.get("cluster_cidr", True) else "none"
    for key in FLAGS.keys() & values.keys():
        parts[FLAGS[key]][key] = values[key]
    return Topology.model_validate(
        {
            "name": "observed",
            "kubernetes": values["version"],
            "nodes": [
                {"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24"} for x in (1, 2, 3)
            ],
            **parts,
            "load_balancer": {
                "kind": "inline",
                "address": "198.18.1.1",
                "addresses": "198.18.100.0/24",
                "listens": True,
            },
            "external": [{"name": "ext", "address": "198.18.3.100"}],
            "external_routes_to_pods": values.get(
                "external_routes_to_pods", not tunnelled and values["mode"] != "ipvs"
            ),
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


def snapshot(recording: Recording | None = None) -> Snapshot:
    """Return the snapshot. A file may have other policies, backends and source ranges for a Service."""
    pods = {f"c{x}": IPv4Address(f"10.244.{x}.20") for x in (1, 2, 3)} | {"pod-b": IPv4Address("10.244.2.10")}
    ranges = recording.values.get("load_balancer_source_ranges", {}) if recording else {}
    said = {row["service"]: row for row in reversed(recording.rows)} if recording else {}
    return Snapshot(
        pods=pods,
        services={
            name: _state(k, name, said.get(name, {}), ranges.get(name, ())) for k, name in enumerate(SERVICES, 1)
        },
    )


def _state(k: int, name: str, said: dict[str, Any], ranges: Iterable[str]) -> ServiceState:
    inward, outward = name == "itp-cip", name.startswith("xip")
    external, internal = POLICIES[name.partition("-")[2] if name.startswith("itp") else name[-1]]
    backend = "none" if name.startswith("noep") else "host" if name.startswith("host") else "pod"
    return ServiceState(
        name=name,
        type=ServiceType.CLUSTER_IP if inward else ServiceType.NODE_PORT if outward else ServiceType.LOAD_BALANCER,
        cluster_ip=IPv4Address(f"10.96.0.{50 + k}"),
        port=80,
        node_port=None if inward else 30100 + k,
        external_ips=(IPv4Address(f"198.18.101.{k}"),) if outward else (),
        load_balancer_ip=None if inward or outward else IPv4Address(f"198.18.100.{k}"),
        load_balancer_ip_mode="VIP",
        load_balancer_source_ranges=tuple(IPv4Network(network) for network in ranges),
        external_traffic_policy=TrafficPolicy(said.get("etp", external)),
        internal_traffic_policy=TrafficPolicy(said.get("itp", internal)),
        health_check_node_port=None,
        sticky=False,
        endpoints=_endpoints(said.get("backend", backend)),
    )


def _endpoints(backend: str) -> tuple[Endpoint, ...]:
    return {
        "none": (),
        "pod": (Endpoint("pod-b", IPv4Address("10.244.2.10"), 8080, "n2"),),
        "host": (Endpoint("host-b", IPv4Address("198.18.1.12"), 9090, "n2", host_network=True),),
    }[backend]


class RecordedBalancer:
    """A load balancer that sends outside clients to n1 or n2, and answers clients inside the cluster at any port."""

    def receive(self, conn: Connection) -> Iterator[NextHop]:
        if loses_reply(conn):
            yield NextHop((Path(Outcome.TIMEOUT),))
            return
        if conn.packet.origin is not Origin.EXTERNAL or not conn.declared:
            yield NextHop((Path(Outcome.OK, frozenset({conn.packet.source}), REAL_LB),))
            return
        node = "n2" if conn.state.external_traffic_policy is TrafficPolicy.LOCAL else "n1"
        packet = Packet(Origin.EXTERNAL, conn.packet.source, node=node)
        target = conn.cluster.topology.node(node).address
        yield NextHop(replace(conn, kind=FrontendKind.NODE_PORT, target=target, target_node=node, packet=packet))


def world(recording: Recording) -> ClusterModel:
    declared = topology(recording)
    return predict.model_cluster(declared, snapshot(recording), RecordedBalancer())


def snapshot_like() -> Snapshot:
    """Return the snapshot without source ranges."""
    return snapshot()


def world_of(version: str, cni: dict[str, Any], mode: str = "iptables", **changes: dict[str, Any]) -> ClusterModel:
    """Return the world with another kube-proxy, network or kernel."""
    declared = declare({"network": "flannel", "version": version, "mode": mode})
    raw = declared.model_dump(mode="json")
    changed = {key: {**raw[key], **value} for key, value in changes.items()}
    declared = Topology.model_validate({**raw, **changed, "cni": cni})
    return predict.model_cluster(declared, snapshot_like(), RecordedBalancer())


def recorded(recording: Recording) -> Iterator[Recorded]:
    """Yield the cells of a file.

    Raises:
        RecordingError: The world does not have a client, Service or target of the file.

    """
    for row in recording.rows:
        _known(recording, row)
        vantage = Vantage.model_validate({"name": row["client"], **CLIENTS[row["client"]]})
        yield Recorded(
            id=cell_id(row),
            cell=Cell(vantage, _frontend(row)),
            outcomes=frozenset(Outcome(text) for text in row["outcome"].split("|")),
            source=IPv4Address(row["source"]) if row.get("source") else None,
            backend=NAMES[row["backend_name"]] if row.get("backend_name") else None,
        )


def _known(recording: Recording, row: dict[str, Any]) -> None:
    """Raise RecordingError if the line names something that this world does not have."""
    values = {
        "client": (row["client"], CLIENTS.keys()),
        "service": (row["service"], SERVICES),
        "target": (row["target"], {*TARGETS, "endpoint-direct", *OWN}),
        "backend_name": (row.get("backend_name") or REAL_LB, NAMES.keys()),
        **{f"outcome {text}": (text, OUTCOMES) for text in row["outcome"].split("|")},
    }
    for key, (got, want) in values.items():
        if got not in want:
            where = f"{recording.name}.jsonl, {cell_id(row)}, {key.split()[0]}"
            message = f"cannot read a recording: {where}: got {got!r}, want one of {', '.join(sorted(want))}."
            raise RecordingError(message)


def _frontend(row: dict[str, Any]) -> Frontend:
    if row["target"] == "endpoint-direct":
        return Frontend(row["service"], FrontendKind.ENDPOINT, backend=f"{row['service'].partition('-')[0]}-b")
    if row["target"] in OWN:
        return Frontend(row["service"], FrontendKind.NODE_PORT, node=row["client"], at=OWN[row["target"]])
    kind, more = TARGETS[row["target"]]
    return Frontend(row["service"], kind, **more)


def complaint(one: Recorded, expectation: Expectation) -> str:
    """Return the difference between the oracle and the recording, or an empty string."""
    wrong = one.outcomes - expectation.outcomes
    if wrong or (one.outcomes == {Outcome.OK} and expectation.outcomes != {Outcome.OK}):
        return f"{sorted(one.outcomes)} where {sorted(expectation.outcomes)} was expected"
    seen = {(one.source, one.backend)} if one.backend else set()
    allowed = {(source, path.backend) for path in expectation.paths for source in path.sources}
    return "" if seen == allowed else f"{seen} where {allowed} was expected"


def disturbed(one: Recorded, expectation: Expectation) -> bool:
    """Return whether its attempts differ and one is as expected. Such a cell is no evidence for a rule."""
    return len(one.outcomes) > 1 and len(expectation.outcomes) == 1 and expectation.outcomes < one.outcomes
