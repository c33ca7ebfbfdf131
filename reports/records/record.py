"""One judged cell as it is stored: what was asked, expected and observed, and the verdict.

A `Record` is plain data (JSON in, JSON out; documented in docs/run-json.md). Addresses always travel with the name
they resolve to (`primary(n1)`, `vtep(n1)` ...), so that a reader needs no topology to understand one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pydantic import Field

from probes.judging.verdict import Facet, Result, Verdict
from probes.oracle.sharpness import count_results, sharpening_facts
from reports import formatting
from reports.records.schema import Address, CellKey, Expected, ExpectedPath, Line, Observed, ReportModel, Seen, Try
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from probes.observation import Attempt, Observation
    from probes.oracle.expectation import Expectation, Path
    from probes.plan.cell import Cell

Naming = Callable[[IPAddress], str]
NOT_PREDICTED = "not predicted"
_WORST = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


class Record(ReportModel):
    """One judged cell. `facets` holds the verdict of every facet that was judged; `verdict` is the worst of them."""

    cell: CellKey
    target: str = ""
    verdict: Result
    headline: str = ""
    facets: dict[Facet, Result] = Field(default_factory=dict)
    expected: Expected
    observed: Observed
    because: str = ""
    rules: tuple[str, ...] = ()
    account: tuple[Line, ...] = ()

    @classmethod
    def of(
        cls,
        cell: Cell,
        expectation: Expectation | None,
        observation: Observation,
        verdicts: Sequence[Verdict],
        naming: Naming,
    ) -> Self:
        """Record a judged cell.

        Args:
            cell: the planned cell.
            expectation: None if there is none, because the cluster gave the frontend no address.
            observation: what came back.
            verdicts: one for each facet; without any the record is inconclusive.
            naming: returns the short name of an address in this cell: `kept`, `cni0(n1)`, `pod-n1`.

        """
        verdict = worst(verdict.result for verdict in verdicts)
        called = _Called(naming, _own(observation))
        leading = next((item for item in verdicts if item.result is verdict), None)
        return cls(
            cell=cell_key(cell),
            target=observation.target,
            verdict=verdict,
            headline=leading.headline if leading else "nothing was judged",
            facets={item.facet: item.result for item in verdicts if item.facet},
            expected=_expected(expectation, called),
            observed=_observed(observation, called),
            because=expectation.because if expectation else "",
            rules=expectation.rules if expectation else (),
            account=_account(verdicts),
        )


def worst(results: Iterable[Result]) -> Result:
    """Return the worst result: fail before inconclusive before pass. Of nothing: inconclusive."""
    return min(results, key=_WORST.index, default=Result.INCONCLUSIVE)


def in_order(records: Iterable[Record], order: Sequence[str] = ()) -> tuple[Record, ...]:
    """Return the first record of each cell, in `order` (the plan's cell ids); cells that it lacks follow by id."""
    by_id: dict[str, Record] = {}
    for record in records:
        by_id.setdefault(record.cell.id, record)
    rank = {cell: index for index, cell in enumerate(order)}
    return tuple(sorted(by_id.values(), key=lambda record: (rank.get(record.cell.id, len(rank)), record.cell.id)))


@dataclass(frozen=True, slots=True)
class _Called:
    """The names of addresses in one cell: from `naming`, and `kept` for the client's own. Each is made once."""

    naming: Naming
    own: frozenset[str]
    known: dict[IPAddress, Address] = field(default_factory=dict)

    def address(self, address: IPAddress) -> Address:
        if address not in self.known:
            name = self.naming(address)
            kept = name == "kept" or str(address) in self.own
            self.known[address] = Address(address=address, name=name, kept=kept)
        return self.known[address]


def _own(observation: Observation) -> frozenset[str]:
    """Return the addresses of the client's sockets; `local` is `address:port`."""
    return frozenset(attempt.local.rpartition(":")[0] for attempt in observation.attempts if attempt.local)


def cell_key(cell: Cell) -> CellKey:
    """Return the coordinates of a cell."""
    return CellKey(
        id=cell.id,
        vantage=cell.vantage.name,
        vantage_kind=cell.vantage.kind,
        vantage_node=cell.vantage.node,
        service=cell.frontend.service,
        frontend=cell.frontend.label,
        frontend_kind=cell.frontend.kind,
        family=cell.family,
        protocol=cell.protocol,
    )


def _named(addresses: Iterable[IPAddress], called: _Called) -> tuple[Address, ...]:
    return tuple(called.address(address) for address in sorted(addresses))


def record_expectation(expectation: Expectation, naming: Naming) -> Expected:
    """Return the record of an expectation; `naming` names its addresses."""
    return _expected(expectation, _Called(naming, frozenset()))


def _expected(expectation: Expectation | None, called: _Called) -> Expected:
    if expectation is None or expectation.because.startswith(NOT_PREDICTED):
        return Expected(summary=NOT_PREDICTED)
    paths = tuple(_way(path, called) for path in expectation.paths)
    ways = ((way.outcome, [source.label for source in way.sources], way.backend) for way in paths)
    return Expected(
        summary=formatting.summarize_expected(ways, sticky=expectation.sticky),
        outcomes=tuple(sorted(expectation.outcomes)),
        sources=_named(expectation.sources, called),
        backends=tuple(sorted(expectation.backends)),
        sticky=expectation.sticky,
        sticky_per_node=expectation.sticky_per_node,
        possible=count_results(expectation),
        sharpened_by=sharpening_facts(expectation),
        paths=paths,
    )


def _way(path: Path, called: _Called) -> ExpectedPath:
    return ExpectedPath(
        outcome=path.outcome,
        sources=_named(path.sources, called),
        backend=path.backend,
        share=path.share,
        rules=path.rules,
        by_icmp=path.by_icmp,
    )


def _observed(observation: Observation, called: _Called) -> Observed:
    attempts = observation.counted
    outcomes = Counter(attempt.outcome for attempt in attempts)
    backends = Counter(attempt.backend for attempt in attempts if attempt.backend)
    sources = Counter(attempt.source for attempt in attempts if attempt.source)
    return Observed(
        summary=formatting.summarize_observed(outcomes, backends, observation.trouble),
        outcomes=dict(sorted(outcomes.items())),
        sources=tuple(Seen(**called.address(a).model_dump(), count=sources[a]) for a in sorted(sources)),
        backends=dict(sorted(backends.items())),
        attempts=tuple(_try(attempt, called) for attempt in observation.attempts),
        trouble=observation.trouble,
        sure=observation.sure,
        unsure=observation.unsure,
        load=observation.load,
    )


def _try(attempt: Attempt, called: _Called) -> Try:
    source = called.address(attempt.source) if attempt.source else None
    return Try(
        outcome=attempt.outcome,
        source=source,
        backend=attempt.backend,
        seconds=attempt.seconds,
        exit_code=attempt.exit_code,
        message=attempt.message,
        http_status=attempt.http_status,
        local=attempt.local,
        remote=attempt.remote,
        scout=attempt.scout,
        loaded=not attempt.counts,
        under_load=attempt.loaded,
    )


def _account(verdicts: Sequence[Verdict]) -> tuple[Line, ...]:
    """Return the lines of all verdicts, those of the worst verdict first, each line once."""
    ranked = sorted(verdicts, key=lambda verdict: _WORST.index(verdict.result))
    lines = dict.fromkeys(line for verdict in ranked for line in verdict.account)
    return tuple(Line(label=label, text=text) for label, text in lines)
