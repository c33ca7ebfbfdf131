"""`python -m bench.run [TOPOLOGY]`: attempts per second, one exec a probe against ours, both measured in one run.

One by one: a spread of the matrix's pod cells (every k-th, so answers, refusals and silence in the matrix's own mix),
each asked by an exec of its own. Ours: the whole matrix. Same lab, same minute, same machine: the ratio is what counts.
"""

from __future__ import annotations

import secrets
import sys
import time
from typing import TYPE_CHECKING

from probes import clock
from probes.plan import plan
from probes.session import Answers, Options, conduct
from probes.vantages.pod import PodVantage
from topologies import cluster as clusters
from topologies.frontends import resolve
from topologies.lab import island, lab
from topologies.load import load
from topologies.model import Ssh, Topology, VantageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.cell import Cell

ONE_BY_ONE = 60


def main(name: str) -> None:
    """Print both rates, their ratio, and the phases of the whole matrix. Brings the lab up if it is not."""
    topology = load(name)
    if not island.is_inside(topology.name):
        lab.up(topology)
        island.reenter(topology.name, [sys.executable, "-m", "bench.run", name])
    found = lab.find(topology.name)
    if found is None:
        sys.exit(f"lab {topology.name} is not up")
    kubeconfig, cells = str(found.kubeconfig), plan(topology).cells
    single = one_by_one(topology, kubeconfig, cells)
    ssh = Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts))
    answers = conduct(topology, cells, secrets.token_hex(2), Options(kubeconfig, ssh=ssh), say=lambda _: None)
    ours = attempts(answers) / answers.timings["ask"]
    told = ", ".join(f"{phase} {took:.2f} s" for phase, took in answers.timings.items())
    sys.stdout.write(f"matrix: {len(cells)} cells, {attempts(answers)} attempts; {told}\n")
    sys.stdout.write(f"one exec a probe {single:.1f} attempts/s, ours {ours:.0f} attempts/s: {ours / single:.0f} x\n")


def attempts(answers: Answers) -> int:
    """How many connections were made."""
    return sum(len(seen.attempts) for seen in answers.observations.values())


def one_by_one(topology: Topology, kubeconfig: str, cells: Sequence[Cell]) -> float:
    """Attempts per second with an exec for each, over a spread of the matrix's pod cells."""
    run = secrets.token_hex(2)
    cluster = clusters.Cluster(clusters.connect(kubeconfig), topology, f"hairpin-{run}", run)
    cluster.apply()
    try:
        clock.until(cluster.ready, clock.Deadline(60), "pods, endpoints and addresses")
        snapshot = cluster.snapshot()
        own = [cell for cell in cells if cell.vantage.kind in {VantageKind.POD, VantageKind.NODE}]
        spread = own[:: len(own) // ONE_BY_ONE][:ONE_BY_ONE]
        began = time.monotonic()
        for cell in spread:
            asker = PodVantage(lambda: clusters.core(kubeconfig), cluster.namespace, cell.vantage.name, "agnhost")
            url = f"http://{resolve(cell.frontend, topology, snapshot)}/clientip"
            asker.run(["curl", "-s", "--connect-timeout", "2", url], "", 5.0)
        return len(spread) / (time.monotonic() - began)
    finally:
        cluster.remove()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
