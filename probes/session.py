"""Run all phases of a live run: compare, deploy, probe, look again. Knows nothing of pytest.

The answers can be written to a file and read back, so that one worker of pytest-xdist probes for all.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from probes.asking import runner, schedule
from probes.lifecycle import host_names, host_ports, preflight, settling, stability
from probes.lifecycle.node_health import NodeHealth
from probes.lifecycle.probers import Probers
from probes.lifecycle.terminating import end_processes
from probes.observation import Attempt, Observation
from topologies.cluster import client as clusters
from topologies.cluster.inventory import may_ask_nodes
from topologies.cluster.pods import read_policies
from topologies.cluster.run_namespaces import PREFIX, Lease
from topologies.cluster_state.node_versions import NodeVersions, merge_nodes
from topologies.cluster_state.shortfalls import shortfalls
from topologies.cluster_state.snapshot import Snapshot, declared
from topologies.frontends import Target, UnresolvedError, resolve
from topologies.schema.topology import Images, Ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

RunCluster = TypeVar("RunCluster", bound=clusters.Cluster)


@dataclass(frozen=True)
class Options:
    """How a run probes. Times in seconds.

    `balancer_settle`: how long to wait for the health checks of a load balancer that does not report its targets.
    `together`: see `runner.ask`. `keep`: leave the workload in the cluster. `namespace`: one that was made beforehand.
    `logs`: the directory with a log `<node>.kube-proxy.log` of each node, if this machine has one. `nodes`: what is
    known to run on them before they are probed.
    """

    kubeconfig: str | None = None
    context: str | None = None
    ssh: Ssh = field(default_factory=Ssh)
    connect_timeout: float = 2.0
    settle_timeout: float = 60.0
    balancer_settle: float = 30.0
    together: int = 0
    keep: bool = False
    namespace: str | None = None
    logs: Path | None = None
    nodes: Mapping[str, NodeVersions] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """The result of probing.

    `timings`: seconds by phase; `notes`: what did not settle; `nodes`: what each node runs.
    """

    snapshot: Snapshot
    observations: dict[str, Observation]
    timings: dict[str, float]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    nodes: dict[str, NodeVersions] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write to a file for other processes; appears whole or not at all."""
        fresh = path.with_suffix(".new")
        fresh.write_bytes(TypeAdapter(Answers).dump_json(self))
        fresh.replace(path)

    @staticmethod
    def read(path: Path) -> Answers:
        """Return the answers that another process has written."""
        return TypeAdapter(Answers).validate_json(path.read_bytes())


@dataclass(frozen=True)
class _LiveRun:
    """What all phases of a live run need. `progress` gets the progress, `observed` the observations."""

    cluster: clusters.Cluster
    cells: Sequence[Cell]
    options: Options
    progress: Callable[[str], None]
    observed: Callable[[dict[str, Observation]], None]

    @property
    def topology(self) -> Topology:
        """The declared cluster."""
        return self.cluster.topology

    @property
    def probers(self) -> Probers:
        """What runs commands at the vantages."""
        return Probers(self.cluster, self.options.ssh)


def conduct(  # noqa: PLR0913 - the one place where all the parts of a run meet
    topology: Topology,
    cells: Sequence[Cell],
    run: str,
    options: Options,
    *,
    progress: Callable[[str], None],
    observed: Callable[[dict[str, Observation]], None] = lambda _: None,
    before_asking: Callable[[Answers], None] = lambda _: None,
    begun: Callable[[clusters.Cluster], None] = lambda _: None,
) -> Answers:
    """Compare the cluster, deploy, probe every cell, look again, remove.

    Args:
        topology: The declared cluster.
        cells: What to probe.
        run: The id of the run, part of its namespace's name.
        options: How to probe.
        progress: Gets the progress, a line at a time, from several threads.
        observed: Gets observations by cell id as they come, each newer one in place of the older, from several threads.
        before_asking: Called once, after settling, with everything that is known by then except the observations.
        begun: Called before anything is created, with the cluster whose `remove` removes it.

    Raises:
        ClusterError: The cluster cannot be tested at all.

    """
    cluster = connect_run(topology, run, options, clusters.Cluster)
    begun(cluster)
    live = _LiveRun(cluster, cells, options, progress, observed)
    with _deployed(live) as (known, endings):
        before_asking(known)
        answers = _look_again(live, _probe(live, known))
    return replace(answers, notes=(*answers.notes, *endings))


