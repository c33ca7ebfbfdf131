"""Runs of simulated clusters in which one thing is broken, for tests of what reports show.

`HAIRPIN_BROKEN=cni-masquerade pytest -p tests.unit.support.broken_cluster --simulate` is such a run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.environment import Environment
from probes.oracle.predict import expect
from probes.oracle.rule import replace_decisions
from probes.oracle.stages.arrival import arrives_as_sent
from probes.plan.plan import plan
from reports.records import build
from reports.records.run import DeclaredTopology, OmittedCell, Run
from tests.lab.support.mutated import MUTATIONS, Mutation, Whole
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load

if TYPE_CHECKING:
    from probes.observation import Observation
    from probes.oracle.connection import Connection
    from probes.session import Answers
    from topologies.schema.topology import Topology

STARTED = datetime(2026, 11, 22, 5, 35, 8, tzinfo=UTC)


@dataclass(frozen=True)
class NoCniMasquerade(Whole):
    """The CNI's rule `-s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE` is missing on one node."""

    node: str

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        if name == "R0.9" and conn.packet.client_node == self.node:
            return arrives_as_sent.step(conn)
        unmarked_egress = name == "R10.5" or (name == "L0" and not conn.marked)
        return conn.packet.source if unmarked_egress and conn.packet.node == self.node else answer


@dataclass(frozen=True)
class HostDown(Whole):
    """The host of one client refuses SSH."""

    vantage: str

    def observed(self, seen: dict[str, Observation]) -> dict[str, Observation]:
        trouble = f"SSH to {self.vantage}: connection refused"
        return {
            name: type(one)(name, one.target, trouble=trouble) if name.startswith(f"{self.vantage}-to-") else one
            for name, one in seen.items()
        }


BROKEN: dict[str, Mutation] = {
    "none": Whole(),
    "cni-masquerade": NoCniMasquerade("n1"),
    "proxy": MUTATIONS["proxy"],
    "cluster-ip": MUTATIONS["cluster-ip-jump"],
    "policy": MUTATIONS["policy"],
    "host-down": HostDown("ext-e1"),
}
real_simulate = session.simulate


def simulate(topology: Topology, cells: Any, expect: Any, given: Any = None) -> Answers:
    """Answer as a cluster with the thing that HAIRPIN_BROKEN names."""
    del expect, given  # the broken cluster has its own
    return answers_of(topology, cells, os.environ.get("HAIRPIN_BROKEN", "none"))


def answers_of(topology: Topology, cells: Any, name: str) -> Answers:
    broken, snapshot = BROKEN[name], declared(topology)
    world = broken.world(snapshot)
    with replace_decisions(broken.bend):
        answers = real_simulate(topology, cells, lambda cell, _: expect(topology, world, cell), snapshot)
    if isinstance(broken, HostDown):
        answers.observations.update(broken.observed(answers.observations))
    return answers


@cache
def run_of(name: str, topology_name: str = "lab-flannel") -> Run:
    """Return the whole run of a topology with that thing broken."""
    topology = load(topology_name)
    planned = plan(topology)
    answers = answers_of(topology, planned.cells, name)
    judge = Judge.over(topology, answers, list(planned.cells), folder="out/last")
    return Run(
        environment=TypeAdapter(Environment).dump_python(Environment.of(topology), mode="json"),
        topology=DeclaredTopology.of(topology),
        versions={"hairpin": "0.1.0", **answers.versions},
        started=STARTED,
        finished=STARTED,
        complete=True,
        command=f"pytest --topology={topology_name}",
        plan=tuple(cell.id for cell in planned.cells),
        omissions=tuple(OmittedCell.of(one) for one in planned.omissions),
        notes=answers.notes,
        records=tuple(build.records(judge, planned.cells)),
    )


def mixed_run() -> Run:
    """Return a run with two verdicts besides pass: cells of one Service fail, one client could not be used."""
    failed, other = run_of("policy"), run_of("host-down")
    pairs = zip(failed.records, other.records, strict=True)
    return failed.model_copy(update={"records": tuple(a if a.verdict is Result.FAIL else b for a, b in pairs)})


if "HAIRPIN_BROKEN" in os.environ:
    session.simulate = simulate
