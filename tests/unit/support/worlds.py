"""Example runs: the standard workload on four nodes, answered as expected except where a test bends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probes.judging.compare import JudgedCell, judge
from probes.judging.verdict import Facet
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.expectation import Expectation, Path
from probes.plan.plan import plan
from reports.records.record import Record
from reports.records.run import DeclaredTopology, Header, OmittedCell
from topologies.cluster_state.snapshot import Snapshot, declared
from topologies.frontends import FrontendKind, Target, UnresolvedError, resolve
from topologies.schema.default_workload import standard
from topologies.schema.enums import LoadBalancerKind
from topologies.schema.topology import External, LoadBalancer, Node, Topology

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

    from probes.plan.cell import Cell

STARTED = datetime(2026, 11, 22, 5, 35, 8, tzinfo=UTC)
SILENT = {"none-lb", "none-lb-local"}


def topology() -> Topology:
    nodes = tuple(Node(name=f"n{i}", address=f"198.18.1.1{i}", pod_cidr=f"10.244.{i}.0/24") for i in range(1, 5))
    return Topology.model_validate(
        {
            "name": "lab-flannel",
            "kubernetes": "1.20.2",
            "nodes": [node.model_dump() for node in nodes],
            "cni": {"kind": "flannel-vxlan"},
            "load_balancer": LoadBalancer(kind=LoadBalancerKind.INLINE, addresses="198.18.4.0/24").model_dump(),
            "external": [External(name="e1", address="198.18.3.100").model_dump()],
            "workload": standard([node.name for node in nodes], ["e1"], ["n4"], []),
        }
    )


def header(cells: list[Cell] | None = None) -> Header:
    world = topology()
    return Header(
        environment={"mode": "iptables", "version": "1.20.2", "cni": "flannel-vxlan"},
        topology=DeclaredTopology.of(world),
        versions={"hairpin": "0.1.0", "python": "3.11.2", "kube-proxy": "1.20.2", "kernel": "6.1.0"},
        started=STARTED,
        command="pytest --topology lab-flannel",
        plan=tuple(cell.id for cell in cells or ()),
        omissions=tuple(map(OmittedCell.of, plan(world).omissions[:3])),
    )


def expectation(cell: Cell, world: Topology, snapshot: Snapshot) -> Expectation:
    """A stand-in for the oracle: kept under Local, else the bridge's address; nothing where there is no endpoint."""
    state = snapshot.services[cell.frontend.service]
    if not state.endpoints:
        refused = Path(Outcome.REFUSED, rules=("R1.2",), by_icmp=True)
        return Expectation((refused,), ("R1.2",), "the Service has no ready endpoint")
    if cell.frontend.kind is FrontendKind.NODE_PORT and cell.vantage.external and "local" in state.name:
        timeout = Path(Outcome.TIMEOUT, rules=("R4.5",))
        return Expectation((timeout,), ("R4.5",), "externalTrafficPolicy Local drops where the node has no endpoint")
    kept = own(cell, world, snapshot)
    node = world.node(cell.vantage.node or "n1")
    source = (
        kept
        if "local" in state.name or cell.frontend.kind is FrontendKind.CLUSTER_IP
        else world.cni.tunnel_address_of(node) or kept
    )
    paths = tuple(
        Path(Outcome.OK, frozenset({source}), end.backend, 1 / len(state.endpoints), ("R2.1",))
        for end in state.endpoints
    )
    return Expectation(paths, ("R2.1", "R3.4"), f"{state.external_traffic_policy} spreads over all endpoints")


def own(cell: Cell, world: Topology, snapshot: Snapshot) -> IPv4Address:
    if cell.vantage.kind in {"ssh", "node"}:
        return world.node(cell.vantage.node or "n1").address
    return snapshot.pods.get(cell.vantage.backend or cell.vantage.name) or world.external[0].address


def answer(cell: Cell, target: Target, wanted: Expectation, client: IPv4Address) -> Observation:
    attempts = []
    for index in range(cell.sample):
        path = wanted.paths[index % len(wanted.paths)]
        source = next(iter(path.sources), None)
        attempts.append(
            Attempt(path.outcome, source, path.backend, local=f"{client}:{40000 + index}", remote=str(target))
        )
    return Observation(cell.id, str(target), tuple(attempts))


def record(cell: Cell, bend: Callable[[Observation], Observation] = lambda seen: seen, *, split: bool = True) -> Record:
    world = topology()
    snapshot = declared(world)
    try:
        target = resolve(cell.frontend, world, snapshot)
    except UnresolvedError:
        target = None
    wanted = expectation(cell, world, snapshot)
    seen = bend(answer(cell, target or Target(world.nodes[0].address, 1), wanted, own(cell, world, snapshot)))

    names = AddressNames.of(world, snapshot)
    case = JudgedCell(cell, wanted, seen, names.describe, evidence=f"out/last/cells/{cell.id}/")
    verdicts = [judge(case, facet) for facet in Facet] if split else [judge(case)]
    return Record.of(cell, wanted, seen, verdicts, names.shorten)


def cells() -> list[Cell]:
    return list(plan(topology()).cells)


def records(count: int | None = None) -> list[Record]:
    """The whole plan, with failures on n4's NodePorts, a lost source, and one vantage that could not be asked."""
    return [record(cell, _bend(cell)) for cell in cells()[:count]]


def timed_out(seen: Observation, keep: int = 0) -> Observation:
    later = [replace(one, outcome=Outcome.TIMEOUT, source=None, backend=None) for one in seen.attempts[keep:]]
    return replace(seen, attempts=(*seen.attempts[:keep], *later))


def unasked(seen: Observation) -> Observation:
    return replace(seen, attempts=(), trouble="SSH to n4: connection refused")


def _bend(cell: Cell) -> Callable[[Observation], Observation]:
    if cell.vantage.name == "ssh-n4":
        return unasked
    if cell.frontend.service == "web-np" and cell.frontend.node == "n3":
        return lambda seen: timed_out(seen, 2)
    if cell.frontend.service == "web-lb-local" and cell.vantage.external:
        return lambda seen: replace(
            seen,
            attempts=tuple(
                replace(one, source=topology().cni.bridge_address_of(topology().nodes[1])) for one in seen.attempts
            ),
        )
    return lambda seen: seen


def index(cell: str) -> int:
    return [one.id for one in cells()].index(cell)
