"""One judged cell as it is told and stored: what was asked, expected, observed, and how the two compare.

A `Record` is plain data (JSON in, JSON out; documented in docs/run-json.md). Addresses always travel with the name
they resolve to (`primary(n1)`, `vtep(n1)` ...), so that a reader needs no topology to understand one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from probes.observation import Outcome  # noqa: TC001 - pydantic resolves field types at run time
from probes.verdict import Facet, Result, Verdict
from reports import words

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.expectation import Expectation, Path
    from probes.observation import Attempt, Observation
    from topologies.frontends import Target

Naming = Callable[[IPv4Address], str]
Seconds = Annotated[float, PlainSerializer(lambda value: round(value, 4), return_type=float)]
_WORST = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


class Told(BaseModel):
    """Frozen. Unknown keys are ignored on reading: an addition to the schema must not break an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Address(Told):
    """An IPv4 address and the name it has in this topology (`vtep(n1)`, `pod-n1`; the bare address if it has none).

    `kept`: it is the address the client's own socket had, so nothing on the way changed it.
    """

    address: IPv4Address
    name: str
    kept: bool = False

    @property
    def said(self) -> str:
        """The name, or `kept`."""
        return "kept" if self.kept else self.name


class Seen(Address):
    """A source address the backend saw, and in how many attempts."""

    count: int


class CellKey(Told):
    """A cell's coordinates. `vantage_node` is None for an external host; `frontend` is the label in the cell id."""

    id: str
    vantage: str
    vantage_kind: str
    vantage_node: str | None = None
    service: str
    frontend: str
    frontend_kind: str
    family: str
    protocol: str


class Way(Told):
    """One allowed path: outcome, sources and backend belong together. `share`: its probability, 0 to 1."""

    outcome: Outcome
    sources: tuple[Address, ...] = ()
    backend: str | None = None
    share: float = 1.0
    rules: tuple[str, ...] = ()
    by_icmp: bool = False


class Expected(Told):
    """The set of allowed answers. `sticky`: all attempts reach one backend. `summary` says it in one line."""

    summary: str
    outcomes: tuple[Outcome, ...] = ()
    sources: tuple[Address, ...] = ()
    backends: tuple[str, ...] = ()
    sticky: bool = False
    paths: tuple[Way, ...] = ()


class Try(Told):
    """One attempt (a fresh connection). Keys that hold their default are left out of the JSON. Times in seconds."""

    outcome: Outcome
    source: Address | None = None
    backend: str | None = None
    seconds: Seconds = 0.0
    exit_code: int = 0
    message: str = ""
    http_status: int = 0
    local: str = ""
    remote: str = ""
    scout: bool = False

    @model_serializer(mode="wrap")
    def _compact(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if key == "outcome" or value}


class Observed(Told):
    """What came back. `outcomes` and `backends` count attempts. `trouble`: why it could not be asked, or empty."""

    summary: str
    outcomes: dict[Outcome, int] = Field(default_factory=dict)
    sources: tuple[Seen, ...] = ()
    backends: dict[str, int] = Field(default_factory=dict)
    attempts: tuple[Try, ...] = ()
    trouble: str = ""


class Line(Told):
    """A line of the account: `asked`, `because`, `expected`, `observed`, `evidence` and its text."""

    label: str
    text: str


class Record(Told):
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
    def of(  # noqa: PLR0913, PLR0917 - the four values of a judged cell, their target, and how addresses are called
        cls,
        cell: Cell,
        target: Target | None,
        expectation: Expectation | None,
        observation: Observation,
        verdicts: Sequence[Verdict],
        naming: Naming,
    ) -> Self:
        """Record a judged cell.

        `target` and `expectation` are None where the cluster gave the frontend no address. `naming` resolves an
        address a backend saw to the name it has for this cell. Without any verdict the record is inconclusive.
        """
        verdict = worst(verdict.result for verdict in verdicts)
        called = _Called(naming, _own(observation))
        leading = next((item for item in verdicts if item.result is verdict), None)
        return cls(
            cell=_key(cell),
            target=str(target or observation.target),
            verdict=verdict,
            headline=leading.headline if leading else "nothing was judged",
            facets={item.facet: item.result for item in verdicts if item.facet},
            expected=_expected(expectation, called),
            observed=_observed(observation, called),
            because=expectation.because if expectation else "",
            rules=expectation.rules if expectation else (),
            account=_account(verdicts),
        )

    def merged(self, other: Record) -> Record:
        """One record of two of the same cell: other facets, judged by another test or another worker."""
        verdict = worst((self.verdict, other.verdict))
        facets = {
            facet: worst(record.facets[facet] for record in (self, other) if facet in record.facets)
            for facet in {**self.facets, **other.facets}
        }
        leading = self if self.verdict is verdict else other
        account = tuple(dict.fromkeys((*leading.account, *self.account, *other.account)))
        return leading.model_copy(update={"verdict": verdict, "facets": facets, "account": account})


