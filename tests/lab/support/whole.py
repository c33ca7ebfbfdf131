"""`python -m tests.lab.support.whole TOPOLOGY` inside a lab: ask every cell once and tell the verdicts as JSON."""

from __future__ import annotations

import json
import secrets
import sys

from probes import session
from probes.judging.run_judge import Judge
from probes.plan.plan import plan
from topologies.lab import lab
from topologies.loading.load import load
from topologies.schema.topology import Ssh


def main(name: str) -> None:
    """One line on stdout: each verdict's cells, with what was wrong about those that did not pass."""
    topology = load(name)
    found = lab.find(topology.name)
    if found is None:
        sys.exit(f"lab {topology.name} is not up")
    options = session.Options(
        kubeconfig=str(found.kubeconfig),
        ssh=Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts)),
        connect_timeout=4,  # a busy machine is no silent Service
    )
    cells = plan(topology).cells
    answers = session.conduct(topology, cells, secrets.token_hex(8), options, progress=_say)
    judge = Judge.over(topology, answers, list(cells))
    told: dict[str, list[str]] = {}
    for cell in cells:
        verdict = judge(cell)
        told.setdefault(verdict.result, []).append(cell.id if verdict.result == "pass" else str(verdict))
    print(json.dumps(told))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1])
