"""Rows that kube-proxy itself breaks, by mode, version and network, predicted from its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.contract.judging import DIFFERS, ContractResult
from probes.contract.load import rows
from probes.contract.model import Subject
from probes.contract.predicted import AskedRows, PredictedContract
from probes.oracle.modes.chains import MODES
from probes.oracle.upstream import NEWEST, OLDEST
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.contract.judging import CellVerdict
    from probes.contract.model import ContractRow
    from topologies.schema.enums import ProxyMode

BASE = "lab-contract"
NETWORKS = {"flannel-vxlan": "a pod network that masquerades", "eni": "a pod network that does not masquerade"}


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """One way in which a mode breaks a row: the verdict, the rules, and an example."""

    mode: ProxyMode
    result: ContractResult
    rules: tuple[str, ...]
    text: str
    cell: str


Place = tuple[int, str]
"""A minor version and a network."""


@dataclass(frozen=True)
class KubeProxyTable:
    """The rows that cells of the table's topology ask, and where each mode breaks them."""

    rows: tuple[ContractRow, ...]
    broken: dict[str, dict[BrokenRow, list[Place]]]
    """The ways in which a row is broken, by its id, each with the places where it is."""

    @classmethod
    def predicted(cls, minors: Iterable[int] = ()) -> KubeProxyTable:
        """Predict every mode in these minor versions of 1; by default in all that the oracle knows."""
        judged = tuple(row for row in rows() if row.asks and row.promise and row.subject is Subject.SERVICES)
        asked = {network: AskedRows.of(declared(BASE, {"cni": network}), judged) for network in NETWORKS}
        broken: dict[str, dict[BrokenRow, list[Place]]] = {row.id: {} for row in judged}
        for mode, minor in _columns(tuple(minors)):
            for network in NETWORKS:
                topology = declared(BASE, {"proxy.mode": str(mode), "kubernetes": f"1.{minor}.0", "cni": network})
                for verdict in PredictedContract(topology, asked[network]).verdicts():
                    for way in _ways(mode, verdict.cells):
                        broken[verdict.row.id].setdefault(way, []).append((minor, network))
        shown = tuple(row for row in judged if any(one.of_row[row.id] for one in asked.values()))
        return cls(shown, _without_examples(broken))


def _columns(minors: tuple[int, ...]) -> Iterator[tuple[ProxyMode, int]]:
    for mode, chains in MODES.items():
        for minor in range(OLDEST[1], NEWEST[1] + 1):
            if chains.versions.includes((1, minor, 0)) and (not minors or minor in minors):
                yield mode, minor


def _ways(mode: ProxyMode, cells: Iterable[CellVerdict]) -> Iterator[BrokenRow]:
    """Yield each way once, with the first cell that shows it."""
    seen = set()
    for cell in cells:
        if cell.result in DIFFERS and cell.rules not in seen:
            seen.add(cell.rules)
            yield BrokenRow(mode, cell.result, cell.rules, cell.text, cell.cell)


def _without_examples(broken: dict[str, dict[BrokenRow, list[Place]]]) -> dict[str, dict[BrokenRow, list[Place]]]:
    """Merge ways that differ in their examples only."""
    merged: dict[str, dict[BrokenRow, list[Place]]] = {}
    for row, ways in broken.items():
        first: dict[tuple[object, ...], BrokenRow] = {}
        for way, places in ways.items():
            kept = first.setdefault((way.mode, way.result, way.rules), way)
            merged.setdefault(row, {}).setdefault(kept, []).extend(places)
    return merged
