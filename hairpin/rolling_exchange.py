"""Conduct a rolling exchange of kube-proxy on a running lab, from inside the lab. Not a verb; `rolling.py` is.

The workload of a run is deployed, every vantage starts to ask the fixed cells, and then one node after the other gets
its new kube-proxy. What was observed so far is written after every step.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from probes import session
from probes.asking.continuous.clients import AskingPace, asking, events_file
from probes.asking.continuous.events import read_events
from probes.plan.fixed_cells import choose_fixed_cells
from reports.analysis.rolling import (
    PHASES,
    LeftOnNode,
    ObservedStep,
    RollingExchange,
    analyse_step,
    find_references,
)
from topologies.common.waiting import pause
from topologies.frontends import Target, resolve
from topologies.lab.sandbox import Sandbox
from topologies.lab.worker.exchange import ProxyOfNode, mix_proxies
from topologies.lab.worker.pod_namespaces import Entrances
from topologies.lab.worker.remains import read_remains
from topologies.schema.topology import Ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from probes.asking.continuous.events import VantageEvents
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.lab.lab import RunningLab
    from topologies.schema.topology import Topology

STEPS = "steps.json"  # the phases of all steps so far, with the clock of the events
REFERENCE_S = 3.0  # before the first step: what each cell gets without any change


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """What to exchange. `program`: the new kube-proxy. `pause_s`: how long each phase is watched at least."""

    before: Topology
    after: Topology
    program: Path
    cleanup: bool = False
    pause_s: float = 1.0
    pace: AskingPace = field(default_factory=AskingPace)


@dataclass(slots=True)
class RollingRun:
    """One exchange. `written` gets what is known after each step, and at the end."""

    request: ExchangeRequest
    lab: RunningLab
    folder: Path
    progress: Callable[[str], None]
    written: Callable[[RollingExchange], None]
    cells: tuple[Cell, ...] = ()
    steps: list[ObservedStep] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def conduct(self) -> RollingExchange:
        """Deploy, exchange every node, remove; return what was observed.

        Raises:
            HairpinError: The cluster cannot be tested, or a kube-proxy did not stop, start or sync.

        """
        topology, patience = self.request.before, self.request.before.patience
        self.cells = choose_fixed_cells(topology)
        options = session.Options(
            kubeconfig=str(self.lab.kubeconfig),
            ssh=Ssh(key=str(self.lab.ssh_key), known_hosts=str(self.lab.known_hosts)),
            settle_timeout=patience.settle,
        )
        answers = session.conduct(
            topology,
            (),
            secrets.token_hex(8),
            options,
            progress=self.progress,
            before_asking=lambda known: self._exchange_all(known.snapshot),
        )
        self.notes = answers.notes
        return self.report()

    @property
    def position(self) -> str:
        """The node and the phase that it has come to."""
        step = self.steps[-1] if self.steps else None
        return f"{step.node}, {next(reversed(step.phases), 'not stopped yet')}" if step else "the first node"

    def report(self) -> RollingExchange:
        """Return what was observed so far, and pass it to `written`."""
        request, events = self.request, self._events()
        begun = [step for step in self.steps if step.phases]
        zero = min((one[0] for step in begun[:1] for one in step.phases.values()), default=monotonic())
        references, not_judged = find_references([cell.id for cell in self.cells], events, zero)
        steps = tuple(analyse_step(step, references, events, request.pace.interval_s, zero) for step in begun)
        complaints = (f"{one.vantage}: {complaint}" for one in events for complaint in one.complaints)
        found = RollingExchange(
            topology=request.before.name,
            before=describe_proxy(request.before),
            after=describe_proxy(request.after),
            cleanup=request.cleanup,
            interval_s=request.pace.interval_s,
            timeout_s=request.pace.timeout_s,
            hold_s=request.pace.hold_s,
            cells=references,
            not_judged=not_judged,
            steps=steps,
            complete={step.node for step in begun if PHASES[-1] in step.left}
            == {one.name for one in request.before.nodes},
            notes=(*self.notes, *complaints),
        )
        self.written(found)
        return found

    def _exchange_all(self, snapshot: Snapshot) -> None:
        """Exchange one node after the other while every vantage asks."""
        topology, sandbox = self.request.before, Sandbox.find(self.lab.name)
        entrances = Entrances(sandbox, topology, snapshot.pods)
        vantages = {vantage.name: vantage for vantage in topology.workload.vantages}
        targets = {
            name: [resolve(cell.frontend, topology, snapshot) for cell in own]
            for name, own in self._by_vantage().items()
        }

        def enter(vantage: str, argv: Sequence[str]) -> list[str]:
            return entrances.enter_command(vantages[vantage], argv)

        with asking(targets, enter, self.request.pace, self.folder):
            self.progress(f"asking {len(self.cells)} cells from {len(targets)} vantages, {_listed(targets)} each")
            pause(REFERENCE_S)
            for node in topology.nodes:
                self._exchange(sandbox, node.name)
                pause(self.request.pace.timeout_s + self.request.pace.interval_s)  # attempts of this step end
                self.report()

    def _exchange(self, sandbox: Sandbox, node: str) -> None:
        """Exchange one node's kube-proxy, phase by phase."""
        request, proxy = self.request, ProxyOfNode(sandbox, node)
        modes = (request.before.proxy_of(node).mode.value, request.after.proxy_of(node).mode.value)
        step = ObservedStep(
            node=node,
            before=describe_proxy(request.before, node),
            after=describe_proxy(request.after, node),
            modes=modes,
            phases={},
        )
        old = proxy.program
        self.steps.append(step)
        with self._phase(step, "stopped", sandbox):
            proxy.stop()
        if request.cleanup:
            with self._phase(step, "cleaned", sandbox):
                step.cleanup_error = proxy.clean_up(old)
        with self._phase(step, "started", sandbox, watch=False):
            proxy.start(request.program, request.after)
            mixed = mix_proxies(request.before, request.after, [one.node for one in self.steps])
            sandbox.state.topology.write_text(mixed.model_dump_json())
            proxy.await_synced(modes[1])
        with self._phase(step, "synced", sandbox):
            pass

    @contextmanager
    def _phase(self, step: ObservedStep, name: str, sandbox: Sandbox, *, watch: bool = True) -> Iterator[None]:
        """Time the block as a phase, then watch it for a while, and read what is on the node at its end."""
        began = monotonic()
        step.phases[name] = (began, began)
        try:
            yield
            if watch:
                pause(self.request.pause_s)
                step.left[name] = LeftOnNode(**asdict(read_remains(sandbox, step.node)))
        finally:
            step.phases[name] = (began, monotonic())
            (self.folder / STEPS).write_bytes(TypeAdapter(list[ObservedStep]).dump_json(self.steps, indent=1))
        self.progress(f"{step.node} {name}: {monotonic() - began:.2f} s")

    def _by_vantage(self) -> dict[str, list[Cell]]:
        found: dict[str, list[Cell]] = defaultdict(list)
        for cell in self.cells:
            found[cell.vantage.name].append(cell)
        return found

    def _events(self) -> list[VantageEvents]:
        return [
            read_events(events_file(self.folder, name), name, [cell.id for cell in own])
            for name, own in self._by_vantage().items()
        ]


def describe_proxy(topology: Topology, node: str = "") -> str:
    """Return version and mode of a kube-proxy: a node's, or the cluster's if no node is given."""
    version = topology.proxy_version_of(node) if node else topology.proxy_version
    return f"kube-proxy {version} {topology.proxy_of(node).mode.value}"


def _listed(targets: dict[str, list[Target]]) -> str:
    counts = sorted({len(own) for own in targets.values()})
    return "-".join(map(str, counts[:1] + counts[-1:] if len(counts) > 1 else counts))
