"""Compare the answers of a row's cells with its promise. Pure; knows no rule of kube-proxy.

Answers come from attempts or from a prediction. What the pod network does by itself is kept apart: if a client cannot
reach an endpoint without a Service either, or if its address is changed without a Service too, no Service promise is
judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from probes.contract.answers import (
    CellAnswers,
    Violation,
    describe_kinds,
    find_answer_violations,
    find_backend_violations,
    never_answered,
)
from probes.contract.selecting import lacking
from probes.contract.sources import Level
from probes.judging.promise import BackendSet
from probes.observation import Outcome
from topologies.frontends import FrontendKind
from topologies.schema.enums import EndpointState, Masquerade, TrafficPolicy, VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from probes.contract.answers import ContractAnswer
    from probes.contract.model import ContractRow
    from probes.plan.cell import Cell
    from topologies.schema.topology import Backend, Service, Topology, Version

CHANCE = 1e-6  # an endpoint that never answered counts as left out if chance explains it with at most this probability


class ContractResult(StrEnum):
    """The verdict on a cell or on a row. `FREE`: nothing is promised. `NOT_ASKED`: nothing is known."""

    KEPT = "kept"
    BROKEN = "broken promise"
    UNUSUAL = "unusual"
    FREE = "free"
    NOT_ASKED = "not asked"


WORST_FIRST = (
    ContractResult.BROKEN,
    ContractResult.UNUSUAL,
    ContractResult.KEPT,
    ContractResult.FREE,
    ContractResult.NOT_ASKED,
)
BROKEN_AT = {Level.MUST: ContractResult.BROKEN, Level.SHOULD: ContractResult.UNUSUAL}
DIFFERS = frozenset(BROKEN_AT.values())


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """The verdict of one row on one cell. `text`: what breaks the promise, what happens, or why it is not judged."""

    cell: str
    result: ContractResult
    text: str = ""
    rules: tuple[str, ...] = ()
    facet: str = ""
    """What breaks the promise: `outcome`, `source` or `backend`."""


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """A row with its level in this version, and the verdict on each of its cells."""

    row: ContractRow
    level: Level
    cells: tuple[CellVerdict, ...]
    why_not: str = ""
    """Why no cell asks it."""

    @property
    def result(self) -> ContractResult:
        """The worst verdict of its cells; not asked without cells."""
        return min((one.result for one in self.cells), key=WORST_FIRST.index, default=ContractResult.NOT_ASKED)

    @property
    def counts(self) -> Counter[ContractResult]:
        """How many cells have each verdict."""
        return Counter(one.result for one in self.cells)


@dataclass(frozen=True)
class ContractJudge:
    """Judges rows by the answers of all cells of one cluster."""

    topology: Topology
    answers: Mapping[str, CellAnswers]
    version: Version
    direct: dict[tuple[str, str], CellAnswers] = field(init=False, default_factory=dict)
    """The direct connections to endpoints, by client and backend."""

    def __post_init__(self) -> None:
        for one in self.answers.values():
            if one.cell.frontend.kind is FrontendKind.ENDPOINT and one.answers:
                self.direct[one.cell.vantage.name, one.cell.frontend.backend or ""] = one

    def judge(self, row: ContractRow, cells: Iterable[Cell]) -> RowVerdict:
        """Return the verdict of a row on these cells, which it selects."""
        level, asked = row.level_at(self.version), list(cells)
        answered = self._count_backends(row, asked)
        verdicts = tuple(self._judge_cell(row, level, cell, answered) for cell in asked)
        return RowVerdict(row, level, verdicts, "" if asked else self.why_not(row))

    def why_not(self, row: ContractRow) -> str:
        """Return why no cell of this cluster asks a row."""
        if row.why_no_cells:
            return row.why_no_cells
        if lacks := lacking(row, self.topology):
            return f"needs {lacks}"
        return "no cell of this topology asks it"

    def _judge_cell(
        self, row: ContractRow, level: Level, cell: Cell, answered: Mapping[str, Counter[str]]
    ) -> CellVerdict:
        seen = self.answers.get(cell.id, CellAnswers(cell, unknown="it was not asked in this run"))
        if seen.unknown or not seen.answers:
            return CellVerdict(cell.id, ContractResult.NOT_ASKED, seen.unknown or "no attempt was made")
        if row.expected is None or level is Level.UNSPECIFIED:
            return CellVerdict(cell.id, ContractResult.FREE, describe_kinds(seen.answers))
        if not (broken := next(self._violations(row, seen, answered), None)):
            return CellVerdict(cell.id, ContractResult.KEPT)
        if excuse := self._excuse(row, seen, broken):
            return CellVerdict(cell.id, *excuse)
        return CellVerdict(cell.id, BROKEN_AT[level], broken.text, broken.rules, broken.facet)

    def _violations(
        self, row: ContractRow, seen: CellAnswers, answered: Mapping[str, Counter[str]]
    ) -> Iterator[Violation]:
        expected, cell = row.expected, seen.cell
        if expected is None:
            return
        yield from find_answer_violations(expected, row.promise, seen.answers, exhaustive=seen.exhaustive)
        allowed = self._allowed(expected.backends, cell)
        yield from find_backend_violations(expected, seen.answers, allowed, sticky=seen.sticky)
        if expected.backends is BackendSet.ALL:
            counts = answered[cell.frontend.service]
            left_out = allowed - counts.keys()
            if left_out and (seen.exhaustive or is_no_chance(len(allowed), counts.total())):
                yield never_answered(left_out, seen.answers)

    def _count_backends(self, row: ContractRow, cells: Iterable[Cell]) -> dict[str, Counter[str]]:
        """Return how often each backend of a Service answered in all cells of a row, if every endpoint must answer."""
        found: dict[str, Counter[str]] = {}
        if row.expected is None or row.expected.backends is not BackendSet.ALL:
            return found
        for cell in cells:
            counts = found.setdefault(cell.frontend.service, Counter())
            seen = self.answers.get(cell.id)
            counts.update(one.backend for one in (seen.answers if seen else ()) if one.backend)
        return found

    def _excuse(self, row: ContractRow, seen: CellAnswers, broken: Violation) -> tuple[ContractResult, str] | None:
        """Return the verdict if the pod network or a lost refusal explains what breaks the promise, else None."""
        if seen.limited and all(one.outcome is Outcome.TIMEOUT for one in seen.answers):
            return ContractResult.NOT_ASKED, "only timeouts where ICMP refusals were rate-limited"
        if seen.cell.frontend.kind is FrontendKind.ENDPOINT:
            return None
        if broken.facet == "outcome" and (unreached := self._unreached(row, seen.cell)):
            return ContractResult.NOT_ASKED, f"the pod network: {unreached} without a Service either"
        inside = seen.cell.vantage.kind is not VantageKind.EXTERNAL
        return self._excuse_source(row, seen.cell, broken) if inside and broken.facet == "source" else None

    def _excuse_source(self, row: ContractRow, cell: Cell, broken: Violation) -> tuple[ContractResult, str] | None:
        if row.network_may_masquerade and self._is_masqueraded(cell, broken.answers):
            return ContractResult.KEPT, "the pod network masquerades pods to nodes: the source is not judged"
        if all(self._is_changed_directly(cell, one) for one in broken.answers):
            return ContractResult.NOT_ASKED, "the pod network changes the source without a Service too"
        return None

    def _unreached(self, row: ContractRow, cell: Cell) -> str:
        """Return an endpoint that should serve, with a client that does not always reach it directly.

        What another node forwards, it may drop for pods too. A client outside has no route to pods.
        """
        if row.expected is None or row.expected.outcomes != {Outcome.OK}:
            return ""
        wanted, outside = row.expected.backends, cell.vantage.kind is VantageKind.EXTERNAL
        forwarded = outside or cell.frontend.node not in {None, cell.vantage.node}
        clients = {*(() if outside else (cell.vantage.name,)), *(self._pods if forwarded else ())}
        for (client, backend), direct in self.direct.items():
            failed = any(one.outcome is not Outcome.OK for one in direct.answers)
            if client in clients and failed and backend in self._allowed(wanted, cell):
                return f"{backend} does not answer {client}"
        return ""

    @cached_property
    def _pods(self) -> frozenset[str]:
        """The clients that are pods of the pod network."""
        vantages = self.topology.workload.vantages
        return frozenset(one.name for one in vantages if one.kind is VantageKind.POD)

    def _allowed(self, wanted: BackendSet, cell: Cell) -> set[str]:
        """Return the backends that may serve: of the Service, of the node asked, or of the client's node.

        They are the ready ones, else those that are terminating and serving (KEP-1669). If a Local policy may apply and
        no backends are promised, either set may serve.
        """
        service, place = self.topology.service(cell.frontend.service), cell.frontend.node or cell.vantage.node
        backends = self.topology.backends_of(service)
        if cell.frontend.kind is FrontendKind.ENDPOINT:
            return {one.name for one in backends}
        here = _usable(service, [one for one in backends if one.node == place])
        if wanted is BackendSet.LOCAL:
            return here
        local = TrafficPolicy.LOCAL in {service.external_traffic_policy, service.internal_traffic_policy}
        return _usable(service, backends) | (here if local and wanted is not BackendSet.ALL else set())

    def _is_changed_directly(self, cell: Cell, answer: ContractAnswer) -> bool:
        """Return whether the endpoint sees another address of this pod without a Service too.

        A node has several addresses, and its route to a pod may select another one than its route to a node.
        """
        direct = self.direct.get((cell.vantage.name, answer.backend or ""))
        return not cell.vantage.on_host_network and direct is not None and not any(one.kept for one in direct.answers)

    def _is_masqueraded(self, cell: Cell, answers: Iterable[ContractAnswer]) -> bool:
        """Return whether the client's own node replaced the source, as it does with pods' packets to nodes."""
        node = self.topology.node(cell.vantage.node or "")
        own = {node.address, self.topology.cni.bridge_address_of(node), self.topology.cni.tunnel_address_of(node)}
        return self._masquerades_to_nodes(cell) and all(one.source in own for one in answers)

    def _masquerades_to_nodes(self, cell: Cell) -> bool:
        """Return whether the pod network masquerades this client to nodes: as seen, or as declared."""
        for (vantage, name), direct in self.direct.items():
            backend = self.topology.workload.backends_by_name[name]
            if vantage == cell.vantage.name and backend.host_network and backend.node != cell.vantage.node:
                return not any(one.kept for one in direct.answers)
        return self.topology.cni_of(cell.vantage.node or "").masquerade is not Masquerade.NONE


def _usable(service: Service, backends: Iterable[Backend]) -> set[str]:
    """Return the ready backends among these, else those that are terminating and serving."""
    among = list(backends)
    ready = {one.name for one in among if service.is_ready(one)}
    return ready or {one.name for one in among if one.state is EndpointState.TERMINATING}


def is_no_chance(backends: int, answers: int) -> bool:
    """Return whether so many random answers leave out one of the backends with at most the probability CHANCE."""
    return backends * (1 - 1 / backends) ** answers <= CHANCE if backends > 1 else answers > 0
