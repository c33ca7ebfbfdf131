"""Vendors' documented tables as pages: as the vendor has them, each cell with claim, rules and what a lab showed.

Needs no run. Of each run given, the cells in which its cluster is one that a claim needs are told beside the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from ipaddress import AddressValueError
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from pydantic import ValidationError

from probes.judging.verdict import Result
from probes.observation import Outcome
from probes.oracle.catalogue import sentence
from probes.vendor_claims import check, live
from probes.vendor_claims.answer import Ending
from probes.vendor_claims.load import pages
from probes.vendor_claims.model import Standing
from probes.vendor_claims.scenario import lacks, said
from reports.records.journal import JournalError, failed
from reports.records.reading import SHOWN, problems
from reports.terminal.theme import MARKS
from topologies.common.addresses import IPAddress
from topologies.schema.topology import Topology
from topologies.schema.validation import complaints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from probes.vendor_claims.check import Prediction
    from probes.vendor_claims.model import Case, Claim, Page, Table
    from reports.records.record import Record
    from reports.records.run import Run
    from topologies.schema.topology import Vantage

FOLDER = "documented"
INDEX = "index.html"
STANDINGS = {
    Standing.AGREES: "agrees",
    Standing.CONDITION: "agrees under a condition",
    Standing.CONTRADICTS: "contradicts",
    Standing.UNDERIVABLE: "cannot be derived",
}


@dataclass(frozen=True, slots=True)
class Span:
    """What the rules say over a range of versions, and the rules that weigh most."""

    versions: str
    told: str
    brief: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A case, its cells with the same answer together. `otherwise`: where it is the other way round."""

    world: str
    conditions: tuple[str, ...]
    cells: tuple[str, ...]
    spans: tuple[Span, ...]
    otherwise: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What one cell of a run showed of a claim. `otherwise`: it is a cell where it is the other way round."""

    run: str
    cell: str
    told: str
    brief: str
    result: Result
    note: str
    otherwise: bool


@dataclass(frozen=True, slots=True)
class Face:
    """A claim as its page tells it. `short`: the rules' answer in the cell itself; `unshown`: why no run showed it."""

    id: str
    claim: Claim
    standing: str
    short: tuple[str, ...]
    rules: tuple[str, ...]
    tried: tuple[Tried, ...]
    shown: tuple[Shown, ...]
    unshown: str

    @property
    def seen(self) -> dict[str, str]:
        """What each run showed, in few words."""
        told: dict[str, dict[str, None]] = {}
        for one in sorted(self.shown, key=lambda one: one.otherwise):
            if not one.otherwise or one.run not in told:
                told.setdefault(one.run, {})["otherwise: " * one.otherwise + one.brief] = None
        return {run: " or ".join(briefs) for run, briefs in told.items()}

    @property
    def result(self) -> Result | None:
        """All that runs showed, the worst first; None if none did."""
        ranked = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)
        return min((one.result for one in self.shown), key=ranked.index, default=None)