def connect_run(topology: Topology, run: str, options: Options, make: Callable[..., RunCluster]) -> RunCluster:
    """Return the cluster of a run, in which nothing has been created yet.

    Args:
        topology: The declared cluster.
        run: The id of the run, part of its namespace's name.
        options: How to reach the cluster.
        make: Makes the cluster.

    Raises:
        ClusterError: It cannot be reached, or cannot run this topology's pods.

    """
    _refuse_the_labs_image(topology)
    preflight.refuse_new_namespace(topology, options.namespace)
    api = clusters.connect(options.kubeconfig, options.context)
    place, given = options.namespace or f"{PREFIX}{run}", options.namespace is not None
    return make(api=api, topology=topology, namespace=place, run=run, given=given)


@contextmanager
def deployed(cluster: clusters.Cluster, options: Options, progress: Callable[[str], None]) -> Iterator[Answers]:
    """Deploy the workload of a cluster that `connect_run` returned, and yield what is known of it; then remove it.

    Raises:
        ClusterError: The cluster cannot be tested at all.

    """
    with _deployed(_LiveRun(cluster, (), options, progress, lambda _: None)) as (known, _):
        yield known


@contextmanager
def _deployed(live: _LiveRun) -> Iterator[tuple[Answers, list[str]]]:
    """Deploy, and yield what is known with a list that gets the notes on the end of the run; then remove."""
    cluster, endings = live.cluster, list[str]()
    lease = Lease(cluster.api, cluster.namespace, cluster.run, live.progress, shared=cluster.given)
    started = time.monotonic()
    real = preflight.check_cluster(cluster, live.progress)
    try:
        yield replace(_deploy(live, lease, real), timings={"settle": time.monotonic() - started}), endings
    finally:
        lease.release()
        left = () if live.options.keep else _remove(live)
        endings += [*filter(None, [lease.lost]), *left]


def _deploy(live: _LiveRun, lease: Lease, real: preflight.Real) -> Answers:
    """Deploy the workload and wait until it has settled; return the snapshot, the versions and the notes."""
    cluster, options, progress = live.cluster, live.options, live.progress
    earlier = settling.take_turn(cluster, lease, options.settle_timeout, progress)
    cluster.deploy()
    pods, lost = host_ports.wait_at_free_ports(cluster, options.settle_timeout, progress)
    read_policies(cluster)
    running = cluster.snapshot()
    nodes = _check_nodes(live, running)
    to_delete = {backend.name for backend in live.topology.terminating_backends}
    lost |= shortfalls(live.topology, running).pods - to_delete
    if not may_ask_nodes(cluster) and (prober := live.probers.in_any_pod(lost)):
        cluster.ask_health = NodeHealth(live.topology, prober)
    names, unread = host_names.read_host_names(live.probers.in_hosted_backends(lost), progress)
    settling.wait_for_earlier(cluster, progress)  # one that was made in the same second, and not listed yet
    cluster.serve()
    undeleted = settling.terminate(cluster, lost, options.settle_timeout, progress)
    late = settling.settle(cluster, lost, options.settle_timeout, options.balancer_settle, progress)
    snapshot = replace(cluster.snapshot(), hostnames=names)
    reasons = shortfalls(live.topology, snapshot).reasons
    for reason in reasons:
        progress(f"NOT TESTED: {reason}")
    notes = (*real.notes, *nodes.notes, *earlier, *pods, *unread, *undeleted, *late, *reasons, *cluster.notes)
    found = merge_nodes(merge_nodes(options.nodes, real.nodes), nodes.nodes)
    return Answers(snapshot, {}, {}, {**real.versions, **nodes.versions}, notes, found)


def _probe(live: _LiveRun, known: Answers) -> Answers:
    """Probe every cell."""
    began = time.monotonic()
    observations = _ask(live, known.snapshot)
    return replace(known, observations=observations, timings={**known.timings, "ask": time.monotonic() - began})


def _look_again(live: _LiveRun, answers: Answers) -> Answers:
    """Mark the observations of cells whose part of the cluster changed meanwhile."""
    changed, notes = stability.look_again(live.cluster, answers.snapshot, live.progress)
    if spoiled := stability.spoiled(live.cells, answers.observations, changed):
        live.observed(spoiled)
    return replace(answers, observations=answers.observations | spoiled, notes=(*answers.notes, *notes))


