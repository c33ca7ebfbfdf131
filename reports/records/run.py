"""One run as a whole: where, what, when, with which versions, and every record. Written to `run.json`.

`python -m reports.records.run > docs/run.schema.json` makes the JSON schema from these models.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, JsonValue, TypeAdapter

from probes.oracle.environment import Environment
from reports.records.contract import StoredRow
from reports.records.record import Record
from reports.records.scenarios import StoredScenario
from reports.records.schema import ReportModel, StoredExplanation, is_empty, write_schema
from reports.records.sharpness import Sharpness
from topologies.cluster_state.node_versions import NodeVersions
from topologies.cluster_state.snapshot import Snapshot
from topologies.schema.enums import ProxyKind

if TYPE_CHECKING:
    from probes.plan.cell import Omission
    from topologies.schema.topology import Topology

SCHEMA_VERSION: Literal["2"] = "2"
FILE = "run.json"  # in the run's folder


def read_environment(topology: Topology) -> dict[str, JsonValue]:
    """Return what the oracle reads of a topology; of a cluster without kube-proxy, what serves Services there."""
    if not topology.proxy.is_kube_proxy:
        return {"proxy": str(topology.proxy.kind), "cni": str(topology.cni.kind)}
    read: dict[str, JsonValue] = TypeAdapter(Environment).dump_python(Environment.of(topology), mode="json")
    return read


class DeclaredTopology(ReportModel):
    """The topology's name and the whole of what it declares, as `topologies.schema.topology.Topology` writes it."""

    name: str
    declared: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Return everything that the topology declares, defaults included."""
        return cls(name=topology.name, declared=topology.model_dump(mode="json"))


class OmittedCell(ReportModel):
    """A cell that the plan left out, and why."""

    cell: str
    reason: str

    @classmethod
    def of(cls, omission: Omission) -> Self:
        """Return the record of the plan's omission."""
        return cls(cell=omission.cell, reason=omission.reason)


class Timings(ReportModel):
    """Wall time of each phase, in seconds; None for a phase that did not happen."""

    settle: float | None = None
    ask: float | None = None
    judge: float | None = None
    report: float | None = None


class Header(ReportModel):
    """What is known when a run starts: the first line of its journal.

    `environment`: mode, version, cni ... as the oracle read them. `raw_topology`: the contents of the topology's
    file as loaded, with overrides; empty in runs of schema 1. `versions`: hairpin, python, pytest, kubernetes, kernel,
    curl, kube-proxy. `nodes`: what each node runs, as its components report it, by name. `plan`: every planned cell id
    in order, so that a reader sees what a killed run missed. `notes`: what was odd while settling or asking, or lost
    while the run was put together (a torn line).
    """

    schema_version: Literal["1", "2"] = SCHEMA_VERSION
    environment: dict[str, JsonValue] = Field(default_factory=dict)
    topology: DeclaredTopology
    raw_topology: dict[str, JsonValue] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    nodes: dict[str, NodeVersions] = Field(default_factory=dict)
    started: datetime
    command: str = ""
    plan: tuple[str, ...] = ()
    omissions: tuple[OmittedCell, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()


class Run(Header):
    """A header and what came of it. `complete` is False if the run was killed, or a record could not be kept.

    `snapshot`: the state of the cluster's API while cells were probed; None if the run ended before, and in runs of
    schema 1. `explanations`: which changes of the declaration explain the failed cells, best first. `sharpness`: how
    many cells have one possible result, and the unknown facts that the others depend on. `contract`: what the
    observations and the scenarios show of each row of the API's contract. `scenarios`: the changes that were made
    while promises were checked; the key is missing in a run without scenarios.
    """

    finished: datetime | None = None
    complete: bool = False
    snapshot: Snapshot | None = None
    explanations: tuple[StoredExplanation, ...] = ()
    sharpness: Sharpness = Sharpness()
    contract: tuple[StoredRow, ...] = ()
    scenarios: tuple[StoredScenario, ...] = Field(default=(), exclude_if=is_empty)
    records: tuple[Record, ...] = ()

    @property
    def is_of_kube_proxy(self) -> bool:
        """Whether kube-proxy serves in the declared topology."""
        proxy = self.topology.declared.get("proxy")
        return not isinstance(proxy, dict) or proxy.get("kind", ProxyKind.KUBE_PROXY) == ProxyKind.KUBE_PROXY

    @property
    def unasked(self) -> tuple[str, ...]:
        """Return the planned cells without a record, in plan order."""
        known = {record.cell.id for record in self.records}
        return tuple(cell for cell in self.plan if cell not in known)


def schema() -> str:
    """Return the JSON schema of `run.json`, ending in a newline."""
    return write_schema(Run, "A Hairpin run")


if __name__ == "__main__":
    sys.stdout.write(schema())
