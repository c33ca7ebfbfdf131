"""Predicts the result of a cell from the environment and the snapshot, by the rules for the mode and version."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle import pipeline
from probes.oracle.catalogue import sentence
from probes.oracle.client import client_packet
from probes.oracle.connection import ClusterModel, Connection
from probes.oracle.environment import find_environments
from probes.oracle.expectation import Expectation, Path
from probes.oracle.forking import fork, merge_paths, predict_alternatives
from probes.oracle.modes import chains
from probes.oracle.modes.chains import ChainsByNode
from probes.oracle.stages.arrival import BASELINE
from probes.oracle.stages.endpoints import READINESS
from probes.oracle.stages.host_ports import LISTENING
from probes.oracle.stages.load_balancer import AFFINITY, RECEIVING, DeclaredBalancer, to_pods
from probes.oracle.stages.node_owned_addresses import OWNED
from probes.oracle.stages.service_names import NAMES
from probes.oracle.unknown_facts import find_choices, with_unknown
from topologies.cluster_state.balancer_nodes import BalancerNodes
from topologies.frontends import At, FrontendKind, find_endpoint, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from probes.oracle.connection import Balancer
    from probes.oracle.modes.mode_chains import ModeChains
    from probes.oracle.pipeline import Paths, TracedPath
    from probes.oracle.unknown_facts import FactChoices
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Endpoint, Snapshot
    from topologies.frontends import Frontend
    from topologies.schema.topology import Topology


def expect(topology: Topology, snapshot: Snapshot, cell: Cell) -> Expectation:
    """Return the set of paths that the connections of a cell may take.

    Raises:
        UnresolvedError: The cluster gives the frontend no address.
        UnsupportedMode: The oracle has no rules for this kube-proxy.

    """
    return predict(model_cluster(topology, snapshot), cell)


def model_cluster(topology: Topology, snapshot: Snapshot, balancer: Balancer | None = None) -> ClusterModel:
    """Return the input that all cells of a cluster share.

    Args:
        topology: The declared cluster.
        snapshot: What the cluster's API reports.
        balancer: Another load balancer than the one that the topology declares.

    Raises:
        UnsupportedMode: The oracle has no rules for this kube-proxy.

    """
    if not topology.proxy.is_kube_proxy:
        message = (
            f"no prediction: topology {topology.name}: got proxy.kind {topology.proxy.kind}, want kube-proxy. "
            "Run it: its cells are judged by the API's contract"
        )
        raise chains.UnsupportedMode(message)
    nodes = BalancerNodes.of(topology, snapshot)
    environments = find_environments(nodes.topology)
    found: Mapping[str, ModeChains] = {name: chains.of(environment) for name, environment in environments.items()}
    if choices := find_choices(nodes.topology):
        environments = with_unknown(nodes.topology, environments, choices)
        found = ChainsByNode(environments)
    return ClusterModel(nodes.topology, snapshot, environments, balancer or DeclaredBalancer(), found, nodes, choices)


def predict(cluster: ClusterModel, cell: Cell) -> Expectation:
    """Return the same as `expect` for a given model of the cluster, which may have another load balancer."""
    if cluster.choices is None:
        return _predict(cluster, cell)
    return predict_alternatives(cluster.choices, partial(_predict, cluster, cell))


def _predict(cluster: ClusterModel, cell: Cell) -> Expectation:
    """Return the expectation with the choices of unknown facts that are in force."""
    conn = start_connection(cluster, cell)
    found = pipeline.paths(conn)
    sticky, per_node = _find_affinity(conn, found)
    traced, others = _select_ways(cluster.choices, found)
    paths = merge_paths(_add_addresses(cluster, one.path) for one in traced)
    rules = dict.fromkeys(rule for path in paths for rule in path.rules)
    because = _explain(conn, paths, _name_proxies(conn, traced))
    return Expectation(paths, tuple({**rules, **others}), because, sticky=sticky, sticky_per_node=per_node)


def _select_ways(choices: FactChoices | None, found: Paths) -> tuple[Paths, dict[str, None]]:
    """Return the paths on ways that one choice of unknown facts allows together, and the rules of all possible ways."""
    if choices is None:
        return found, {}
    left, selected = choices.left, []
    for one in found:
        way, left = next(one.list_ways(choices.sets, left))
        selected.append(way)
    ways = (way for one in found if one.variants for way, _ in one.list_ways(choices.sets, choices.left))
    return tuple(selected), dict.fromkeys(made.rule.id for way in ways for made in way.decisions)


def trace_paths(cluster: ClusterModel, cell: Cell) -> tuple[TracedPath, ...]:
    """Return every path of a cell before merging, with the decisions of the rules.

    With unknown facts these are the paths of all choices, each path once. Their shares are those of one choice.

    Raises:
        UnresolvedError: The cluster gives the frontend no address.
        TooManyChoicesError: Unknown facts leave more choices than can be predicted. `predict` expects nothing then.

    """
    run = partial(_trace, cluster, cell)
    if cluster.choices is None:
        return run()
    return tuple({one.path: one for paths, _ in fork(cluster.choices, run) for one in paths}.values())


def _trace(cluster: ClusterModel, cell: Cell) -> tuple[TracedPath, ...]:
    found, choices = pipeline.paths(start_connection(cluster, cell)), cluster.choices
    if choices is None:
        return found
    return tuple(way for one in found for way, _ in one.list_ways(choices.sets, choices.left))


def start_connection(cluster: ClusterModel, cell: Cell) -> Connection:
    """Return the connection of a cell before any rule.

    Raises:
        UnresolvedError: The frontend has no address.

    """
    frontend = cell.frontend
    target = resolve(frontend, cluster.topology, cluster.snapshot)
    state = cluster.snapshot.services[frontend.service]
    packet = client_packet(cell.vantage, cluster.topology, cluster.snapshot)
    return Connection(
        cluster=cluster,
        state=state,
        kind=frontend.kind,
        target=target.address,
        port=target.port,
        packet=packet,
        at=frontend.at,
        target_node=packet.client_node if frontend.at is At.LOOPBACK else frontend.node or "",
        declared=frontend.declared,
        endpoint=_asked_directly(cluster, frontend),
    )


def _asked_directly(cluster: ClusterModel, frontend: Frontend) -> Endpoint | None:
    asks_endpoint = frontend.kind is FrontendKind.ENDPOINT
    return find_endpoint(frontend, cluster.topology, cluster.snapshot) if asks_endpoint else None


def _add_addresses(cluster: ClusterModel, path: Path) -> Path:
    """Return the path with the addresses of all nodes for which a node of the load balancer's pool stands."""
    known = cluster.balancer_nodes.addresses
    if not any(source in known for source in path.sources):
        return path
    return replace(path, sources=frozenset(one for source in path.sources for one in known.get(source, {source})))


