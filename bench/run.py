"""`python -m bench.run [TOPOLOGY]`: attempts per second, one exec a probe against one curl a vantage, in one run.

Brings nothing up: the lab must be there (`python -m topologies.lab up`); enters it by its door. The same cells of one pod
vantage are asked both ways; the ratio is what counts, both figures come from the same minute on the same machine.
"""

from __future__ import annotations

import secrets
import sys
import time

from probes import runner
from probes.plan import plan
from probes.session import Options, conduct
from probes.vantages.pod import PodVantage
from topologies import cluster as clusters
from topologies.frontends import resolve
from topologies.lab import island, lab
from topologies.load import load
from topologies.model import Ssh, Topology

ONE_BY_ONE = 40
BATCHED_SAMPLE = 500


def main(name: str) -> None:
    """Print the ratio, and the phases of the whole matrix."""
    topology = load(name)
    if not island.is_inside(topology.name):
        lab.up(topology)
        island.reenter(topology.name, [sys.executable, "-m", "bench.run", name])
    found = lab.find(topology.name)
    if found is None:
        sys.exit(f"lab {topology.name} is not up")
    ssh = Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts))
    ratio(topology, str(found.kubeconfig))
    cells = plan(topology).cells
    answers = conduct(topology, cells, secrets.token_hex(2), Options(str(found.kubeconfig), ssh=ssh), say=lambda _: None)
    attempts = sum(len(seen.attempts) for seen in answers.observations.values())
    told = ", ".join(f"{phase} {took:.2f} s" for phase, took in answers.timings.items())
    sys.stdout.write(f"matrix: {len(cells)} cells, {attempts} attempts; {told}\n")


def ratio(topology: Topology, kubeconfig: str) -> None:
    """One exec a probe against one batch, from the same pod at the same ClusterIP."""
    run = secrets.token_hex(2)
    cluster = clusters.Cluster(clusters.connect(kubeconfig), topology, f"hairpin-{run}", run)
    cluster.apply()
    try:
        while cluster.ready():
            time.sleep(0.2)
        cell = next(cell for cell in plan(topology, samples=BATCHED_SAMPLE).cells if cell.frontend.label == "clusterip")
        target = resolve(cell.frontend, topology, cluster.snapshot())
        asker = PodVantage(lambda: clusters.core(kubeconfig), cluster.namespace, cell.vantage.name, "agnhost")
        began = time.monotonic()
        for _ in range(ONE_BY_ONE):
            asker.run(["curl", "-s", "-m", "2", f"http://{target}/clientip"], "", 5.0)
        single = ONE_BY_ONE / (time.monotonic() - began)
        began = time.monotonic()
        seen = runner.ask({asker.name: [runner.Question(cell, target)]}, {asker.name: asker})
        batched = len(seen[cell.id].attempts) / (time.monotonic() - began)
    finally:
        cluster.remove()
    sys.stdout.write(f"one exec a probe {single:.1f} attempts/s; one curl a round {batched:.0f} attempts/s: {batched / single:.0f} x\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
