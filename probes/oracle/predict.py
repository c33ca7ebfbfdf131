"""Predicts the result of a cell from the environment and the snapshot, by the rules for the mode and version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle import pipeline
from probes.oracle.catalogue import sentence
from probes.oracle.connection import Flow, World
from probes.oracle.environment import Environment
from probes.oracle.expectation import Expectation, Path
from probes.oracle.modes import chains
from probes.oracle.stages.arrival import BASELINE, departing
from probes.oracle.stages.host_ports import LISTENING
from probes.oracle.stages.load_balancer import RECEIVING, Declared
from probes.oracle.stages.node_owned_addresses import HOLDING
from topologies.frontends import At, FrontendKind, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.connection import Balancer
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.schema.topology import Topology


def expect(topology: Topology, snapshot: Snapshot, cell: Cell) -> Expectation:
    """Return the set of paths that the connections of a cell may take.

    Raises:
        UnresolvedError: The cluster gives the frontend no address.
        UnsupportedMode: The oracle has no rules for this kube-proxy.

    """
    return predict(world_of(topology, snapshot), cell)


def world_of(topology: Topology, snapshot: Snapshot, balancer: Balancer | None = None) -> World:
    """Return the input that all cells of a cluster share.

    Args:
        topology: The declared cluster.
        snapshot: What the cluster's API reports.
        balancer: Another load balancer than the one that the topology declares.

    Raises:
        UnsupportedMode: The oracle has no rules for this kube-proxy.

    """
    environment = Environment.of(topology)
    return World(topology, snapshot, environment, balancer or Declared(), chains.of(environment))


def predict(world: World, cell: Cell) -> Expectation:
    """Return the same as `expect` for a given world, which may have another load balancer."""
    flow = flow_of(world, cell)
    ways = _merged(traced.path for traced in pipeline.paths(flow))
    rules = tuple(dict.fromkeys(rule for way in ways for rule in way.rules))
    return Expectation(ways, rules, _because(flow, ways), sticky=_sticky(flow, rules))


def flow_of(world: World, cell: Cell) -> Flow:
    """Return the connection of a cell before any rule.

    Raises:
        UnresolvedError: The frontend has no address.

    """
    frontend = cell.frontend
    target = resolve(frontend, world.topology, world.snapshot)
    state = world.snapshot.services[frontend.service]
    packet = departing(cell.vantage, world.topology, world.snapshot)
    return Flow(
        world=world,
        state=state,
        kind=frontend.kind,
        target=target.address,
        port=target.port,
        packet=packet,
        at=frontend.at,
        asked_node=packet.home if frontend.at is At.LOOPBACK else frontend.node or "",
        declared=frontend.declared,
        endpoint=_asked(state, frontend.backend) if frontend.kind is FrontendKind.ENDPOINT else None,
    )


def _asked(state: ServiceState, backend: str | None) -> Endpoint:
    return next(endpoint for endpoint in state.endpoints if endpoint.backend == backend)


def _merged(ways: Iterable[Path]) -> tuple[Path, ...]:
    """Merge paths with the same observable result and add their shares."""
    merged: dict[tuple[object, ...], Path] = {}
    for way in ways:
        key = (way.outcome, way.sources, way.backend, way.by_icmp)
        known = merged.get(key)
        rules = tuple(dict.fromkeys((*known.rules, *way.rules))) if known else way.rules
        merged[key] = replace(way, share=way.share + (known.share if known else 0), rules=rules)
    return tuple(merged.values())


def _sticky(flow: Flow, rules: tuple[str, ...]) -> bool:
    """Return whether session affinity applies.

    Each node has its own affinity table. It has no effect behind a load balancer that uses several nodes in turn.
    """
    in_turn = "L10" in rules and len(flow.world.topology.nodes) > 1
    return flow.state.sticky and flow.declared and flow.kind is not FrontendKind.ENDPOINT and not in_turn


POOLS = {rule.id for mode in chains.MODES.values() for rule in mode.pool}
MARKS = {rule.id for mode in chains.MODES.values() for rule in mode.mark}
TELLING = POOLS | MARKS | {rule.id for chain in (LISTENING, RECEIVING, HOLDING) for rule in chain}
TELLING |= {rule.id for rule in BASELINE}


def _because(flow: Flow, ways: Iterable[Path]) -> str:
    """Return the sentences of the decisive rules, the nodes with ready endpoints, and the kube-proxy."""
    names = dict.fromkeys(name for way in ways for name in _telling(way))
    words = "; ".join(sentence(name).rstrip(".") for name in names)
    homes = sorted({one.node for one in flow.state.endpoints if one.ready})
    where = f"ready endpoints on {', '.join(homes)}" if homes else "no ready endpoint"
    return f"{words}; {where} ({flow.environment})"


def _telling(way: Path) -> list[str]:
    """Return the rules for endpoint selection and mark if the path is ok, or the rule that ended it."""
    if way.outcome is not Outcome.OK:
        return [way.rules[-1]]
    return [name for name in way.rules if name in TELLING]
