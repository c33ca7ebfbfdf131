"""A run's answers -> records: every cell judged by every facet, also long after the run (from its journal)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from probes.contract.cluster_judge import judge_over
from probes.judging.verdict import Facet
from probes.plan.plan import plan_cells
from probes.session import Answers
from reports.records.record import Record
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from probes.judging.run_judge import Judge
    from probes.observation import Observation
    from probes.plan.cell import Cell
    from reports.records.run import Header
    from topologies.cluster_state.snapshot import Snapshot


def records(judge: Judge, cells: Iterable[Cell]) -> Iterator[Record]:
    """Yield one record a cell, in the order of the cells."""
    for cell in cells:
        case = judge.case(cell)
        verdicts = [judge(cell, facet) for facet in Facet]
        yield Record.of(
            cell,
            case.expectation,
            case.observation,
            verdicts,
            naming=partial(judge.short_name, cell=cell),
        )


def judge_observations(header: Header, snapshot: Snapshot, observations: Mapping[str, Observation]) -> list[Record]:
    """Judge the observations of a run that has ended, by the topology that its header declares."""
    topology = Topology.model_validate(header.topology.declared)
    cells = plan_cells(topology, observations)
    answers = Answers(snapshot, dict(observations), timings={}, versions=header.versions)
    return list(records(judge_over(topology, answers, cells), cells))
