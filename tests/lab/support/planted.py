"""Start the data plane of a running lab again with another planted violation, on every node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import enter_cgroups, run
from topologies.lab import cgroups
from topologies.lab.state import read, write
from topologies.lab.worker.exchange import START

if TYPE_CHECKING:
    from topologies.lab.sandbox import Sandbox

DAEMON = "data-plane"
STOP = "kill -TERM $0; while kill -0 $0 2>/dev/null; do sleep 0.02; done"
TIMEOUT_S = 30.0


def plant(sandbox: Sandbox, violation: str) -> None:
    """Stop the data plane of each node and start it with this violation; without one if the name is empty."""
    for node in sandbox.workers():
        own = sandbox.state.node(node)
        pids = read(own / "daemons.json") or {}
        run(sandbox.enter_command(node, ["sh", "-c", STOP, str(pids[DAEMON])]), timeout=TIMEOUT_S)
        plan = read(own / "plan.json") or {}
        argv = next(one["argv"] for one in plan["daemons"] if one["name"] == DAEMON)
        given = [*argv, *([f"--violate={violation}"] if violation else [])]
        log = str(sandbox.state.log(node, DAEMON))
        inside = sandbox.enter_command(node, ["sh", "-c", f"cd {ROOT} && {{ {START}; }}", "sh", log, *given])
        groups = [Path(base) / node for base in (read(sandbox.state.record) or {})["cgroups"]]
        write(own / "daemons.json", {**pids, DAEMON: int(run(enter_cgroups(cgroups.inner(groups) or groups, inside)))})
