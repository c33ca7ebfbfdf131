"""`python -m bench.run [TOPOLOGY]`: attempts per second, with one exec for each probe and with a run of Hairpin.

One exec for each probe is what probing with `kubectl exec` does: an exec through the API server that runs one curl.
Probed that way: every k-th pod cell of the matrix (so that answers, refusals and timeouts have the matrix's shares),
with the same connect timeout, first one after the other, then one at a time in every pod at once. No process is started
for it and the kubeconfig is read once, so it is faster than kubectl. Hairpin's figure is the whole matrix with
`pytest`. Both run in the same lab on the same machine; compare the ratio.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from probes.asking.vantages.pod import PodVantage
from probes.plan.plan import plan
from reports.records import journal
from topologies.cluster import client as clusters
from topologies.cluster.api import again
from topologies.common import waiting
from topologies.common.subprocesses import start, tail
from topologies.common.threads import map_all
from topologies.common.timeouts import TIMEOUTS
from topologies.frontends import resolve
from topologies.lab import lab, sandbox
from topologies.loading.load import load
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.plan.cell import Cell
    from reports.records.run import Run
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

ONE_BY_ONE = 60  # probes
CONNECT_TIMEOUT_S = 2.0  # as the default of --connect-timeout


def main(name: str) -> None:
    """Print the phases of the whole matrix and the rates. Start the lab if need be, and leave it running."""
    topology = load(name)
    if not sandbox.is_inside(topology.name):
        lab.up(topology)
        sandbox.reenter(topology.name, [sys.executable, "-m", "bench.run", name])
    found = lab.find(topology.name)
    if found is None:
        sys.exit(f"lab {topology.name} is not up")
    run, wall = whole(name)
    attempts = sum(len(record.observed.attempts) for record in run.records)
    verdicts = ", ".join(f"{count} {result}" for result, count in Counter(r.verdict for r in run.records).items())
    phases = ", ".join(f"{phase} {took:.2f} s" for phase, took in run.timings if took is not None)
    _say(f"{topology.name}: {len(run.records)} cells ({verdicts}), {attempts} attempts")
    _say(f"  {phases}; pytest from start to end {wall:.1f} s")
    single, at_once = one_by_one(topology, str(found.kubeconfig))
    ours = attempts / (run.timings.ask or float("inf"))
    _say(f"  one exec a probe, one after the other {single:8.1f} attempts/s")
    _say(f"  one exec a probe, every pod at once   {at_once:8.1f} attempts/s")
    _say(f"  ours                                  {ours:8.1f} attempts/s")
    _say(f"  ratio {ours / single:.0f} x and {ours / at_once:.0f} x")


def whole(name: str) -> tuple[Run, float]:
    """Run the whole matrix as a user does; return the run and its wall time in seconds."""
    with TemporaryDirectory() as out:
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", f"--topology={name}", f"--out={out}", "-q", "--tb=no"]
        log = Path(out) / "pytest.log"
        start(command, log, env=os.environ).wait()
        wall = time.monotonic() - began
        folders = [
            folder for folder in Path(out).iterdir() if (folder / journal.RUN).exists() and not folder.is_symlink()
        ]
        if not folders:
            sys.exit(f"the matrix was not probed:\n{tail(log, lines=40)}")
        return journal.load(folders[0]), wall


def one_by_one(topology: Topology, kubeconfig: str) -> tuple[float, float]:
    """Return the attempts per second with an exec for each: one after the other, and one at a time in every pod."""
    run = secrets.token_hex(8)
    api = clusters.connect(kubeconfig)
    cluster = clusters.Cluster(api, topology, f"hairpin-{run}", run)
    cluster.deploy()
    cluster.serve()
    try:
        waiting.until(cluster.ready, waiting.Deadline(TIMEOUTS.workload_ready_s), "pods, endpoints and addresses")
        ask = asker(topology, cluster, cluster.snapshot())
        cells = [cell for cell in plan(topology).cells if cell.vantage.kind in {VantageKind.POD, VantageKind.NODE}]
        spread = cells[:: max(1, len(cells) // ONE_BY_ONE)][:ONE_BY_ONE]
        single = rate(len(spread), lambda: [ask(cell) for cell in spread])
        pods = {cell.vantage.name: [other for other in spread if other.vantage == cell.vantage] for cell in spread}
        return single, rate(len(spread), lambda: _at_once(ask, list(pods.values())))
    finally:
        cluster.remove()


def asker(topology: Topology, cluster: clusters.Cluster, snapshot: Snapshot) -> Callable[[Cell], object]:
    """Return a function that probes one cell with one exec of one curl."""

    def ask(cell: Cell) -> object:
        pod = PodVantage(lambda: again(cluster.api), cluster.namespace, cell.vantage.name, "agnhost")
        url = f"http://{resolve(cell.frontend, topology, snapshot)}/clientip"
        return pod.run(["curl", "-s", "--connect-timeout", f"{CONNECT_TIMEOUT_S:g}", url], "", CONNECT_TIMEOUT_S + 3)

    return ask


def rate(count: int, work: Callable[[], object]) -> float:
    """Return `count` divided by the seconds that a call takes."""
    began = time.monotonic()
    work()
    return count / (time.monotonic() - began)


def _at_once(ask: Callable[[Cell], object], shares: Sequence[Sequence[Cell]]) -> None:
    map_all(lambda share: [ask(cell) for cell in share], shares, at_once=len(shares))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
