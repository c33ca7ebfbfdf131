"""The first process of the sandbox: builds the hosts, starts everything, tells its progress, then reaps for ever.

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
from typing import Any

from topologies.common.subprocesses import Child, ProcessError, print_end, reap_forever, spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import mounts
from topologies.lab.control_plane.api import Api
from topologies.lab.control_plane.components import ControlPlane
from topologies.lab.control_plane.kubeconfigs import token
from topologies.lab.guest.guest import Guest
from topologies.lab.network import netns, plan, ssh
from topologies.lab.state import State, read, told
from topologies.lab.worker.workers import Workers
from topologies.schema.topology import Topology

BALANCER = ("unshare", "--uts", "--")
KERNELS = ("/proc", "/sys", "/dev", "/run")


@dataclass(slots=True)
class Supervisor:
    """What the sandbox's first process knows while it starts the lab."""

    state: State
    record: dict[str, Any]
    topology: Topology
    hosts: dict[str, plan.Host]
    daemons: dict[str, Child] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State) -> Supervisor:
        """From what `up` has written; ProcessError if that is gone already (`down` came first)."""
        record = read(state.record)
        if record is None:
            message = f"{state.root}: no lab is declared here"
            raise ProcessError(message)
        topology = Topology.model_validate_json(state.topology.read_text())
        return cls(state, record, topology, {host.name: host for host in plan.fabric(topology)})

    def start(self) -> None:
        """The whole lab, the slowest first: the API server starts while everything else is built."""
        plane, workers = self.control_plane(), self.workers()
        theirs = {node.name for node in self.topology.nodes}
        netns.prepare((plan.NODES, plan.SECOND, plan.OUTSIDE))
        netns.build([self.hosts[plan.CONTROL_PLANE]])
        until(
            unmet(self.state.prepared.exists),
            Deadline(TIMEOUTS.lab_prepare_s),
            "keys and containerd roots of the lab",
            every=0.05,
        )
        plane.start_api()
        netns.build(host for name, host in self.hosts.items() if name not in {plan.CONTROL_PLANE, *theirs})
        workers.make()
        self.tell(f"network of {len(self.hosts)} hosts")
        self.start_external()
        plane.await_api()
        self.tell("API server ready")
        plane.start_controllers()
        plane.make_nodes()
        self.state.api_ready.touch()
        self.start_balancer()
        plane.await_nodes()
        workers.await_modes()
        self.tell(f"{len(self.topology.nodes)} nodes Ready")
        self.state.ready.touch()

    def workers(self) -> Workers | Guest:
        """Those whom this kernel holds, or the guest that does."""
        if self.state.guest.exists():
            return Guest(self.topology, self.state, self.daemons)
        return Workers(self.topology, self.state, [Path(base) for base in self.record["cgroups"]], self.daemons)

    def control_plane(self) -> ControlPlane:
        """The processes of `cp`, not started yet."""
        address = str(plan.control_plane(self.topology))
        api = Api(address, self.state.pki / "ca.crt", token("admin"))
        return ControlPlane(self.topology, self.state, Path(self.record["binaries"]), api, self.daemons)

    def start_external(self) -> None:
        """An sshd on every external host."""
        for external in self.topology.external:
            with netns.inside(external.name):
                spawn(ssh.server(self.state, external.name), self.state.log(external.name, "sshd"))

    def start_balancer(self) -> None:
        """The controller, on its host, under the host's own name."""
        argv = [*BALANCER, sys.executable, "-m", "topologies.lab.load_balancer.controller", str(self.state.root)]
        with netns.inside(plan.BALANCER):
            spawn(argv, self.state.log(plan.BALANCER, "controller"))

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
    mounts.shared_memory()
    mounts.hostname(f"hairpin-{state.root.name}"[:63])


def main(root: str) -> None:
    """Never returns while the lab lives; a lab that could not be started waits for `down` with its reason written."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    state = State(Path(root))
    supervisor = Supervisor.of(state)
    with told(state):
        furnish(state)
        os.environ["TMPDIR"] = "/run/tmp"
        supervisor.start()
    reap_forever(print_end)


if __name__ == "__main__":
    main(sys.argv[1])
