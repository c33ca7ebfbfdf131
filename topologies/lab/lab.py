"""A lab's life: `up` makes a topology real, `down` takes everything away again, whatever happened in between.

Errors: LabError (the lab could not be made; holds the last lines of the right log), OwnershipError (a state directory
or cgroup that is not proven to be the lab's), and those of `requirements.py`, `binaries.py`, `images.py` and
`versions.py`, which come before anything is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, tail
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, WaitTimeoutError, pause, until
from topologies.lab import cgroups, ownership, requirements, teardown_on_exit
from topologies.lab.build import binaries, images
from topologies.lab.control_plane import kubeconfigs, pki
from topologies.lab.guest import guest, ipvs_support
from topologies.lab.network import plan, ssh
from topologies.lab.sandbox import INSIDE, Sandbox, labs_dir, locate
from topologies.lab.state import State, hidden, read
from topologies.lab.teardown import LabError, clear, down
from topologies.lab.worker import node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.schema.topology import Topology

__all__ = ["INSIDE", "LabError", "RunningLab", "down", "find", "running", "up"]

FOLLOW_EVERY_S = 0.05
GUEST_WRITEBACK_S = 1.5  # until a guest's logs are in the machine's files: SYSCTLS of guest/init.py


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A running lab: where its state, kubeconfig and SSH keys are."""

    name: str
    state: Path

    @property
    def kubeconfig(self) -> Path:
        """Of a cluster administrator; its address is reached from inside only."""
        return State(self.state).kube / "admin.conf"

    @property
    def ssh_key(self) -> Path:
        """The private key that root accepts on every node and external host."""
        return State(self.state).ssh / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys of all of them."""
        return State(self.state).ssh / "known_hosts"


def up(
    topology: Topology,
    *,
    kubernetes_bin: Path | None = None,
    say: Callable[[str], None] = print,
    stay: bool = True,
) -> RunningLab:
    """Make the lab, or find it running; LabError if another topology of that name runs, or if it could not be made.

    `stay`: a lab with a guest outlives this process, and the command it becomes (`lifeline.py`); a lab on the machine's
    own kernel always does.
    """
    state = locate(topology.name)
    with state.lock():
        ownership.proven(state, topology.name)
        if state.process and state.ready.exists():
            return _same(topology, state)
        requirements.check(topology.kubernetes, topology.proxy.mode)
        clear(state, topology.name)
        programs = binaries.find(kubernetes_bin, topology.kubernetes, cache=binaries.cache_dir(), say=say)
        golden = images.golden(programs, cache=binaries.cache_dir(), say=say)
        try:
            guest_kernel = _guest_kernel(topology, say)
            sandbox = _declare(topology, state, programs.directory, golden)
            if guest_kernel:
                guest.declare(state, guest_kernel)
                if not stay:
                    teardown_on_exit.tie(topology.name, read(state.record)["began"])
            _make(sandbox, topology, programs.directory, golden)
            _follow(state, sandbox, say)
        except BaseException as error:
            clear(state, topology.name)
            if isinstance(error, ProcessError | WaitTimeoutError):
                raise LabError(str(error)) from error
            raise
    return RunningLab(topology.name, state.root)


def find(name: str) -> RunningLab | None:
    """The running lab of that name; None if it is not up."""
    state = locate(name)
    return RunningLab(name, state.root) if state.process and state.ready.exists() else None


def running() -> list[str]:
    """The names of the labs that are up."""
    return sorted(path.name for path in labs_dir().glob("*/") if State(path).process)


def _same(topology: Topology, state: State) -> RunningLab:
    if state.topology.read_text() != topology.model_dump_json():
        message = f"a lab {topology.name} runs with another topology: python -m topologies.lab down {topology.name}"
        raise LabError(message)
    return RunningLab(topology.name, state.root)


def _guest_kernel(topology: Topology, say: Callable[[str], None]) -> Path | None:
    """The kernel of the guest that holds its workers, built first if it is not there; None without one. GuestError."""
    because = ipvs_support.guest_because(topology)
    if not because:
        return None
    guest.check()
    say(f"a guest kernel holds this lab's workers: {because}")
    return guest.image(say)


def _declare(topology: Topology, state: State, programs: Path, golden: Path) -> Sandbox:
    """What the sandbox's first process starts from, and `down`, written before anything is made."""
    for path in (state.root, programs):
        if place := hidden(path):
            message = f"{path} is below {place}, which a node covers with its own: choose another place"
            raise LabError(message)
    label = cgroups.label(topology.name, state.root)
    bases = [str(group.base(label)) for group in cgroups.found()]
    places = {"binaries": str(programs), "golden": str(golden), "cgroups": bases}
    ownership.create(state, {"name": topology.name, "began": time(), **places})
    state.logs.mkdir()
    state.topology.write_text(topology.model_dump_json())
    return Sandbox(topology.name, state)


