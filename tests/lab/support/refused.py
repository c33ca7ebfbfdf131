"""Run a topology in namespaces whose admission refuses its pods, and print what each run reports.

Runs inside a lab: `python -m tests.lab.support.refused TOPOLOGY CASES`. CASES is JSON: the namespace and the changed
keys of `pods:`, by case. Prints JSON: the error of each case, an empty string if there was none.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from probes import session
from probes.plan.plan import plan
from topologies.cluster.client import ClusterError
from topologies.loading.load import raw, validated


def find_error(declared: dict[str, Any], namespace: str, pods: dict[str, Any], run: str) -> str:
    """Return the error with which the run ends; an empty string if it ends without one."""
    topology = validated({**declared, "pods": pods}, "refused")
    options = session.Options(settle_timeout=10, balancer_settle=0, namespace=namespace)
    [cell] = [one for one in plan(topology).cells if one.id == "pod-n1-to-web.clusterip-v4-tcp"]
    try:
        session.conduct(topology, [cell], run, options, progress=lambda line: print(line, file=sys.stderr))
    except ClusterError as error:
        return str(error)
    return ""


def main(topology: str, cases: str) -> None:
    """Print the error of each case."""
    found = {
        name: find_error(raw(topology)[0], namespace, pods, f"refused{number}")
        for number, (name, (namespace, pods)) in enumerate(json.loads(cases).items())
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
