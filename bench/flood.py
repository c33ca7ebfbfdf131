"""`python -m bench.flood [TOPOLOGY] [SERVICES]`: what the connection budget of a run costs, and what it saves.

Probes one large matrix (`bench.scale`; 100 Services on `lab-flannel`) twice in one lab and one process: first without a
bound on connections and without repeats at low load, then as a run does. Every cell of the lab is as the rules predict,
so a failed cell was lost to our own load. Times depend on the machine; compare the ratio.
"""

from __future__ import annotations

import secrets
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

import yaml

from bench.scale import enlarged
from probes import session
from probes.asking import budget, load_meter, low_load, runner
from probes.judging.run_judge import Judge
from probes.plan.plan import plan
from topologies.lab import lab, sandbox
from topologies.loading.load import load
from topologies.schema.topology import Ssh, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from topologies.lab.lab import RunningLab

UNBOUNDED: tuple[tuple[ModuleType, str, float], ...] = (
    (runner, "MOST", 10**6),  # connections
    (budget, "SLOW", inf),
    (load_meter, "NEAR", inf),
    (low_load, "NEAR", inf),
    (low_load, "STALL", inf),
)


def main(name: str, services: int) -> None:
    """Print the verdicts and the seconds of both, and their ratio. The lab stays up, as after `bench.run`."""
    topology = _enlarged(name, services)
    if not sandbox.is_inside(topology.name):
        lab.up(topology)
        sandbox.reenter(topology.name, [sys.executable, "-m", "bench.flood", name, str(services)])
    found = lab.find(topology.name)
    if found is None:
        sys.exit(f"lab {topology.name} is not up")
    with unbounded():
        without = once("unbounded", topology, found)
    print(f"  ratio of the times {once('bounded', topology, found) / without:.2f}")  # noqa: T201 - the answer


@contextmanager
def unbounded() -> Iterator[None]:
    """Lift the bound on connections, and repeat no cell at low load, inside the block."""
    with ExitStack() as changed:
        for module, name, value in UNBOUNDED:
            changed.enter_context(patch.object(module, name, value))
        yield


def once(what: str, topology: Topology, found: RunningLab) -> float:
    """Probe every cell once, print the verdicts, and return the seconds of the probing."""
    options = session.Options(
        kubeconfig=str(found.kubeconfig), ssh=Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts))
    )
    cells = plan(topology).cells
    answers = session.conduct(topology, cells, secrets.token_hex(4), options, progress=lambda _: None)
    judge = Judge.over(topology, answers, list(cells))
    verdicts = Counter(judge(cell).result.value for cell in cells)
    attempts = sum(len(one.attempts) for one in answers.observations.values())
    counts = ", ".join(f"{count} {result}" for result, count in verdicts.most_common())
    print(f"  {what:9} {len(cells)} cells, {attempts} attempts in {answers.timings['ask']:.1f} s: {counts}", flush=True)  # noqa: T201
    return answers.timings["ask"]


def _enlarged(name: str, services: int) -> Topology:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "large.yaml"
        path.write_text(yaml.safe_dump(enlarged(load(name), services)))
        return load(str(path))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel", int(sys.argv[2]) if len(sys.argv) > 2 else 100)  # noqa: PLR2004
