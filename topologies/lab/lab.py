"""Create a lab from a topology (`up`), or find a running one. `down` is in teardown.py.

Everything that can be checked or built beforehand comes first: what the machine must have, Kubernetes programs, images.
Then the record is written that `down` needs, and only then namespaces and cgroups are created.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from topologies.cluster_state.node_versions import NodeVersions
from topologies.common.subprocesses import ProcessError, tail
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, WaitTimeoutError, pause, until
from topologies.lab import cgroups, ownership, requirements, teardown_on_exit
from topologies.lab.build import binaries, cluster_dns, container_runtime, images
from topologies.lab.control_plane import kubeconfigs, pki
from topologies.lab.given_programs import GivenPrograms
from topologies.lab.guest import guest, ipvs_support
from topologies.lab.network import plan, ssh
from topologies.lab.sandbox import INSIDE, Sandbox, labs_dir, locate
from topologies.lab.state import State, hidden, read
from topologies.lab.teardown import LabError, clear, down
from topologies.lab.worker import node
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


__all__ = ["INSIDE", "LabError", "RunningLab", "down", "find", "running", "up"]

FOLLOW_EVERY_S = 0.05
GUEST_WRITEBACK_S = 1.5  # until a guest's logs are in the machine's files: SYSCTLS of guest/init.py


@dataclass(frozen=True, slots=True)
class RunningLab:
    """The paths of a running lab: its state directory, kubeconfig and SSH keys."""

    name: str
    state: Path

    @property
    def kubeconfig(self) -> Path:
        """A cluster administrator's. Its server's address is only reachable from inside the lab."""
        return State(self.state).kube / "admin.conf"

    @property
    def ssh_key(self) -> Path:
        """The private key that root accepts on every node and external host."""
        return State(self.state).ssh / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys of all nodes and external hosts."""
        return State(self.state).ssh / "known_hosts"

    @property
    def logs(self) -> Path:
        """The logs of all components, `<host>.<component>.log`."""
        return State(self.state).logs

    @property
    def nodes(self) -> dict[str, NodeVersions]:
        """What the lab started on each node: kube-proxy's version, as its program reports it, and its mode."""
        state = State(self.state)
        topology = Topology.model_validate_json(state.topology.read_text())
        return {
            name: NodeVersions(kube_proxy=f"v{version}", mode=topology.proxy_of(name).mode.value)
            for name, (_, version) in (read(state.record) or {}).get("proxies", {}).items()
        }


def up(
    topology: Topology,
    *,
    kubernetes_bin: Path | None = None,
    kube_proxy_bin: Iterable[str] = (),
    progress: Callable[[str], None] = print,
    stay: bool = True,
) -> RunningLab:
    """Create the lab, or find it running.

    Args:
        topology: What to create. It must declare a lab.
        kubernetes_bin: A directory with Kubernetes programs; None: those in the cache, built first if need be.
        kube_proxy_bin: `FILE` for the kube-proxy of all nodes, `NODE=FILE` for that of one.
        progress: Receives the progress, line by line.
        stay: Whether a lab with a guest kernel outlives this process. A lab on the machine's kernel always does.

    Raises:
        LabError: It could not be started, or a lab of this name runs with another topology.
        HairpinError: Something it needs is missing or cannot be built; nothing was created.

    """
    state, given = locate(topology.name), GivenPrograms.parse(kubernetes_bin, kube_proxy_bin)
    with state.lock():
        ownership.proven(state, topology.name)
        if state.process and state.ready.exists():
            return _same(topology, state)
        requirements.check_versions(topology)
        requirements.check({topology.proxy_of(node.name).mode for node in topology.nodes})
        clear(state, topology.name)
        programs, golden = _find_programs(topology, given, progress)
        try:
            guest_kernel = _guest_kernel(topology, progress)
            sandbox = _declare(topology, state, programs, golden)
            if guest_kernel:
                guest.declare(state, guest_kernel)
                if not stay:
                    teardown_on_exit.tie(topology.name, read(state.record)["began"])
            _create(sandbox, topology, programs, golden)
            _follow(state, sandbox, progress)
        except BaseException as error:
            clear(state, topology.name)
            if isinstance(error, ProcessError | WaitTimeoutError):
                raise LabError(str(error)) from error
            raise
    return RunningLab(topology.name, state.root)


def find(name: str) -> RunningLab | None:
    """Return the running lab of this name; None if it is not up."""
    state = locate(name)
    return RunningLab(name, state.root) if state.process and state.ready.exists() else None


def running() -> list[str]:
    """Return the names of the labs that are up."""
    return sorted(path.name for path in labs_dir().glob("*/") if State(path).process)


