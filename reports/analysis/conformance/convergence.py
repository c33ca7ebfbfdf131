"""How long changes took until the promises of each row held, from the scenarios of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.conformance.report import NodeConvergence, RowConvergence
from reports.analysis.convergence import Convergence, describe_nodes, measure_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reports.records.run import Run
    from reports.records.scenarios import StoredScenario

Place = tuple[str, str, str, str]  # row, topology, scenario, step

DIGITS = 3  # of a second


def measure_rows(runs: Iterable[Run]) -> tuple[RowConvergence, ...]:
    """Return the convergence of each row, by its scenario, its step and its topology; of several runs the slowest."""
    found: dict[Place, dict[str, Convergence]] = {}
    for run in runs:
        for place, node in _measure(run.topology.name, run.scenarios):
            slowest = found.setdefault(place, {})
            known = slowest.get(node.node)
            if known is None or (node.rank, node.more_than_s) > (known.rank, known.more_than_s):
                slowest[node.node] = node
    return tuple(
        RowConvergence(
            row=row, topology=topology, scenario=scenario, step=step, nodes=tuple(map(_store, _by_name(nodes)))
        )
        for (row, topology, scenario, step), nodes in sorted(found.items())
    )


def _measure(topology: str, scenarios: Iterable[StoredScenario]) -> Iterator[tuple[Place, Convergence]]:
    for one in scenarios:
        for step in one.steps:
            for row in dict.fromkeys(check.row for check in step.checks):
                for node in measure_nodes(check for check in step.checks if check.row == row):
                    yield (row, topology, one.id, step.name), node


def _by_name(nodes: dict[str, Convergence]) -> list[Convergence]:
    return [nodes[name] for name in sorted(nodes)]


def _store(one: Convergence) -> NodeConvergence:
    never = one.at_most_s is None
    upper = None if one.at_most_s is None else round(one.at_most_s, DIGITS)
    lower = round(one.more_than_s, DIGITS)
    return NodeConvergence(node=one.node, more_than_seconds=lower, at_most_seconds=upper, never=never)


def describe_row_convergence(one: RowConvergence) -> str:
    """Return `affinity-switched, off: within 0.4 s: n1 0.2-0.4, n2 0-0.1`."""
    nodes = [Convergence(node.node, node.more_than_seconds, node.at_most_seconds) for node in one.nodes]
    return f"{one.scenario}, {one.step}: {describe_nodes(nodes)}"


def measure_slowest(one: RowConvergence) -> float:
    """Return the upper bound of the slowest node, in seconds; infinite if a promise never held."""
    return max((float("inf") if node.never else node.at_most_seconds or 0.0 for node in one.nodes), default=0.0)


def select_row(row: str, convergence: Iterable[RowConvergence]) -> list[RowConvergence]:
    """Return the convergence of one row."""
    return [one for one in convergence if one.row == row]
