"""The echo processes of terminating backends are ended, whatever their pods answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from probes.asking.vantages.base import Completed, TransportError
from probes.lifecycle.probers import Probers
from probes.lifecycle.terminating import END_ALL, end_processes
from topologies.cluster.client import Cluster
from topologies.common.waiting import Deadline, pause
from topologies.loading.load import load
from topologies.schema.topology import Ssh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.asking.vantages.base import Prober

TRAP = "trap : TERM; sleep 100; exit $?"  # as manifests.IGNORING_SIGTERM


class Asked:
    """A prober that keeps its commands, and fails with the given error."""

    def __init__(self, error: TransportError | None = None) -> None:
        self.commands: list[Sequence[str]] = []
        self.error = error

    def run(self, command: Sequence[str], *_: Any) -> Completed:
        self.commands.append(command)
        if self.error:
            raise self.error
        return Completed(b"", b"", 0)


def test_every_pod_is_asked_and_one_that_fails_hinders_no_other() -> None:
    asked = [Asked(TransportError("cut")), Asked(), Asked(TransportError("cut"))]
    end_processes(cast("list[Prober]", asked))
    assert [one.commands for one in asked] == [[END_ALL]] * 3


def test_only_pods_that_ignore_sigterm_are_ended() -> None:
    def names(topology: str) -> list[str]:
        cluster = Cluster(cast("Any", None), load(topology), "hairpin-run-1", "run-1")
        return [one.name for one in Probers(cluster, Ssh()).in_lingering_pods()]

    assert names("lab-endpoint-states") == ["going-a", "going-b", "last-a", "mix-b", "over-a"]
    assert names("lab-flannel") == []


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="needs root, unshare and nsenter")
def test_the_first_process_ignores_sigterm_and_ends_with_the_echo_process() -> None:
    shell = subprocess.Popen(["unshare", "--fork", "--pid", "--mount-proc", "sh", "-c", TRAP])
    try:
        first = _child(shell.pid)
        os.kill(first, signal.SIGTERM)
        pause(0.3)
        assert shell.poll() is None
        subprocess.run(["nsenter", f"--target={first}", "--pid", "--mount", *END_ALL], check=False)
        assert shell.wait(5) == 128 + signal.SIGKILL
    finally:
        shell.kill()
        shell.wait()


def _child(pid: int) -> int:
    """Return the process that another one has started, once its own child runs."""
    deadline = Deadline(5)
    while not deadline.passed:
        found = _children(pid)
        if found and _children(found[0]):
            return found[0]
        pause(0.05)
    pytest.fail("no child")


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(one) for one in text.split()]