def _refuse_the_labs_image(topology: Topology) -> None:
    """Raise ClusterError if the topology of another cluster names the image that only our lab has."""
    if topology.lab is None and topology.images.agnhost == Images().agnhost:
        message = (
            f"images.agnhost of topology {topology.name}: got {topology.images.agnhost}, which only a lab has, "
            "want an image that this cluster can pull (docs/topology.md lists what must be in it). Set images.agnhost"
        )
        raise clusters.ClusterError(message)


def _remove(live: _LiveRun) -> tuple[str, ...]:
    """Remove the workload; return a note if that fails, which loses none of the answers."""
    cluster, progress = live.cluster, live.progress
    end_processes(live.probers.in_lingering_pods())
    try:
        cluster.remove()
    except clusters.ClusterError as error:
        note = f"{cluster.leftover}: {error}"
        progress(note)
        return (note,)
    return ()


def _check_nodes(live: _LiveRun, running: Snapshot) -> preflight.Real:
    """Compare the topology with its nodes, each probed from a vantage on its host network."""
    vantages = preflight.node_vantages(live.topology, running)
    probers = {node: live.probers.at(vantage) for node, vantage in vantages.items()}
    return preflight.check_nodes(live.topology, running, probers, live.progress, live.options.logs)


def _ask(live: _LiveRun, snapshot: Snapshot) -> dict[str, Observation]:
    """Probe the cells that can be probed; the others have the reason as trouble."""
    questions, observations = _questions(live, snapshot)
    live.observed(observations)
    vantages = {cell.vantage.name: cell.vantage for cell in live.cells}
    return observations | runner.ask(
        questions,
        {name: live.probers.at(vantage) for name, vantage in vantages.items()},
        connect_timeout=live.options.connect_timeout,
        together=live.options.together,
        progress=live.progress,
        done=live.observed,
    )


def _questions(live: _LiveRun, snapshot: Snapshot) -> tuple[dict[str, list[runner.Question]], dict[str, Observation]]:
    """Return the questions by vantage name, and the observations of cells that cannot be probed."""
    topology, lacking = live.topology, shortfalls(live.topology, snapshot)
    turn_of = schedule.plan_turns(topology)
    questions: dict[str, list[runner.Question]] = {}
    observations: dict[str, Observation] = {}
    for cell in live.cells:
        if reason := lacking.reason(cell.vantage, cell.frontend):
            observations[cell.id] = Observation(cell.id, trouble=reason)
            continue
        try:
            target = resolve(cell.frontend, topology, snapshot)
        except UnresolvedError as error:
            observations[cell.id] = Observation(cell.id, trouble=str(error))
        else:
            question = schedule.build_question(topology, cell, target, turn_of(cell))
            questions.setdefault(cell.vantage.name, []).append(question)
    return questions, observations


def simulate(
    topology: Topology,
    cells: Iterable[Cell],
    expect: Callable[[Cell, Snapshot], Expectation],
    given: Snapshot | None = None,
) -> Answers:
    """Return the answers of a simulated cluster that does exactly what `expect` returns, each path in turn."""
    snapshot = given or declared(topology)
    observations = {
        cell.id: _simulated(cell, resolve(cell.frontend, topology, snapshot), expect(cell, snapshot)) for cell in cells
    }
    versions, note = {"kubernetes": f"simulated {topology.kubernetes}"}, "simulated: no cluster was asked"
    return Answers(snapshot, observations, {"settle": 0.0, "ask": 0.0}, versions, (note,))


def _simulated(cell: Cell, target: Target, expectation: Expectation) -> Observation:
    expectation = expectation.possible[0]  # a cluster has one value of each fact, also of an unknown one
    paths = expectation.paths[:1] if expectation.sticky else expectation.paths
    attempts = []
    taken = [0] * len(paths)
    for index in range(max(cell.sample, len(paths))):
        due = max(range(len(paths)), key=lambda one: paths[one].share * (index + 1) - taken[one])
        taken[due] += 1
        path = paths[due]
        attempts.append(
            Attempt(path.outcome, source=min(path.sources, default=None), backend=path.backend, scout=index == 0)
        )
    return Observation(cell.id, str(target), tuple(attempts), sure=True)  # ICMP errors are not limited there