def worst(results: Iterable[Result]) -> Result:
    """Fail before inconclusive before pass; of nothing: inconclusive."""
    return min(results, key=_WORST.index, default=Result.INCONCLUSIVE)


def merge(records: Iterable[Record], order: Sequence[str] = ()) -> tuple[Record, ...]:
    """One record a cell, in `order` (the plan's cell ids), others after them by id: the same for any worker count."""
    byid: dict[str, Record] = {}
    for record in records:
        known = byid.get(record.cell.id)
        byid[record.cell.id] = known.merged(record) if known else record
    rank = {cell: index for index, cell in enumerate(order)}
    return tuple(sorted(byid.values(), key=lambda record: (rank.get(record.cell.id, len(rank)), record.cell.id)))


@dataclass(frozen=True, slots=True)
class _Called:
    """How addresses are called in one cell: by `naming`, and which ones are the client's own."""

    naming: Naming
    own: frozenset[str]

    def address(self, address: IPv4Address) -> Address:
        name = words.short_name(str(address), self.naming(address))
        return Address(address=address, name=name, kept=name == "kept" or str(address) in self.own)


def _own(observation: Observation) -> frozenset[str]:
    """The client's addresses, as its sockets had them: `local` is `address:port`."""
    return frozenset(attempt.local.rpartition(":")[0] for attempt in observation.attempts if attempt.local)


def _key(cell: Cell) -> CellKey:
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


def _named(addresses: Iterable[IPv4Address], called: _Called) -> tuple[Address, ...]:
    return tuple(called.address(address) for address in sorted(addresses))


def _expected(expectation: Expectation | None, called: _Called) -> Expected:
    if expectation is None:
        return Expected(summary="not predicted")
    sources = _named(expectation.sources, called)
    outcomes = tuple(sorted(expectation.outcomes))
    backends = tuple(sorted(expectation.backends))
    return Expected(
        summary=words.expected(outcomes, [source.said for source in sources], backends, sticky=expectation.sticky),
        outcomes=outcomes,
        sources=sources,
        backends=backends,
        sticky=expectation.sticky,
        paths=tuple(_way(path, called) for path in expectation.paths),
    )


def _way(path: Path, called: _Called) -> Way:
    return Way(
        outcome=path.outcome,
        sources=_named(path.sources, called),
        backend=path.backend,
        share=path.share,
        rules=path.rules,
        by_icmp=path.by_icmp,
    )


def _observed(observation: Observation, called: _Called) -> Observed:
    attempts = observation.attempts
    outcomes = Counter(attempt.outcome for attempt in attempts)
    backends = Counter(attempt.backend for attempt in attempts if attempt.backend)
    sources = Counter(attempt.source for attempt in attempts if attempt.source)
    return Observed(
        summary=words.observed(outcomes, backends, observation.trouble),
        outcomes=dict(sorted(outcomes.items())),
        sources=tuple(Seen(**called.address(a).model_dump(), count=sources[a]) for a in sorted(sources)),
        backends=dict(sorted(backends.items())),
        attempts=tuple(_try(attempt, called) for attempt in attempts),
        trouble=observation.trouble,
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
    )


def _account(verdicts: Sequence[Verdict]) -> tuple[Line, ...]:
    """The lines of all verdicts, the worst verdict's first, none twice."""
    ranked = sorted(verdicts, key=lambda verdict: _WORST.index(verdict.result))
    lines = (Line(label=label, text=text) for verdict in ranked for label, text in verdict.account)
    return tuple(dict.fromkeys(lines))