def _same(topology: Topology, state: State) -> RunningLab:
    if state.topology.read_text() != topology.model_dump_json():
        message = (
            f"lab {topology.name}: got a lab of this name that runs with another topology, want none. "
            f"Remove it with `hairpin lab down {topology.name}`"
        )
        raise LabError(message)
    return RunningLab(topology.name, state.root)


def _find_programs(
    topology: Topology, given: GivenPrograms, progress: Callable[[str], None]
) -> tuple[node.Programs, Path]:
    """Return the programs of the nodes and the containerd root with the lab's images, built first if need be."""
    cache = binaries.cache_dir()
    kubernetes = given.find(topology, cache=cache, progress=progress)
    runtime = container_runtime.find(topology.kubernetes, cache=cache)
    coredns = cluster_dns.find(topology, cache)
    progress(f"Kubernetes {kubernetes.version}, {runtime}{', cluster DNS' if coredns else ''}")
    golden = images.golden(kubernetes, runtime, cache=cache, progress=progress, coredns=coredns)
    return node.Programs(kubernetes, runtime), golden


def _guest_kernel(topology: Topology, progress: Callable[[str], None]) -> Path | None:
    """Return the guest kernel for the workers, built first if need be; None if the machine's kernel will do."""
    because = ipvs_support.reason_for_guest(topology)
    if not because:
        return None
    guest.check()
    progress(f"a guest kernel holds this lab's workers: {because}")
    return guest.image(progress)


def _declare(topology: Topology, state: State, programs: node.Programs, golden: Path) -> Sandbox:
    """Write the record that the first process and `down` read, before anything else is created."""
    kubernetes = programs.kubernetes
    served_by = kubernetes.proxies if topology.proxy.is_kube_proxy else {}
    proxies = {name: [str(one.path), str(one.version)] for name, one in served_by.items()}
    own = (kubernetes.directory, kubernetes.agnhost, *(Path(path).parent for path, _ in proxies.values()))
    for path in (state.root, *own):
        if place := hidden(path):
            message = (
                f"lab {topology.name}: got {path}, want a path that is not below {place}: "
                f"a node mounts a {place} of its own. Set HAIRPIN_CACHE, --kubernetes-bin or --kube-proxy-bin"
            )
            raise LabError(message)
    label = cgroups.label(topology.name, state.root)
    bases = [str(group.base(label)) for group in cgroups.found()]
    versions = {"kubelet": str(kubernetes.version), "runtime": str(programs.runtime)}
    places = {"binaries": str(kubernetes.directory), "agnhost": str(kubernetes.agnhost), "golden": str(golden)}
    content = {**places, "cgroups": bases, "proxies": proxies, "versions": versions}
    ownership.create(state, {"name": topology.name, "began": monotonic(), **content})
    state.logs.mkdir()
    state.topology.write_text(topology.model_dump_json())
    return Sandbox(topology.name, state)


def _create(sandbox: Sandbox, topology: Topology, programs: node.Programs, golden: Path) -> None:
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
        own = groups if here else (cgroups.UNIFIED,)
        node.write_node(topology, state, programs, worker, own)
        if here:
            images.clone(golden, state.containerd(worker.name))
    state.prepared.touch()


def _follow(state: State, sandbox: Sandbox, progress: Callable[[str], None]) -> None:
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
            progress(line)
        shown = len(lines)
        if not ready:
            _raise_if_failed(state, sandbox)
        return "" if ready else f"the last step was: {lines[-1] if lines else 'none'}"

    until(check, Deadline(TIMEOUTS.lab_start_s), f"start of lab {sandbox.name}", every=FOLLOW_EVERY_S)


def _raise_if_failed(state: State, sandbox: Sandbox) -> None:
    if failed := read(state.failed):
        pause(GUEST_WRITEBACK_S if state.guest.exists() else 0)
        message = f"lab {sandbox.name} did not start: {failed['message']}\n{_tail_of_failed(state, failed['message'])}"
        raise LabError(message)
    if sandbox.first_pid is None:
        message = f"lab {sandbox.name} did not start: its first process ended\n{tail(state.logs / 'sandbox.log')}"
        raise LabError(message)


def _tail_of_failed(state: State, message: str) -> str:
    """Return the tail of the log of the daemon in the message (`kubelet of n1`), or else of the newest log."""
    logs = [log for log in sorted(state.logs.iterdir(), key=lambda log: log.stat().st_mtime) if log.stat().st_size]
    named = [log for log in logs if set(log.name.split(".")[:-1]) <= set(message.split())]
    return "\n".join(f"{log.name}:\n{tail(log)}" for log in (named or logs)[-1:])
