"""Create the workers, on the kernel that they run on: from the sandbox's first process, or from a guest's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.subprocesses import Child, enter_cgroups, spawn
from topologies.lab import cgroups
from topologies.lab.network import nat, netns, plan
from topologies.lab.worker import proxy_mode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from topologies.lab.state import State
    from topologies.schema.topology import Node, Topology

OWN_CGROUPS = ("unshare", "--cgroup", "--")
MEMBER = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--")


@dataclass(frozen=True, slots=True)
class Workers:
    """All workers of a lab."""

    topology: Topology
    state: State
    groups: Sequence[Path]
    """The lab's cgroup in each hierarchy."""
    daemons: dict[str, Child]
    """All daemons of the lab, by names such as `init of n1`."""

    def make(self) -> None:
        """Create their namespaces and links and the switch's source checks, then start their first processes."""
        names = {node.name for node in self.topology.nodes}
        hosts = [host for host in plan.fabric(self.topology) if host.name in names]
        netns.build_hosts(hosts)
        ports = {host.name: plan.port(host.name, host.legs[0]) for host in hosts}
        netns.load_ruleset(nat.source_checks(self.topology, ports, plan.control_plane(self.topology)))
        for node in self.topology.nodes:
            self._start(node)

    def await_modes(self) -> None:
        """Wait until every kube-proxy runs in the declared mode; see proxy_mode.await_mode."""
        proxy_mode.await_mode(self.topology)

    def _start(self, node: Node) -> None:
        """Start init.py of a worker, in the worker's cgroups and namespaces."""
        groups = [group / node.name for group in self.groups]
        init = [*MEMBER, sys.executable, "-m", "topologies.lab.worker.init", str(self.state.root), node.name]
        argv = [*OWN_CGROUPS, *enter_cgroups(cgroups.inner(groups), init)]
        with netns.inside(node.name):
            self.daemons[f"init of {node.name}"] = spawn(enter_cgroups(groups, argv), self.state.log(node.name, "init"))
