"""Finished runs with a contract, made without asking anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from probes.contract.judging import ContractResult
from probes.contract.load import rows
from probes.contract.sources import Level
from reports.records.contract import DifferingCell, StoredRow
from reports.records.run import DeclaredTopology, Run
from topologies.loading.load import raw, validated

if TYPE_CHECKING:
    from probes.contract.model import ContractRow

CELL = "ext-e1-to-web-np.nodeport.n3-v4-tcp"
RULES = ("R4i.3", "R4i.4")
STARTED = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


def finished_run(topology: str = "lab-contract", /, rules: tuple[str, ...] = RULES, **changed: Any) -> Run:
    """Return a run in which every row that the matrix asks is kept.

    Args:
        topology: A name of the library.
        rules: Of kube-proxy, that predict what is broken; none: kube-proxy does not serve.
        changed: Other results, by the id of a row with `_` for `-`, or fields of the run.

    """
    contents, source = raw(topology)
    fields = {name: changed.pop(name) for name in list(changed) if name in Run.model_fields}
    given: dict[str, Any] = {
        "topology": DeclaredTopology.of(validated(contents, source)),
        "raw_topology": contents,
        "versions": {"hairpin": "0.1.0", "kubernetes": "v1.37.2"},
        "started": STARTED,
        "finished": STARTED,
        "complete": True,
        "command": f"pytest --topology={topology}",
        "contract": tuple(_row(row, rules, changed.get(row.id.replace("-", "_"))) for row in rows()),
    }
    return Run(**{**given, **fields})


def _row(row: ContractRow, rules: tuple[str, ...], result: ContractResult | None) -> StoredRow:
    usual = ContractResult.FREE if row.level is Level.UNSPECIFIED else ContractResult.KEPT
    result = result or (usual if row.asks else ContractResult.NOT_ASKED)
    bad = result in {ContractResult.BROKEN, ContractResult.UNUSUAL}
    differing = DifferingCell(cell=CELL, result=result, text="timeout, want ok", predicted=True, rules=rules)
    if not rules:
        differing = differing.model_copy(update={"predicted": None})
    return StoredRow(
        row=row.id,
        number=row.number,
        sentence=row.sentence,
        level=row.level,
        result=result,
        counts={result: 1, ContractResult.KEPT: 1} if bad else {result: 2} if row.asks else {},
        differing=(differing,) if bad else (),
        free={"ok from kept": 2} if result is ContractResult.FREE else {},
        not_asked={"it needs more": 0} if result is ContractResult.NOT_ASKED else {},
    )
