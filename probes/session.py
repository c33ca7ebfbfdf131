"""One run's asking, from the topology to the answers: deploy, settle, ask every cell once. Knows nothing of pytest.

The answers can be written to a file and read back, so that the workers of pytest-xdist share one asking.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from probes.asking import runner, schedule
from probes.lifecycle import preflight, settling, stability
from probes.observation import Attempt, Observation
from topologies.cluster import client as clusters
from topologies.cluster.api import again
from topologies.cluster.run_namespaces import PREFIX, Lease
from topologies.cluster_state.shortfalls import Shortfalls, shortfalls
from topologies.cluster_state.snapshot import Snapshot, declared
from topologies.frontends import Target, UnresolvedError, resolve
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Images, Ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probes.asking.vantages.base import Prober
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology, Vantage


@dataclass(frozen=True)
class Options:
    """How a run asks. Times in seconds. `keep`: leave the workload for a look afterwards.

    `balancer_settle`: how long a load balancer that does not tell its pool has for its own health checks. `together`:
    see `runner.ask`.
    """

    kubeconfig: str | None = None
    context: str | None = None
    ssh: Ssh = field(default_factory=Ssh)
    connect_timeout: float = 2.0
    settle_timeout: float = 60.0
    balancer_settle: float = 30.0
    together: int = 0
    keep: bool = False


@dataclass(frozen=True)
class Answers:
    """What a run's asking gave. `timings`: seconds by phase; `notes`: what did not settle."""

    snapshot: Snapshot
    observations: dict[str, Observation]
    timings: dict[str, float]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write to a file for other processes; appears whole or not at all."""
        fresh = path.with_suffix(".new")
        fresh.write_bytes(TypeAdapter(Answers).dump_json(self))
        fresh.replace(path)

    @staticmethod
    def read(path: Path) -> Answers:
        """The answers that another process has written."""
        return TypeAdapter(Answers).validate_json(path.read_bytes())


def conduct(  # noqa: PLR0913 - the one place where all the parts of a run meet
    topology: Topology,
    cells: Sequence[Cell],
    run: str,
    options: Options,
    *,
    say: Callable[[str], None],
    heard: Callable[[dict[str, Observation]], None] = lambda _: None,
    before_asking: Callable[[Answers], None] = lambda _: None,
    begun: Callable[[clusters.Cluster], None] = lambda _: None,
) -> Answers:
    """Deploy, settle, ask every cell once, remove. ClusterError where the cluster cannot be tested at all.

    `say` gets the progress, a line at a time, and `heard` the observations by cell id as they come, each newer one in
    place of the older; both from several threads. `before_asking` is called once, after settling, with what is known
    by then: all but the observations. `begun` is called before anything is created, with what `remove` removes it.
    """
    _refuse_the_labs_image(topology)
    cluster = clusters.Cluster(
        api=clusters.connect(options.kubeconfig, options.context),
        topology=topology,
        namespace=f"{PREFIX}{run}",
        run=run,
    )
    begun(cluster)
    lease = Lease(cluster.api, cluster.namespace, run, say)
    started = time.monotonic()
    real = preflight.check_cluster(cluster, say)
    try:
        earlier = settling.take_turn(cluster, lease, options.settle_timeout, say)
        cluster.deploy()
        pods, lost = settling.wait_for_pods(cluster, options.settle_timeout, say)
        running = cluster.snapshot()
        nodes = _check_nodes(cluster, running, options, say)
        lost |= shortfalls(topology, running).pods
        settling.wait_for_earlier(cluster, say)  # one that was made in the same second, and not listed yet
        cluster.serve()
        late = settling.settle(cluster, lost, options.settle_timeout, options.balancer_settle, say)
        snapshot, versions = cluster.snapshot(), {**real.versions, **nodes.versions}
        lacking = shortfalls(topology, snapshot)
        for reason in lacking.reasons:
            say(f"NOT TESTED: {reason}")
        notes = (*real.notes, *nodes.notes, *earlier, *pods, *late, *lacking.reasons)
        settled = time.monotonic()
        timings = {"settle": settled - started}
        before_asking(Answers(snapshot, {}, timings, versions, notes))
        observations = _ask(cells, snapshot, lacking, cluster, options, say=say, heard=heard)
        asked = time.monotonic()
        changed, odd = stability.look_again(cluster, snapshot, say)
        if spoiled := stability.spoiled(cells, observations, changed):
            heard(spoiled)
        observations, notes = observations | spoiled, (*notes, *odd)
    finally:
        lease.release()
        left = () if options.keep else _remove(cluster, say)
    notes = (*notes, *filter(None, [lease.lost]), *left)
    return Answers(snapshot, observations, {**timings, "ask": asked - settled}, versions, notes)


def _refuse_the_labs_image(topology: Topology) -> None:
    """Raise ClusterError where the topology of another cluster names the image that only our lab has."""
    if topology.lab is None and topology.images.agnhost == Images().agnhost:
        message = (
            f"images.agnhost of topology {topology.name}: got {topology.images.agnhost}, which only a lab has, "
            "want an image that this cluster can pull (docs/topology.md says what must be in it). Set images.agnhost"
        )
        raise clusters.ClusterError(message)


def _remove(cluster: clusters.Cluster, say: Callable[[str], None]) -> tuple[str, ...]:
    """Take the workload away; that it could not be is told, and loses none of the answers."""
    try:
        cluster.remove()
    except clusters.ClusterError as error:
        note = f"namespace {cluster.namespace} is left behind, remove it with `hairpin clean`: {error}"
        say(note)
        return (note,)
    return ()


def _check_nodes(
    cluster: clusters.Cluster, running: Snapshot, options: Options, say: Callable[[str], None]
) -> preflight.Real:
    """Compare the topology with its nodes, each asked from a vantage on its own network."""
    topology = cluster.topology
    vantages = preflight.node_vantages(topology, running)
    askers = {node: _asker(vantage, topology, cluster, options) for node, vantage in vantages.items()}
    return preflight.check_nodes(topology, running, askers, say)


def _ask(  # noqa: PLR0913 - see conduct
    cells: Sequence[Cell],
    snapshot: Snapshot,
    lacking: Shortfalls,
    cluster: clusters.Cluster,
    options: Options,
    *,
    say: Callable[[str], None],
    heard: Callable[[dict[str, Observation]], None],
) -> dict[str, Observation]:
    topology = cluster.topology
    questions: dict[str, list[runner.Question]] = {}
    observations: dict[str, Observation] = {}
    for cell in cells:
        if reason := lacking.reason(cell.vantage, cell.frontend):
            observations[cell.id] = Observation(cell.id, trouble=reason)
            continue
        try:
            target = resolve(cell.frontend, topology, snapshot)
        except UnresolvedError as error:
            observations[cell.id] = Observation(cell.id, trouble=str(error))
        else:
            questions.setdefault(cell.vantage.name, []).append(schedule.build_question(topology, cell, target))
    heard(observations)
    asked = {cell.vantage.name: cell.vantage for cell in cells}
    askers = {name: _asker(vantage, topology, cluster, options) for name, vantage in asked.items()}
    return observations | runner.ask(
        questions,
        askers,
        connect_timeout=options.connect_timeout,
        together=options.together,
        progress=say,
        done=heard,
    )


def _asker(vantage: Vantage, topology: Topology, cluster: clusters.Cluster, options: Options) -> Prober:
    """The way to run a command there."""
    from probes.asking.vantages.pod import PodVantage  # noqa: PLC0415 - kubernetes and paramiko take 1.3 s to import

    if vantage.kind is VantageKind.EXTERNAL:
        host = next(host for host in topology.external if host.name == vantage.external)
        return _ssh(vantage.name, host.ssh, str(host.address), options)
    if vantage.kind is VantageKind.SSH:
        node = topology.node(vantage.node or "")
        return _ssh(vantage.name, node.ssh or Ssh(), str(node.address), options)
    return PodVantage(
        name=vantage.name,
        api_factory=lambda: again(cluster.api),
        namespace=cluster.namespace,
        pod=vantage.backend or vantage.name,
        container="agnhost",
    )


def _ssh(name: str, ssh: Ssh, address: str, options: Options) -> Prober:
    from probes.asking.vantages.ssh import SshVantage  # noqa: PLC0415 - see _asker

    return SshVantage(
        name=name,
        host=ssh.host or address,
        port=ssh.port,
        user=ssh.user,
        key=_path(ssh.key or options.ssh.key),
        known_hosts=_path(ssh.known_hosts or options.ssh.known_hosts),
    )


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def simulate(
    topology: Topology,
    cells: Iterable[Cell],
    expect: Callable[[Cell, Snapshot], Expectation],
    given: Snapshot | None = None,
) -> Answers:
    """Answers with no cluster: a world that does exactly what `expect` says, each path in turn."""
    snapshot = given or declared(topology)
    observations = {
        cell.id: _simulated(cell, resolve(cell.frontend, topology, snapshot), expect(cell, snapshot)) for cell in cells
    }
    versions, note = {"kubernetes": f"simulated {topology.kubernetes}"}, "simulated: no cluster was asked"
    return Answers(snapshot, observations, {"settle": 0.0, "ask": 0.0}, versions, (note,))


def _simulated(cell: Cell, target: Target, expectation: Expectation) -> Observation:
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
    return Observation(cell.id, str(target), tuple(attempts), sure=True)  # nobody limits ICMP errors there