def _find_affinity(conn: Connection, found: Paths) -> tuple[bool, float]:
    """Return the values of `sticky` and `sticky_per_node`.

    Each node has its own affinity table. Behind a load balancer that selects a node for each connection, a client
    reaches up to one backend per node. A load balancer that sends packets to pods passes kube-proxy.
    """
    if not conn.state.sticky or not conn.declared or conn.kind is FrontendKind.ENDPOINT:
        return False, 0.0
    if not any(one.selected for one in found):
        return True, 0.0
    past_proxy = any(to_pods.id in one.receptions for one in found)
    return False, 0.0 if past_proxy else _find_largest_share(found)


def _find_largest_share(found: Paths) -> float:
    """Return the largest share of the selected nodes that may give the same answer."""
    ends: dict[str, list[Path]] = {}
    for one in found:
        ends.setdefault(one.selected, []).append(one.end)
    shares = {node: sum(end.share for end in of_node) for node, of_node in ends.items()}
    return max(
        sum(shares[node] for node, of_node in ends.items() if any(one.end.resembles(end) for end in of_node))
        for one in found
    )


POOLS = {rule.id for mode in chains.MODES.values() for rule in mode.pool}
MARKS = {rule.id for mode in chains.MODES.values() for rule in mode.mark}
READY = {rule.id for rule in READINESS}
DECISIVE = (
    POOLS | MARKS | READY | {rule.id for chain in (LISTENING, RECEIVING, AFFINITY, OWNED, NAMES) for rule in chain}
)
DECISIVE |= {rule.id for rule in BASELINE}


def _explain(conn: Connection, paths: Iterable[Path], proxies: str) -> str:
    """Return the sentences of the decisive rules, the nodes with ready endpoints, and the kube-proxy."""
    names = dict.fromkeys(name for path in paths for name in _decisive_rules(path))
    words = "; ".join(sentence(name).rstrip(".") for name in names)
    nodes = sorted({one.node for one in conn.state.endpoints if one.ready})
    where = f"ready endpoints on {', '.join(nodes)}" if nodes else "no ready endpoint"
    return f"{words}; {where} ({proxies})"


def _name_proxies(conn: Connection, traced: Iterable[TracedPath]) -> str:
    """Return the kube-proxies that selected endpoints, with their nodes if they differ: `kube-proxy 1.20.2 iptables`.

    If none did, return the one of the client's node, or of the node asked from outside.
    """
    made = (decision for one in traced for decision in one.decisions if decision.rule.id in POOLS)
    nodes = sorted({decision.connection.place for decision in made}) or [conn.place]
    by_proxy: dict[str, list[str]] = {}
    for node in nodes:
        by_proxy.setdefault(str(conn.environment_of(node)), []).append(node)
    if len(by_proxy) == 1:
        return next(iter(by_proxy))
    return "; ".join(f"{proxy} on {', '.join(nodes)}" for proxy, nodes in by_proxy.items())


def _decisive_rules(path: Path) -> list[str]:
    """Return the rules for endpoint selection and mark if the path is ok, or the rule that ended it.

    In both cases the rule for endpoints that are not ready, if they matter, comes first.
    """
    if path.outcome is not Outcome.OK:
        return [*(name for name in path.rules if name in READY), path.rules[-1]]
    return [name for name in path.rules if name in DECISIVE]
