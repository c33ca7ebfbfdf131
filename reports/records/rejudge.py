"""Judge a stored run anew: its observations and its snapshot, under its own topology or a mended one.

Nothing is asked again. An observation counts only if it was made at the address that the topology gives the frontend.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.contract.cluster_judge import judge_over
from probes.observation import Attempt, Observation
from probes.plan.plan import plan, plan_cells
from probes.session import Answers
from reports.records import build
from reports.records.run import DeclaredTopology, OmittedCell, Run, read_environment
from reports.records.sharpness import Sharpness
from topologies.common.errors import HairpinError
from topologies.frontends import UnresolvedError, resolve
from topologies.loading.load import validated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.judging.run_judge import Judge
    from probes.plan.cell import Cell
    from reports.records.record import Record
    from reports.records.schema import Try
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

SHOWN = 3  # cells that an error names


class RejudgeError(HairpinError):
    """A run that cannot be judged anew: it lacks what is needed, or the topology is that of another cluster."""


@dataclass(frozen=True)
class StoredAnswers:
    """A run's cells under a topology, with a judge of its observations."""

    topology: Topology
    cells: tuple[Cell, ...]
    judge: Judge

    @classmethod
    def of(cls, run: Run, topology: Topology) -> StoredAnswers:
        """Return the stored observations of a run, to be judged under a topology.

        Raises:
            RejudgeError: The run has no snapshot or no records, or the topology is that of another cluster.

        """
        snapshot, seen = _snapshot(run), observations(run)
        cells = tuple(plan_cells(topology, seen))
        _refuse_another_cluster(run, topology, snapshot, cells)
        moved = {cell.id: why for cell in cells if (why := _moved(cell, seen[cell.id], topology, snapshot))}
        seen |= {cell: Observation(cell, trouble=why) for cell, why in moved.items()}
        answers = Answers(snapshot, seen, timings={}, versions=run.versions)
        return cls(topology, cells, judge_over(topology, answers, cells))


def judge_anew(run: Run, topology: Topology, raw: dict[str, Any]) -> Run:
    """Return the run as judged under this topology, whose raw contents are `raw`.

    Raises:
        RejudgeError: The run cannot be judged under this topology.

    """
    stored, planned = StoredAnswers.of(run, topology), plan(topology)
    absent = sorted({record.cell.id for record in run.records} - {cell.id for cell in stored.cells})
    notes = (f"{len(absent)} cells of the run are not planned under this topology: {_some(absent)}",) if absent else ()
    records = tuple(build.records(stored.judge, stored.cells))
    return run.model_copy(
        update={
            "environment": read_environment(topology),
            "topology": DeclaredTopology.of(topology),
            "raw_topology": raw,
            "plan": tuple(cell.id for cell in planned.cells),
            "omissions": tuple(OmittedCell.of(omission) for omission in planned.omissions),
            "notes": tuple(dict.fromkeys((*run.notes, *notes))),
            "records": records,
            "sharpness": Sharpness.of(record.expected for record in records),
            "explanations": (),
            "contract": (),
            "schema_version": Run.model_fields["schema_version"].default,
        }
    )


def own_topology(run: Run) -> Topology:
    """Return the topology that the run declared; TopologyError if this hairpin does not accept it any more."""
    return validated(raw_contents(run), f"the topology of run {run.topology.name}")


def raw_contents(run: Run) -> dict[str, Any]:
    """Return the contents of the run's topology file; of a run of schema 1, everything that it declared."""
    return dict(run.raw_topology or run.topology.declared)


def observations(run: Run) -> dict[str, Observation]:
    """Return what was observed, by cell id."""
    return {record.cell.id: _observation(record) for record in run.records}


def _observation(record: Record) -> Observation:
    seen = record.observed
    attempts = tuple(map(_attempt, seen.attempts))
    return Observation(record.cell.id, record.target, attempts, seen.trouble, seen.sure, seen.unsure, seen.load)


def _attempt(one: Try) -> Attempt:
    return Attempt(
        outcome=one.outcome,
        source=one.source.address if one.source else None,
        backend=one.backend,
        seconds=one.seconds,
        exit_code=one.exit_code,
        message=one.message,
        http_status=one.http_status,
        local=one.local,
        remote=one.remote,
        scout=one.scout,
        lost=one.loaded,
        loaded=one.loaded or one.under_load,
    )


def _snapshot(run: Run) -> Snapshot:
    if run.snapshot is None:
        message = (
            f"the run of {run.topology.name} cannot be judged anew: snapshot: got none (schema {run.schema_version}), "
            "want the state of the cluster that a run of this hairpin stores. Run the suite again"
        )
        raise RejudgeError(message)
    if not run.records:
        message = f"the run of {run.topology.name} cannot be judged anew: records: got none, want at least one cell"
        raise RejudgeError(message)
    return run.snapshot


def _refuse_another_cluster(run: Run, topology: Topology, snapshot: Snapshot, cells: tuple[Cell, ...]) -> None:
    """Raise RejudgeError if at least half of the run's cells are not planned, or were asked at other addresses."""
    targets, planned = {record.cell.id: record.target for record in run.records}, {cell.id for cell in cells}
    foreign = [name for name in targets if name not in planned]
    foreign += [cell.id for cell in cells if _other_target(cell, targets[cell.id], topology, snapshot)]
    if 2 * len(foreign) >= len(targets):
        nodes = Counter(record.cell.vantage_node or "outside" for record in run.records)
        message = (
            f"the run cannot be judged under topology {topology.name}: got {len(foreign)} of {len(targets)} cells that "
            f"it does not plan at the address that was asked ({_some(foreign)}), want the topology of the cluster "
            f"that the run asked, {run.topology.name} with clients on {', '.join(sorted(nodes))}. "
            "Give the mended file of that cluster"
        )
        raise RejudgeError(message)


def _moved(cell: Cell, seen: Observation, topology: Topology, snapshot: Snapshot) -> str:
    other = _other_target(cell, seen.target, topology, snapshot)
    return f"it was asked at {seen.target}, and the topology has its frontend at {other}" if other else ""


def _other_target(cell: Cell, asked: str, topology: Topology, snapshot: Snapshot) -> str:
    """Return the frontend's address in this topology if it differs from the one that was asked; else nothing."""
    try:
        found = str(resolve(cell.frontend, topology, snapshot))
    except (UnresolvedError, KeyError):
        return "no address" if asked else ""
    return found if asked and found != asked else ""


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{', '.join(listed[:SHOWN])}{more}"
