"""Break one thing in a lab, probe every cell, and print which failed and what explains them, from observations alone.

Runs inside a lab: `python -m tests.lab.support.explained TOPOLOGY MUTATION`. With `none` nothing is broken, and the
run is explained once for each of these wrong declarations.

Prints JSON: what `mutated.py` prints, and `found`: by name the explanations as `run.json` stores them, the failed
cells and the seconds.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.diagnosis.search import diagnose
from probes.judging.run_judge import Judge
from probes.plan.plan import plan
from reports.analysis.explanations import store_diagnosis
from tests.lab.support.mutated import MUTATIONS, There, Whole, compare, conduct
from topologies.loading import overrides
from topologies.loading.load import load

if TYPE_CHECKING:
    from probes.session import Answers
    from tests.lab.support.mutated import Mutation
    from topologies.schema.topology import Topology

BUDGET_S = 60.0  # seconds, for a busy machine: how long it took is printed
WRONG: dict[str, dict[str, Any]] = {
    "right": {},
    "listens": {"load_balancer.listens": False},
    "detect_local": {"proxy.detect_local": "none"},
    "masquerade": {"cni.masquerade": "none"},
    "version": {"proxy.version": "1.27.2"},
    "listens and detect_local": {"load_balancer.listens": False, "proxy.detect_local": "none"},
}


@dataclass(frozen=True)
class StrictReversePath(Whole):
    """One node checks that a packet arrives at the interface to which its source is routed."""

    node: str
    key: str = "net.ipv4.conf.all.rp_filter"

    def break_it(self, there: There, known: Answers) -> None:
        there.on(self.node, "sysctl", "-w", f"{self.key}=1")

    def kept(self, there: There) -> bool:
        return there.on(self.node, "sysctl", "-n", self.key).strip() == "1"


MORE: dict[str, Mutation] = {**MUTATIONS, "rp-filter": StrictReversePath("n3")}


def explain(topology: Topology, answers: Answers) -> dict[str, Any]:
    cells = plan(topology).cells
    judge = Judge.over(topology, answers, cells)
    began, began_wall = time.process_time(), time.monotonic()
    diagnosis = diagnose(judge, cells, BUDGET_S)
    return {
        "explanations": [one.model_dump(mode="json") for one in store_diagnosis(diagnosis)],
        "red": list(diagnosis.red),
        "complete": diagnosis.complete,
        "seconds": time.process_time() - began,
        "wall": time.monotonic() - began_wall,
    }


def main(where: str, what: str) -> None:
    there = There(load(where), secrets.token_hex(8))
    answers, kept = conduct(there, MORE[what])
    declarations = WRONG if what == "none" else {what: {}}
    found = {name: explain(overrides.declared(where, wrong), answers) for name, wrong in declarations.items()}
    json.dump({"kept": kept, "found": found, **compare(there, MORE[what], answers)}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
