"""Results of scenarios as an engine writes them, made without asking anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.contract.judging import ContractResult
from probes.scenarios.results import FILE_NAME, ScenarioCheck, ScenarioResult, ScenarioStep, write_results
from reports.records.reading import read_scenarios

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.scenarios import StoredScenario

KEPT, BROKEN, UNUSUAL = ContractResult.KEPT, ContractResult.BROKEN, ContractResult.UNUSUAL
FREE, NOT_ASKED = ContractResult.FREE, ContractResult.NOT_ASKED
AT = "2026-11-26T12:00:01+00:00"
BALANCER_ROWS = (
    "health-check-node-port-with-endpoint",
    "health-check-node-port-without-endpoint",
    "health-check-node-port-only-terminating",
    "health-check-node-port-closed",
    "lb-without-node-ports",
)


def check(
    row: str,
    node: str,
    result: ContractResult = KEPT,
    held: tuple[float | None, float | None] = (None, 0.1),
    **more: Any,
) -> ScenarioCheck:
    """Return a check from the pod on a node. `held`: not before, and from when on."""
    given = {"client": f"pod-{node}", "frontend": "s-web.clusterip", "promise": "ok", "text": "ok from kept"}
    return ScenarioCheck(
        row=row, node=node, result=result, not_before_s=held[0], converged_s=held[1], **{**given, **more}
    )


def affinity(result: ContractResult = BROKEN, **more: Any) -> ScenarioResult:
    """Return a scenario of one must row with two steps; in the second one n2 differs."""
    row = "affinity-switched-off-and-on"
    bad = {"promise": "ok from-all", "text": "answered by web-a", **more}
    off = (check(row, "n1", held=(0.31, 0.52)), check(row, "n2", result, (9.8, None), **bad))
    on = (check(row, "n1", held=(0.2, 0.4)), check(row, "n2", held=(None, 0.04)))
    return ScenarioResult(
        "affinity",
        "Session affinity is switched off and on",
        (row,),
        (
            ScenarioStep("on", "sessionAffinity became ClientIP", AT, on),
            ScenarioStep("off", "sessionAffinity became None", AT, off),
        ),
        12.5,
    )


def kept(name: str = "balancer", rows: tuple[str, ...] = BALANCER_ROWS, took: float = 0.5) -> ScenarioResult:
    """Return a scenario in which every row is kept at two nodes."""
    checks = tuple(check(row, node, held=(took / 2, took)) for row in rows for node in ("n1", "n2"))
    return ScenarioResult(name, f"The scenario {name}", rows, (ScenarioStep("changed", "it changed", AT, checks),), 3.0)


def skipped() -> ScenarioResult:
    """Return a scenario that the cluster lacks something for."""
    return ScenarioResult(
        "zones", "Endpoints in zones", ("traffic-distribution-same-zone",), (), 0.0, skipped="the nodes have no zones"
    )


def unfinished() -> ScenarioResult:
    """Return a scenario of which nothing could be asked."""
    checks = (check("services-come-and-go", "n1", NOT_ASKED, (None, None), text="exec in pod-n1: timed out"),)
    steps = (ScenarioStep("deleted", "the Service was deleted", AT, checks),)
    return ScenarioResult(
        "recreated", "A Service is deleted and created", ("services-come-and-go",), steps, 5.0, "API down"
    )


def stored(folder: Path, *results: ScenarioResult) -> tuple[StoredScenario, ...]:
    """Return the results as a report reads them from a run's folder."""
    notes: list[str] = []
    write_results(folder, results)
    found = read_scenarios(folder / FILE_NAME, notes)
    assert notes == []
    return found
