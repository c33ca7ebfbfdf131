"""`python -m bench.lab [TOPOLOGY] [RUNS]`: how long a lab takes to start, to run the standard workload, to be removed.

`up`: from nothing to every worker Ready. `workload`: from the first object to every pod Ready and every Service with
its endpoints and addresses. `down`: until nothing is left. The lab has a name of its own, so that another one may run.
Prints the median and the slowest run.
"""

from __future__ import annotations

import os
import secrets
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.cluster import client as clusters
from topologies.common import waiting
from topologies.common.subprocesses import run
from topologies.common.timeouts import TIMEOUTS
from topologies.lab import lab
from topologies.lab.network import plan
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import load
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE = "--workload"
PYTHONPATH = Path(__file__).parents[1]


def main(name: str, runs: int) -> None:
    """Print every run and, for each part, median and slowest, in seconds."""
    topology = load(name).model_copy(update={"name": f"bench-{secrets.token_hex(2)}"})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab is removed
    seen: list[tuple[float, float, float]] = []
    _say(f"{name}: seconds\n run     up  workload   down")
    try:
        for number in range(1, runs + 1):
            seen.append(once(topology))
            _say(f"{number:4} {seen[-1][0]:6.2f}  {seen[-1][1]:8.2f} {seen[-1][2]:6.2f}")
    finally:
        lab.down(topology.name)
    for what, of in (("mid ", statistics.median), ("max ", max)):
        parts = [of(column) for column in zip(*seen, strict=True)]
        _say(f"{what} {parts[0]:6.2f}  {parts[1]:8.2f} {parts[2]:6.2f}")


def once(topology: Topology) -> tuple[float, float, float]:
    """Return the seconds until one lab is up, until its workload runs, and until it is removed."""
    up = measure_s(lambda: lab.up(topology, progress=lambda _: None))
    inside = ["env", f"PYTHONPATH={PYTHONPATH}", sys.executable, "-m", "bench.lab", INSIDE, topology.name]
    workload = float(run(Sandbox.find(topology.name).enter_command(plan.CONTROL_PLANE, inside), timeout=120))
    return up, workload, measure_s(lambda: lab.down(topology.name))


def workload(name: str) -> None:
    """Deploy the standard workload, from inside the lab, and print the seconds until all of it is ready."""
    found = lab.find(name)
    if found is None:
        sys.exit(f"lab {name} is not up")
    topology = Topology.model_validate_json((found.state / "topology.json").read_text())
    cluster = clusters.Cluster(clusters.connect(str(found.kubeconfig)), topology, f"hairpin-{os.getpid()}", "bench")

    def deploy() -> None:
        cluster.deploy()
        cluster.serve()
        waiting.until(cluster.ready, waiting.Deadline(TIMEOUTS.workload_ready_s), "pods, endpoints and addresses")

    _say(f"{measure_s(deploy):.3f}")


def measure_s(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        workload(sys.argv[2])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel", int(sys.argv[2]) if len(sys.argv) > 2 else 10)  # noqa: PLR2004 - the second argument