def _make(sandbox: Sandbox, topology: Topology, programs: Path, golden: Path) -> None:
    """Start the sandbox. Meanwhile write keys, configurations and the containerd roots of workers outside a guest."""
    state, here = sandbox.state, not sandbox.state.guest.exists()
    groups = cgroups.found()
    bases = [group.base(cgroups.label(topology.name, state.root)) for group in groups]
    members = [cgroups.SANDBOX, *(worker.name for worker in topology.nodes if here)]
    for group, base in zip(groups, bases, strict=True):
        cgroups.create(base, members, unified=group.unified)
    sandbox.start([base / cgroups.SANDBOX for base in bases])
    services = topology.service_cidr[1]
    kubelets = [worker.address for worker in topology.nodes]
    pki.write(state.pki, api=[services, plan.control_plane(topology)], kubelets=kubelets)
    pki.write_ssh(state.ssh, ssh.hosts(topology))
    ssh.write_config(topology, state)
    kubeconfigs.write_access(topology, state)
    for worker in topology.nodes:
        node.write_node(topology, state, programs, worker, groups if here else (cgroups.UNIFIED,))
        if here:
            images.clone(golden, state.containerd(worker.name))
    state.prepared.touch()


def _follow(state: State, sandbox: Sandbox, say: Callable[[str], None]) -> None:
    """Print the supervisor's steps until the lab is ready.

    Raises:
        LabError: It failed, or its first process ended; with the last lines of the right log.
        WaitTimeoutError: It was not ready in time.

    """
    shown = 0

    def check() -> str:
        nonlocal shown
        ready = state.ready.exists()
        lines = state.progress.read_text().splitlines() if state.progress.exists() else []
        for line in lines[shown:]:
            say(line)
        shown = len(lines)
        if not ready:
            _raise_if_failed(state, sandbox)
        return "" if ready else f"the last step was: {lines[-1] if lines else 'none'}"

    until(check, Deadline(TIMEOUTS.lab_start_s), f"start of lab {sandbox.name}", every=FOLLOW_EVERY_S)


def _raise_if_failed(state: State, sandbox: Sandbox) -> None:
    if failed := read(state.failed):
        pause(GUEST_WRITEBACK_S if state.guest.exists() else 0)
        message = f"the lab did not start: {failed['message']}\n{_last_words(state, failed['message'])}"
        raise LabError(message)
    if sandbox.first is None:
        message = f"the lab did not start: its first process ended\n{tail(state.logs / 'sandbox.log')}"
        raise LabError(message)


def _last_words(state: State, message: str) -> str:
    """The end of the log of the daemon the message names (`kubelet of n1`), else of the one that spoke last."""
    logs = [log for log in sorted(state.logs.iterdir(), key=lambda log: log.stat().st_mtime) if log.stat().st_size]
    named = [log for log in logs if set(log.name.split(".")[:-1]) <= set(message.split())]
    return "\n".join(f"{log.name}:\n{tail(log)}" for log in (named or logs)[-1:])
