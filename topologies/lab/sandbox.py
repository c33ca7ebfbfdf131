"""The sandbox and its door: the closed set of namespaces a lab lives in, and the one way to run a command inside.

The sandbox has no link to the machine's own network namespace, so nothing can leave it. The door joins only the network
(and the host name) of a host: a program keeps its working directory and sees the machine's own files, so that pytest
run through it can write its reports. A worker is the exception: its shell gets all of the worker's namespaces, and
where a guest holds the worker, it is reached by SSH, with the guest's view of the machine's files (read-only).
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
    """There is no such lab, or no such host in it; says which there are."""


def labs_dir() -> Path:
    """Where the labs' state directories are."""
    return cache_dir() / "labs"


def locate(name: str) -> State:
    """Return the state directory of a lab: `$HAIRPIN_STATE`, or by name in the cache; OwnershipError for a path."""
    own = os.environ.get("HAIRPIN_STATE")
    return State(Path(own).absolute() if own else labs_dir() / lab_name(name))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A lab's namespaces, found by its state directory."""

    name: str
    state: State

    @classmethod
    def find(cls, name: str) -> Sandbox:
        """The running sandbox of a lab; SandboxError if it is not up."""
        sandbox = cls(name, locate(name))
        if sandbox.first is None:
            message = f"lab {name} is not up: python -m topologies.lab up --topology {name}"
            raise SandboxError(message)
        return sandbox

    @property
    def first(self) -> int | None:
        """The pid of the sandbox's first process, as the machine numbers it."""
        process = self.state.process
        return next(iter(children(process.pid)), None) if process else None

    def start(self, groups: Sequence[Path]) -> None:
        """Start it and write down who holds it; ProcessError if it ended at once."""
        package = Path(__file__).parents[2]
        log = self.state.logs / "sandbox.log"
        argv = [*NAMESPACES, sys.executable, "-m", "topologies.lab.supervisor", str(self.state.root)]
        env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONPATH": str(package)}
        child = spawn(enter_cgroups(groups, argv), log, env=env)
        process = Process.find(child.pid)
        if process is None:
            message = "the sandbox ended at once"
            raise ProcessError(message)
        write(self.state.sandbox, {"pid": process.pid, "started": process.started, "boot": boot_id()})
        begun = unmet(lambda: self.first is not None or child.poll() is not None, "it has not started")
        until(begun, Deadline(TIMEOUTS.sandbox_start_s), f"first process of lab {self.name}", every=0.05)

    def end(self) -> None:
        """Kill its first process and its holder: the kernel ends all the rest. Nothing to do if it is gone."""
        holder, first = self.state.process, self.first
        for process in (Process.find(first) if first else None, holder):
            if process:
                process.kill()
        if holder:
            gone = unmet(lambda: not holder.alive, f"process {holder.pid} is still alive")
            until(gone, Deadline(TIMEOUTS.lab_end_s), f"end of lab {self.name}", every=0.01)

    def enter_command(self, host: str, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` on a host; SandboxError if there is no such host."""
        first, names = self.first, self.hosts()
        if first is None or host not in names:
            message = f"lab {self.name} has no host {host}: there are {', '.join(names)}"
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
        """Every host's name."""
        first = self.first
        if not first:
            return []
        here = [path.name for path in Path(f"/proc/{first}/root/run/netns").iterdir()]
        return sorted({*here, *(self.workers() if self.state.guest.exists() else ())})

    def topology(self) -> Topology:
        """What it was made from."""
        return Topology.model_validate_json(self.state.topology.read_text())

    def workers(self) -> list[str]:
        """The workers' names."""
        return [node.name for node in self.topology().nodes]

    def environment(self) -> dict[str, str]:
        """What a program inside is told: that it is inside, and where the kubeconfig is; no proxy is reached."""
        return {
            **{key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            INSIDE: self.name,
            "KUBECONFIG": str(self.state.kube / "admin.conf"),
            "KUBECACHEDIR": str(self.state.root / "kubectl"),
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
        }

    def execute(self, host: str, argv: Sequence[str]) -> None:
        """Become that command, on that host, in the lab's cgroups: it ends with the lab.

        Never returns; SandboxError if there is no such program, OSError if the cgroups cannot be entered.
        """
        command = self.enter_command(host, argv)
        cgroups.enter(Path(base) for base in read(self.state.record)["cgroups"])
        self.become(command)

    def become(self, command: Sequence[str]) -> None:
        """Become a command, which is told where it is. Never returns; SandboxError if there is no such program."""
        try:
            os.execvpe(command[0], list(command), self.environment())  # noqa: S606 - a list, no shell
        except OSError as error:
            message = f"{command[0]}: {error.strerror}"
            raise SandboxError(message) from error


def is_inside(name: str | None = None) -> bool:
    """Whether this process was started through a lab's door (of that name, if given)."""
    inside = os.environ.get(INSIDE)
    return inside is not None and name in {None, inside}


def reenter(topology_name: str, argv: Sequence[str]) -> None:
    """Become `argv` inside the lab, on the control plane's host, from where every address is reached; SandboxError.

    It is not in the lab's cgroups, so it outlives the lab and can report that the lab was taken down.
    """
    inside = Sandbox.find(topology_name)
    inside.become(inside.enter_command(plan.CONTROL_PLANE, argv))
