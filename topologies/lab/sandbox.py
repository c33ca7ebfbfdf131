"""The sandbox of a lab: the closed set of namespaces that it runs in, and the only way to run a command inside.

The sandbox has no link to the machine's own network namespace, so no packet can leave it. A command on a host enters
only the host's network and UTS namespace: it keeps its working directory and sees the machine's files, so that pytest
can write its reports. On a worker it enters all namespaces of the worker. A worker in a guest kernel is reached by SSH
and has the guest's read-only view of the machine's files.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import Process, ProcessError, children, enter_cgroups, spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import cgroups
from topologies.lab.build.binaries import cache_dir
from topologies.lab.network import plan, ssh
from topologies.lab.ownership import lab_name
from topologies.lab.requirements import PATH
from topologies.lab.state import State, boot_id, read, write
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Sequence

INSIDE = "HAIRPIN_INSIDE"
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--")


class SandboxError(HairpinError):
    """There is no such lab, host or program. The message lists what there is."""


def labs_dir() -> Path:
    """Return the directory with the labs' state directories."""
    return cache_dir() / "labs"


def locate(name: str) -> State:
    """Return the state directory of a lab: `$HAIRPIN_STATE`, or the one of this name in the cache.

    Raises:
        OwnershipError: `name` cannot be the name of a lab.

    """
    own = os.environ.get("HAIRPIN_STATE")
    return State(Path(own).absolute() if own else labs_dir() / lab_name(name))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A lab's namespaces, found by its state directory."""

    name: str
    state: State

    @classmethod
    def find(cls, name: str) -> Sandbox:
        """Return the running sandbox of a lab.

        Raises:
            SandboxError: The lab is not up.

        """
        sandbox = cls(name, locate(name))
        if sandbox.first_pid is None:
            message = (
                f"lab {name}: got a lab that is not up, want a running one. Try `hairpin lab up --topology {name}`"
            )
            raise SandboxError(message)
        return sandbox

    @property
    def first_pid(self) -> int | None:
        """The pid of the sandbox's first process, as the machine numbers it."""
        process = self.state.process
        return next(iter(children(process.pid)), None) if process else None

    def start(self, groups: Sequence[Path]) -> None:
        """Start the namespaces with their first process, in these cgroups, and record the process that holds them.

        Raises:
            ProcessError: It ended immediately.
            WaitTimeoutError: The first process did not start.

        """
        package = Path(__file__).parents[2]
        log = self.state.logs / "sandbox.log"
        argv = [*NAMESPACES, sys.executable, "-m", "topologies.lab.supervisor", str(self.state.root)]
        env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONPATH": str(package)}
        child = spawn(enter_cgroups(groups, argv), log, env=env)
        process = Process.find(child.pid)
        if process is None:
            message = f"sandbox of lab {self.name}: its process ended immediately. See {log}"
            raise ProcessError(message)
        write(self.state.sandbox, {"pid": process.pid, "started": process.started, "boot": boot_id()})
        begun = unmet(lambda: self.first_pid is not None or child.poll() is not None, "it has not started")
        until(begun, Deadline(TIMEOUTS.sandbox_start_s), f"first process of lab {self.name}", every=0.05)

    def end(self) -> None:
        """Kill the first process and the one that holds the namespaces; the kernel then kills all others in them."""
        holder, first = self.state.process, self.first_pid
        for process in (Process.find(first) if first else None, holder):
            if process:
                process.kill()
        if holder:
            gone = unmet(lambda: not holder.alive, f"process {holder.pid} is still alive")
            until(gone, Deadline(TIMEOUTS.lab_end_s), f"end of lab {self.name}", every=0.01)

    def enter_command(self, host: str, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` on a host of the lab.

        Raises:
            SandboxError: There is no such host.

        """
        first, names = self.first_pid, self.hosts()
        if first is None or host not in names:
            message = f"host of lab {self.name}: got {host!r}, want one of {', '.join(names)}"
            raise SandboxError(message)
        if self.state.guest.exists() and host in self.workers():
            terminal = os.isatty(0) and os.isatty(1)
            away = ssh.client(self.topology(), self.state, host, argv, terminal=terminal)
            return self.enter_command(plan.CONTROL_PLANE, away)
        pid = self.state.node(host) / "pid"
        if pid.exists():
            whole = ["nsenter", "--target", str(first), "--mount", "--net", "--pid", "--ipc", "--uts"]
            return [*whole, "nsenter", "--target", pid.read_text(), "--all", "--", *argv]
        root = Path(f"/proc/{first}")
        return ["nsenter", f"--net={root}/root/run/netns/{host}", f"--uts={root}/ns/uts", "--", *argv]

    def hosts(self) -> list[str]:
        """Return the names of all hosts."""
        first = self.first_pid
        if not first:
            return []
        here = [path.name for path in Path(f"/proc/{first}/root/run/netns").iterdir()]
        return sorted({*here, *(self.workers() if self.state.guest.exists() else ())})

    def topology(self) -> Topology:
        """Return the topology that the lab was created from."""
        return Topology.model_validate_json(self.state.topology.read_text())

    def workers(self) -> list[str]:
        """Return the names of the workers."""
        return [node.name for node in self.topology().nodes]

    def environment(self) -> dict[str, str]:
        """Return the environment of a program inside: the lab's name and kubeconfig, and none of the user's proxies."""
        return {
            **{key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            INSIDE: self.name,
            "KUBECONFIG": str(self.state.kube / "admin.conf"),
            "KUBECACHEDIR": str(self.state.root / "kubectl"),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
        }

    def execute(self, host: str, argv: Sequence[str]) -> None:
        """Replace this process by a command on a host, in the lab's cgroups, so that it ends with the lab.

        Raises:
            SandboxError: There is no such host or program.
            OSError: The cgroups cannot be entered.

        """
        command = self.enter_command(host, argv)
        cgroups.enter(Path(base) for base in read(self.state.record)["cgroups"])
        self.become(command)

    def command_groups(self) -> list[Path]:
        """Return the lab's cgroups for commands: a process in them ends with the lab."""
        return cgroups.commands(Path(base) for base in read(self.state.record)["cgroups"])

    def become(self, command: Sequence[str]) -> None:
        """Replace this process by a command, with the environment for programs inside.

        Raises:
            SandboxError: There is no such program.

        """
        try:
            os.execvpe(command[0], list(command), self.environment())  # noqa: S606 - a list, no shell
        except OSError as error:
            message = f"start of a program in lab {self.name}: {command[0]}: {error.strerror}"
            raise SandboxError(message) from error


def is_inside(name: str | None = None) -> bool:
    """Return whether this process was started inside a lab (of this name, if given)."""
    inside = os.environ.get(INSIDE)
    return inside is not None and name in {None, inside}


def reenter(topology_name: str, argv: Sequence[str]) -> None:
    """Replace this process by `argv` inside the lab, on the control plane's host, which reaches every address.

    The program is not in the lab's cgroups, so it outlives the lab and can report that the lab was removed.

    Raises:
        SandboxError: The lab is not up, or there is no such program.

    """
    inside = Sandbox.find(topology_name)
    inside.become(inside.enter_command(plan.CONTROL_PLANE, argv))
