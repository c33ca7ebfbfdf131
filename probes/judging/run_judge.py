"""Judge a run: join what the oracle expects with what was observed, cell by cell."""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from probes.judging import compare as judges
from probes.judging.backend_coverage import BackendPool, picker
from probes.observation import BURST, Observation, Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.client import client_address
from probes.oracle.expectation import Expectation, Path
from probes.oracle.predict import model_cluster, predict
from topologies.cluster_state.backend_names import backends_by_hostname
from topologies.cluster_state.declared_workload import declared_workload
from topologies.cluster_state.shortfalls import Shortfalls, shortfalls
from topologies.common.addresses import IPAddress
from topologies.common.errors import HairpinError
from topologies.frontends import UnresolvedError, resolve
from topologies.schema.enums import ProxyMode
from topologies.schema.facts import any_node_may_have

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.judging.verdict import Facet, Verdict
    from probes.oracle.connection import ClusterModel
    from probes.plan.cell import Cell
    from probes.session import Answers
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Deviation, Topology


class NotTestedError(HairpinError):
    """The cell could not be probed: a fault of the measurement, not of the cluster. Has the verdict's account."""


@dataclass(frozen=True)
class Judge:
    """A run's answers and the rules. What was derived once is kept, by cell id, for all facets and all tests."""

    topology: Topology
    answers: Answers
    folder: str = ""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    neighbours: dict[tuple[str, str], list[Cell]] = field(default_factory=dict)
    derived: dict[str, Expectation] = field(default_factory=dict)
    observed: dict[str, Observation] = field(default_factory=dict)
    judged: dict[str, judges.JudgedCell] = field(default_factory=dict)
    verdicts: dict[tuple[str, Facet | None], Verdict] = field(default_factory=dict)

    @classmethod
    def over(cls, topology: Topology, answers: Answers, cells: Iterable[Cell], folder: str = "") -> Judge:
        """Return a judge of these cells, which are all of the run, whichever of them this process will judge.

        Refusals are counted by place, to know where ICMP was limited; cells are kept by who picks their backend.
        """
        judge = cls(topology, answers, folder)
        for cell in cells:
            attempts = judge.observation(cell).attempts
            judge.refusals[cell.place] += sum(attempt.outcome is Outcome.REFUSED for attempt in attempts)
            judge.neighbours.setdefault(picker(cell), []).append(cell)
        return judge

    def __call__(self, cell: Cell, facet: Facet | None = None) -> Verdict:
        """Return the verdict on one facet of a cell, or on all of them."""
        key = (cell.id, facet)
        if key not in self.verdicts:
            self.verdicts[key] = judges.judge(self.case(cell), facet)
        return self.verdicts[key]

    def case(self, cell: Cell) -> judges.JudgedCell:
        """Return a cell with its expectation and its observation."""
        if cell.id not in self.judged:
            self.judged[cell.id] = self._case(cell)
        return self.judged[cell.id]

    def _case(self, cell: Cell) -> judges.JudgedCell:
        seen, expectation = self.observation(cell), self.expectation(cell)
        return judges.JudgedCell(
            cell=cell,
            expectation=expectation,
            observation=seen,
            naming=lambda address: self.name(address, cell),
            limited=seen.unsure or (self.refusals[cell.place] >= BURST and not seen.sure),
            mixes=self.may_mix,
            pool=lambda assumed: self.pool(cell, assumed),
            evidence=f"{self.folder}/run.json cell {cell.id}" if self.folder else "",
        )

    @cached_property
    def may_mix(self) -> bool:
        """Whether a kube-proxy may be in IPVS mode."""
        return any_node_may_have(self.topology, "proxy.mode", ProxyMode.IPVS)

    def expectation(self, cell: Cell) -> Expectation:
        """Return the expectation by the rules, or by a declared deviation of this cluster."""
        if cell.id not in self.derived:
            self.derived[cell.id] = self._derive(cell)
        return self.derived[cell.id]

    @cached_property
    def lacking(self) -> Shortfalls:
        """The declared parts of the workload that were missing."""
        return shortfalls(self.topology, self.answers.snapshot)

    @cached_property
    def reference(self) -> Snapshot:
        """The declared workload at the addresses that it has, from which expectations are made."""
        return declared_workload(self.topology, self.answers.snapshot)

    @cached_property
    def model(self) -> ClusterModel:
        """The cluster for which expectations are made."""
        return model_cluster(self.topology, self.reference)

    def _derive(self, cell: Cell) -> Expectation:
        """Return no path if a backend, address or vantage of the cell is missing: the cell is inconclusive."""
        if reason := self.lacking.reason(cell.vantage, cell.frontend):
            return Expectation((), (), reason)
        for deviation in self.topology.deviations:
            if fnmatch.fnmatchcase(cell.id, deviation.cells):
                return self._deviating(cell, deviation)
        return self._rules(cell)

    def _rules(self, cell: Cell) -> Expectation:
        """Return no path if client or frontend has no address: nothing was asked, and the cell is inconclusive."""
        try:
            return predict(self.model, cell)
        except UnresolvedError as error:
            return Expectation((), (), f"nothing can be expected: {error}")

    def _deviating(self, cell: Cell, deviation: Deviation) -> Expectation:
        rules = self._rules(cell)
        today = dt.datetime.now(dt.UTC).date()
        if deviation.expires < today:
            return rules
        outcome = Outcome(deviation.outcome)
        because = f"known deviation until {deviation.expires}: {deviation.reason}"
        if outcome is not Outcome.OK:
            return Expectation((Path(outcome),), ("deviation",), because)
        seen = frozenset(IPAddress(source) for source in deviation.sources) or rules.sources
        backends: list[str | None] = [*sorted(rules.backends)] or [None]
        paths = tuple(Path(outcome, seen, backend, 1 / len(backends)) for backend in backends)
        return Expectation(paths, ("deviation",), because, rules.sticky, rules.sticky_per_node)

    def observation(self, cell: Cell) -> Observation:
        """Return what was observed, with host names turned into backend names."""
        if cell.id not in self.observed:
            missing = Observation(cell.id, trouble="it was not asked in this run")
            found = self.answers.observations.get(cell.id, missing)
            self.observed[cell.id] = judges.with_names(found, self.aliases)
        return self.observed[cell.id]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Backend names by the host name that a backend on the host network has."""
        return backends_by_hostname(self.topology, self.answers.snapshot)

    def pool(self, cell: Cell, expectation: Expectation) -> BackendPool:
        """Return all attempts without affinity that picked from the same backends where this cell's did.

        Another cell whose expectation has alternatives may have picked with other shares: of its attempts only the
        backends that answered count.

        Args:
            cell: The cell.
            expectation: Its expectation, or one of the alternatives.

        """
        pool = BackendPool()
        for other in self.neighbours.get(picker(cell), [cell]):
            expected = expectation if other.id == cell.id else self.expectation(other)
            if expected.alternatives:
                pool.count_answers(self.observation(other))
            elif expected.backends == expectation.backends and expected.independent:
                pool.add(expected, self.observation(other))
        return pool

    def name(self, address: IPAddress, cell: Cell) -> str:
        """Return an address with its name, `10.244.1.1 (cni0 of n1)`; the client's own is `kept`."""
        return self.names.describe(address, self.own_address(cell))

    def short_name(self, address: IPAddress, cell: Cell) -> str:
        """Return the name alone: `kept`, `cni0(n1)`, `pod-n1`, or the bare address if it has none."""
        return self.names.shorten(address, self.own_address(cell))

    @cached_property
    def names(self) -> AddressNames:
        """The names of all addresses of the run."""
        return AddressNames.of(self.topology, self.answers.snapshot)

    def own_address(self, cell: Cell) -> IPAddress | None:
        """Return the client's own address; None for a pod without an address."""
        return client_address(cell.vantage, self.topology, self.answers.snapshot)

    def target(self, cell: Cell) -> str:
        """Return the address:port of a cell's frontend, or why it has none."""
        try:
            return str(resolve(cell.frontend, self.topology, self.answers.snapshot))
        except UnresolvedError as error:
            return str(error)
