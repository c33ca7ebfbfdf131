"""Take away something that a run needs, then run.

Runs inside a lab: `python -m tests.lab.support.troubles TOPOLOGY TROUBLE`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.support.mutated import There, Whole, main
from topologies.common.subprocesses import run
from topologies.lab.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.session import Answers

REJECT = "add table ip away; add chain ip away in { type filter hook input priority -300; }; "
REJECT += "add rule ip away in tcp dport 22 reject with tcp reset"


class ClosedPort(Whole):
    """Nothing listens at port 22 of the host outside."""

    @contextmanager
    def inside(self, there: There) -> Iterator[None]:
        there.on("e1", "nft", REJECT)
        try:
            yield
        finally:
            there.on("e1", "nft", "delete table ip away")


class WrongHostKey(Whole):
    """The host outside shows another key than the known one: known_hosts has a node's key in its place."""

    @contextmanager
    def inside(self, there: There) -> Iterator[None]:
        known = Sandbox.find(there.topology.name).state.ssh / "known_hosts"
        text = known.read_text()
        keys = dict(line.split(" ", 1) for line in text.splitlines())
        host, node = str(there.topology.external[0].address), str(there.topology.nodes[0].address)
        known.write_text(text.replace(f"{host} {keys[host]}", f"{host} {keys[node]}"))
        try:
            yield
        finally:
            known.write_text(text)


@dataclass(frozen=True)
class NoCurl(Whole):
    """The image of one node's pods has no curl."""

    node: str

    def break_it(self, there: There, known: Answers) -> None:
        roots = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
        there.on(self.node, "sh", "-c", f"rm {roots}/*/rootfs/usr/bin/curl || ls {roots}/*/rootfs/bin/curl")


@dataclass(frozen=True)
class DeadWorker(Whole):
    """Every process of a node is killed."""

    node: str

    def break_it(self, there: There, known: Answers) -> None:
        killed(f"topologies.lab.worker.init .*/labs/{there.topology.name} {self.node}$")


class DeadApi(Whole):
    """The API server is killed."""

    def break_it(self, there: There, known: Answers) -> None:
        killed(f"kube-apiserver .*/labs/{there.topology.name}/")


def killed(pattern: str) -> None:
    """SIGKILL to the processes whose command line names this lab; at least one."""
    for pid in run(["pgrep", "-f", pattern]).split():
        os.kill(int(pid), signal.SIGKILL)


TROUBLES = {
    "closed-port": ClosedPort(),
    "wrong-host-key": WrongHostKey(),
    "no-curl": NoCurl("n2"),
    "dead-worker": DeadWorker("n2"),
    "dead-api": DeadApi(),
}

if __name__ == "__main__":
    main(TROUBLES, *sys.argv[1:])