def write(folder: Path, runs: Sequence[Run] = ()) -> list[Path]:
    """Every vendor's page and an index of them; JournalError if they cannot be written."""
    written = []
    told = {page.name: faces(page, runs) for page in pages()}
    documents = {f"{page.name}.html": render(page, told[page.name], runs) for page in pages()}
    documents[INDEX] = _index(told, runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            path = folder / name
            path.write_text(document, encoding="utf-8")
            written.append(path)
    except OSError as error:
        what = "the documented tables could not be written"
        raise failed(what, folder, error) from error
    return written


def render(page: Page, told: dict[str, Face], runs: Sequence[Run] = ()) -> str:
    """One vendor's page, self-contained."""
    tables = [(table, list(_rows(table, told))) for table in page.tables]
    statements = {
        table.id: [told[f"{table.id}.s{n}"] for n, _ in enumerate(table.statements, 1)] for table in page.tables
    }
    document: str = _template("documented.html.j2").render(
        page=page,
        tables=tables,
        statements=statements,
        faces=told,
        neighbours=pages(),
        counts=_counts(told.values()),
        standings=STANDINGS,
        sentences={rule: sentence(rule) for rule in _named(told.values())},
        runs=runs,
        marks=MARKS,
        style=_part("report.css") + _part("documented.css"),
        script=_part("documented.js"),
    )
    return document


def faces(page: Page, runs: Sequence[Run] = ()) -> dict[str, Face]:
    """Every claim of a page by its id, predicted, and shown by these runs where they can."""
    shown = [_shown(page, run) for run in runs]
    return {name: _face(page, name, claim, shown, runs) for name, claim in page.claims()}


def _face(page: Page, name: str, claim: Claim, shown: Sequence[dict[str, list[Shown]]], runs: Sequence[Run]) -> Face:
    tried = tuple(_tried(page, claim.cases, otherwise=False)) + tuple(_tried(page, claim.otherwise, otherwise=True))
    leading = [span for one in tried if not one.otherwise for span in one.spans]
    seen = tuple(one for run in shown for one in run.get(name, ()))
    return Face(
        id=name,
        claim=claim,
        standing=STANDINGS[claim.standing],
        short=tuple(_short(leading)),
        rules=tuple(dict.fromkeys(rule for span in leading for rule in span.rules)),
        tried=tried,
        shown=seen,
        unshown="" if seen else _unshown(page, claim, runs),
    )


def _tried(page: Page, cases: Iterable[Case], *, otherwise: bool) -> Iterator[Tried]:
    for case in cases:
        by_cell: dict[str, list[Prediction]] = {}
        for prediction in check.predictions(page, [case]):
            by_cell.setdefault(prediction.cell.id.removesuffix("-v4-tcp"), []).append(prediction)
        alike: dict[tuple[Span, ...], list[str]] = {}
        for cell, predicted in by_cell.items():
            alike.setdefault(tuple(_spans(predicted)), []).append(cell)
        world = page.worlds[case.world]
        conditions = tuple(said(path, value) for path, value in world.conditions.items())
        for spans, cells in alike.items():
            yield Tried(world.about or case.world, conditions, tuple(cells), spans, otherwise)


def _spans(predicted: Sequence[Prediction]) -> Iterator[Span]:
    """Neighbouring versions with the same answer together."""
    alike = groupby(predicted, key=lambda one: (summary(one.endings), check.telling(one.expectation)))
    for (told, rules), group in alike:
        together = list(group)
        first, last = (f"{one.version.major}.{one.version.minor}" for one in (together[0], together[-1]))
        yield Span(first if first == last else f"{first} to {last}", told, brief(together[0].endings), rules)


def _short(spans: Sequence[Span]) -> Iterator[str]:
    """Each answer once, with its versions where they decide."""
    versions: dict[str, list[str]] = {}
    for span in spans:
        versions.setdefault(span.brief, []).append(span.versions)
    for told, ranges in versions.items():
        every = {span for others in versions.values() if others is not ranges for span in others}
        yield told if not every or every & set(ranges) else f"{', '.join(dict.fromkeys(ranges))}: {told}"


def summary(endings: Iterable[Ending]) -> str:
    """All endings in one line: `ok from kept by web-a or web-b; timeout`."""
    backends: dict[str, list[str]] = {}
    for ending in endings:
        backends.setdefault(brief([ending]), []).extend([ending.backend] if ending.backend else [])
    return "; ".join(f"{told} by {' or '.join(sorted(set(who)))}" if who else told for told, who in backends.items())


def brief(endings: Iterable[Ending]) -> str:
    """Outcomes and sources alone: `ok from kept or timeout`."""
    told = ((ending.outcome.value, check.called(ending)) for ending in endings)
    return " or ".join(dict.fromkeys(f"{outcome} from {source}" if source else outcome for outcome, source in told))


def _shown(page: Page, run: Run) -> dict[str, list[Shown]]:
    """What a run shows of each claim of a page, by the claim's id."""
    topology = _topology(run)
    records = {record.cell.id: record for record in run.records}
    found: dict[str, list[Shown]] = {}
    for trial in live.trials(topology):
        if trial.page == page.name and (record := records.get(trial.cell.id)):
            found.setdefault(trial.claim_id, []).append(_held(trial, record, topology))
    return found


def _topology(run: Run) -> Topology:
    """Return the topology that a run declares.

    Raises:
        JournalError: it is not one that this hairpin can read.

    """
    try:
        topology = Topology.model_validate(run.topology.declared)
        wrong = "; ".join(map(str, complaints(topology)[:SHOWN]))
    except ValidationError as error:
        topology, wrong = None, problems(error)
    if topology is None or wrong:
        message = f"run {run.topology.name[:60]}: topology.declared cannot be read: {wrong}"
        raise JournalError(message)
    return topology


def _address_of(record: Record) -> IPAddress:
    """Return the address that was asked.

    Raises:
        JournalError: the record has none.

    """
    try:
        return IPAddress(record.target.rpartition(":")[0])
    except AddressValueError as error:
        message = f"record {record.cell.id}: target: got {record.target[:60]!r}, want an IPv4 address and a port"
        raise JournalError(message) from error


def _held(trial: live.Trial, record: Record, topology: Topology) -> Shown:
    endings = _endings(record, topology, trial.cell.vantage)
    cell, otherwise = trial.cell.id.removesuffix("-v4-tcp"), trial.case in trial.claim.otherwise
    if record.verdict is Result.INCONCLUSIVE or not endings:
        return Shown(topology.name, cell, record.headline, "could not be told", Result.INCONCLUSIVE, "", otherwise)
    complaint = trial.complaint(endings)
    result = Result.FAIL if complaint else Result.PASS
    return Shown(topology.name, cell, summary(endings), brief(endings), result, complaint, otherwise)


def _endings(record: Record, topology: Topology, vantage: Vantage) -> tuple[Ending, ...]:
    """A record's attempts, as `live.seen` has them; timeouts among refusals that come by ICMP are limited refusals."""
    host = check.host_address(topology, vantage)
    by_icmp = any(way.by_icmp for way in record.expected.paths)
    limited = by_icmp and any(attempt.outcome is Outcome.REFUSED for attempt in record.observed.counted)
    found: dict[Ending, None] = {}
    for attempt in record.observed.counted:
        if limited and attempt.outcome is Outcome.TIMEOUT:
            continue
        source = attempt.source
        own = host or (source.address if source and source.kept else None)
        called = check.names(source.address, topology, _address_of(record), own) if source else frozenset()
        found[Ending(attempt.outcome, called, attempt.backend)] = None
    return tuple(found)


def _unshown(page: Page, claim: Claim, runs: Sequence[Run]) -> str:
    """Why no run showed a claim: it has no cell, there is no run, or what the nearest run's cluster lacks."""
    worlds = [page.worlds[case.world] for case in (*claim.cases, *claim.otherwise)]
    if not worlds:
        return ""
    if not runs:
        return ""
    topologies = [_topology(run) for run in runs]
    lacking = min((lacks(world, topology) for world in worlds for topology in topologies), key=len)
    return f"needs {', '.join(lacking)}" if lacking else "needs a workload or a balancer that no run had"


def _rows(table: Table, told: dict[str, Face]) -> Iterator[tuple[list[tuple[str, int]], list[Face | str]]]:
    """Each row's head as (text, rows it spans), and its other cells: a face or a plain text."""
    for number, row in enumerate(table.rows, start=1):
        named = zip(table.columns[len(row.head) :], row.cells, strict=True)
        cells = [cell if isinstance(cell, str) else told[table.id_of(number, column)] for column, cell in named]
        yield _heads(table, number - 1), cells


def _heads(table: Table, index: int) -> list[tuple[str, int]]:
    """The head's texts; the first is written once for all rows below that share it, and left out there."""
    head = table.rows[index].head
    if len(head) < 2:  # noqa: PLR2004 - one column of heads is one head a row
        return [(text, 1) for text in head]
    above = index and table.rows[index - 1].head[:1] == head[:1]
    shared = next((n for n, row in enumerate(table.rows[index:]) if row.head[:1] != head[:1]), len(table.rows) - index)
    return [*([] if above else [(head[0], shared)]), *((text, 1) for text in head[1:])]


def _counts(told: Iterable[Face]) -> dict[str, Any]:
    every = list(told)
    standings = {name: sum(face.standing == name for face in every) for name in STANDINGS.values()}
    results = {result: sum(face.result is result for face in every) for result in Result}
    return {"claims": len(every), "standings": standings, "results": results}


def _named(told: Iterable[Face]) -> list[str]:
    return sorted({rule for face in told for tried in face.tried for span in tried.spans for rule in span.rules})


def _index(told: dict[str, dict[str, Face]], runs: Sequence[Run]) -> str:
    document: str = _template("documented-index.html.j2").render(
        pages=[(page, _counts(told[page.name].values())) for page in pages()],
        standings=STANDINGS,
        runs=runs,
        marks=MARKS,
        style=_part("report.css") + _part("documented.css"),
        script=_part("documented.js"),
    )
    return document


@cache
def _template(name: str) -> Any:  # noqa: ANN401 - jinja2's Template
    environment = Environment(loader=BaseLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_part(name))


def _part(name: str) -> str:
    return resources.files("reports.html").joinpath("templates", name).read_text(encoding="utf-8")
