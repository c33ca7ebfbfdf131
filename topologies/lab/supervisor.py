"""The first process of the island: builds the hosts, starts everything, tells its progress, then reaps for ever.

    python -m topologies.lab.supervisor STATE      in new mount, net, pid, ipc and uts namespaces

All that the lab runs descends from it; when it ends, the kernel ends everything else, and the network with it.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from topologies.lab import addresses, cgroups, mounts, nat, netns, proxies, ssh
from topologies.lab.access import token
from topologies.lab.api import Api
from topologies.lab.controlplane import ControlPlane
from topologies.lab.processes import ProcessError, entering, spawn, until
from topologies.lab.state import State, read, write
from topologies.model import Topology

if TYPE_CHECKING:
    import subprocess

    from topologies.model import Node

OWN_CGROUPS = ("unshare", "--cgroup", "--")
MEMBER = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--")
BALANCER = ("unshare", "--uts", "--")
PREPARATION = 120
KERNELS = ("/proc", "/sys", "/dev", "/run")


@dataclass(slots=True)
class Supervisor:
    """What the island's first process knows while it starts the lab."""

    state: State
    record: dict[str, Any]
    topology: Topology
    hosts: dict[str, addresses.Host]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State) -> Supervisor:
        """From what `up` has written; ProcessError if that is gone already (`down` came first)."""
        record = read(state.record)
        if record is None:
            message = f"{state.root}: no lab is declared here"
            raise ProcessError(message)
        topology = Topology.model_validate_json(state.topology.read_text())
        return cls(state, record, topology, {host.name: host for host in addresses.fabric(topology)})

    def start(self) -> None:
        """The whole lab, the slowest first: the API server starts while everything else is built."""
        plane = self.control_plane()
        netns.prepare()
        netns.build([self.hosts[addresses.CONTROL_PLANE]])
        until(self.state.prepared.exists, "keys and containerd roots, which `up` makes", seconds=PREPARATION)
        plane.start_api()
        netns.build([host for name, host in self.hosts.items() if name != addresses.CONTROL_PLANE])
        netns.obey(nat.source_checks(self.topology, self.ports()))
        self.tell(f"network of {len(self.hosts)} hosts")
        for node in self.topology.nodes:
            self.start_node(node)
        self.start_external()
        plane.await_api()
        self.tell("API server ready")
        plane.start_controllers()
        plane.make_nodes()
        self.state.api_ready.touch()
        self.start_balancer()
        plane.await_nodes()
        proxies.await_mode(self.topology)
        self.tell(f"{len(self.topology.nodes)} nodes Ready")
        self.state.ready.touch()

    def ports(self) -> dict[str, str]:
        """Each node's port in the nodes' switch."""
        hosts = (self.hosts[node.name] for node in self.topology.nodes)
        return {host.name: addresses.port(host.name, host.legs[0]) for host in hosts}

    def control_plane(self) -> ControlPlane:
        """The processes of `cp`, not started yet."""
        address = str(addresses.control_plane(self.topology))
        api = Api(address, self.state.pki / "ca.crt", token("admin"))
        return ControlPlane(self.topology, self.state, Path(self.record["binaries"]), api, self.daemons)

    def start_node(self, node: Node) -> None:
        """A worker: into its cgroups, then into its namespaces, then `nodeinit.py`."""
        groups = self.cgroups(node.name)
        init = [*MEMBER, sys.executable, "-m", "topologies.lab.nodeinit", str(self.state.root), node.name]
        argv = [*OWN_CGROUPS, *entering(cgroups.inner(groups), init)]
        with netns.inside(node.name):
            self.daemons[f"init of {node.name}"] = spawn(argv, self.state.log(node.name, "init"), cgroups=groups)

    def start_external(self) -> None:
        """An sshd on every external host."""
        for external in self.topology.external:
            with netns.inside(external.name):
                spawn(ssh.server(self.state, external.name), self.state.log(external.name, "sshd"))

    def start_balancer(self) -> None:
        """The controller, on its host, under the host's own name."""
        argv = [*BALANCER, sys.executable, "-m", "topologies.lab.loadbalancer", str(self.state.root)]
        with netns.inside(addresses.BALANCER):
            spawn(argv, self.state.log(addresses.BALANCER, "controller"))

    def cgroups(self, member: str) -> list[Path]:
        """A member's group in every hierarchy."""
        return [Path(base) / member for base in self.record["cgroups"]]

    def tell(self, done: str) -> None:
        """A step is done: one line, with the seconds since `up` began."""
        with self.state.progress.open("a") as progress:
            progress.write(f"{time() - self.record['began']:6.2f} s  {done}\n")


def furnish(state: State) -> None:
    """The machine's file systems read-only but for the state directory; own /proc, /run and shared memory."""
    mounts.private()
    mounts.proc()
    mounts.bind(state.root, state.root)
    for point in mounts.points():
        if point != str(state.root) and not point.startswith(KERNELS):
            with suppress(OSError):  # one that is hidden below another
                mounts.read_only(point)
    mounts.fresh("/run", "netns", "lock", "sshd", "tmp")
    Path("/run/tmp").chmod(0o1777)
    Path("/run/etcd").mkdir(mode=0o700)
    mounts.fresh("/dev/shm")  # noqa: S108 - a mount point, not a file of ours
    mounts.hostname(f"hairpin-{state.root.name}"[:63])


def main(root: str) -> None:
    """Never returns while the lab lives; a lab that could not be started waits for `down` with its reason written."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    state = State(Path(root))
    supervisor = Supervisor.of(state)
    try:
        furnish(state)
        os.environ["TMPDIR"] = "/run/tmp"
        supervisor.start()
    except Exception as error:  # noqa: BLE001 - whatever it is, `up` has to tell it
        write(state.failed, {"message": f"{error}" or repr(error)})
        raise_in_log(error)
    reap()


def raise_in_log(error: Exception) -> None:
    """The whole story, to our log."""
    sys.excepthook(type(error), error, error.__traceback__)


def reap() -> None:
    """Wait for children and orphans for ever; the log says which one ended."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            signal.pause()
        else:
            print(f"process {pid} ended with {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201 - our log


if __name__ == "__main__":
    main(sys.argv[1])
