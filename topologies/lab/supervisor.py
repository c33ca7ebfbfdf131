"""The first process of the sandbox: creates the hosts, starts everything, reports its progress, then reaps for ever.

    python -m topologies.lab.supervisor STATE      in new mount, net, pid, ipc and uts namespaces

Every process of the lab descends from it. When it ends, the kernel kills all others and removes the network.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
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
from topologies.lab.state import State, read, record_failure
from topologies.lab.worker.workers import Workers
from topologies.schema.topology import Topology

BALANCER = ("unshare", "--uts", "--")
KERNELS = ("/proc", "/sys", "/dev", "/run")


@dataclass(slots=True)
class Supervisor:
    """The start of a lab, by the sandbox's first process."""

    state: State
    record: dict[str, Any]
    topology: Topology
    hosts: dict[str, plan.Host]
    daemons: dict[str, Child] = field(default_factory=dict)

    @classmethod
    def load(cls, state: State) -> Supervisor:
        """Return the supervisor for what `up` has written.

        Raises:
            ProcessError: It is gone already: `down` came first.

        """
        record = read(state.record)
        if record is None:
            message = f"start of a lab: {state.root}: got no {state.record.name}, want the one that `up` writes"
            raise ProcessError(message)
        topology = Topology.model_validate_json(state.topology.read_text())
        return cls(state, record, topology, {host.name: host for host in plan.fabric(topology)})

    def start(self) -> None:
        """Start the whole lab, the slowest part first: the API server starts while everything else is created."""
        plane, workers = self.control_plane(), self.workers()
        theirs = {node.name for node in self.topology.nodes}
        netns.create_switches((plan.NODES, plan.SECOND, plan.OUTSIDE))
        netns.build_hosts([self.hosts[plan.CONTROL_PLANE]])
        until(
            unmet(self.state.prepared.exists),
            Deadline(TIMEOUTS.lab_prepare_s),
            "keys and containerd roots of the lab",
            every=0.05,
        )
        plane.start_api()
        netns.build_hosts(host for name, host in self.hosts.items() if name not in {plan.CONTROL_PLANE, *theirs})
        workers.make()
        self.report(f"network of {len(self.hosts)} hosts")
        self.start_external()
        plane.await_api()
        self.report("API server ready")
        plane.start_controllers()
        plane.make_nodes()
        self.state.api_ready.touch()
        self.start_balancer()
        plane.make_cluster_dns()
        plane.await_nodes()
        workers.await_modes()
        self.report(f"{len(self.topology.nodes)} nodes Ready")
        plane.await_cluster_dns()
        self.state.ready.touch()

    def workers(self) -> Workers | Guest:
        """Return the workers of this kernel, or the guest that has them."""
        if self.state.guest.exists():
            return Guest(self.topology, self.state, self.daemons)
        return Workers(self.topology, self.state, [Path(base) for base in self.record["cgroups"]], self.daemons)

    def control_plane(self) -> ControlPlane:
        """Return the control plane, not started yet."""
        address = str(plan.control_plane(self.topology))
        api = Api(address, self.state.pki / "ca.crt", token("admin"))
        return ControlPlane(self.topology, self.state, Path(self.record["binaries"]), api, self.daemons)

    def start_external(self) -> None:
        """Start an sshd on every external host."""
        for external in self.topology.external:
            with netns.inside(external.name):
                spawn(ssh.server(self.state, external.name), self.state.log(external.name, "sshd"))

    def start_balancer(self) -> None:
        """Start the load balancer's controller on its host, with the host's name."""
        argv = [*BALANCER, sys.executable, "-m", "topologies.lab.load_balancer.controller", str(self.state.root)]
        with netns.inside(plan.BALANCER):
            spawn(argv, self.state.log(plan.BALANCER, "controller"))

    def report(self, step: str) -> None:
        """Write a completed step, with the seconds since `up` began."""
        with self.state.progress.open("a") as progress:
            progress.write(f"{monotonic() - self.record['began']:6.2f} s  {step}\n")


def furnish(state: State) -> None:
    """Remount the machine's file systems read-only except the state directory; mount own /proc, /run and /dev/shm."""
    mounts.make_mounts_private()
    mounts.mount_proc()
    mounts.bind_mount(state.root, state.root)
    for point in mounts.list_mount_points():
        if point != str(state.root) and not point.startswith(KERNELS):
            with suppress(OSError):  # one that is hidden below another
                mounts.remount_read_only(point)
    mounts.mount_tmpfs("/run", "netns", "lock", "sshd", "tmp")
    Path("/run/tmp").chmod(0o1777)
    Path("/run/etcd").mkdir(mode=0o700)
    mounts.mount_shared_memory()
    mounts.set_hostname(f"hairpin-{state.root.name}"[:63])


def main(root: str) -> None:
    """Start the lab, then reap for ever. If the start fails, write the reason and wait for `down`."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    state = State(Path(root))
    supervisor = Supervisor.load(state)
    with record_failure(state):
        furnish(state)
        os.environ["TMPDIR"] = "/run/tmp"
        supervisor.start()
    reap_forever(print_end)


if __name__ == "__main__":
    main(sys.argv[1])
