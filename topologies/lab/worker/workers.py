"""The workers, made by whose kernel holds them: the sandbox's first process, or a guest's (`guest/`)."""

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
    """All of a lab's workers. `groups`: the lab's own in each hierarchy; `daemons`: all of the lab's, `init of n1`."""

    topology: Topology
    state: State
    groups: Sequence[Path]
    daemons: dict[str, Child]

    def make(self) -> None:
        """Their namespaces and links, what their switch refuses, then their first processes."""
        names = {node.name for node in self.topology.nodes}
        hosts = [host for host in plan.fabric(self.topology) if host.name in names]
        netns.build(hosts)
        ports = {host.name: plan.port(host.name, host.legs[0]) for host in hosts}
        netns.obey(nat.source_checks(self.topology, ports))
        for node in self.topology.nodes:
            self._start(node)

    def await_modes(self) -> None:
        """Until every kube-proxy tells the mode the topology declares; ProcessError if it tells another."""
        proxy_mode.await_mode(self.topology)

    def _start(self, node: Node) -> None:
        """Into its cgroups, then into its namespaces, then `nodeinit.py`."""
        groups = [group / node.name for group in self.groups]
        init = [*MEMBER, sys.executable, "-m", "topologies.lab.worker.init", str(self.state.root), node.name]
        argv = [*OWN_CGROUPS, *enter_cgroups(cgroups.inner(groups), init)]
        with netns.inside(node.name):
            self.daemons[f"init of {node.name}"] = spawn(enter_cgroups(groups, argv), self.state.log(node.name, "init"))
