"""The evidence for each vendor claim: what the rules predict of its cases, and what runs observed. Pure.

Needs no run. A run counts only for a claim whose conditions its cluster meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError
from itertools import groupby
from typing import TYPE_CHECKING

from pydantic import ValidationError

from probes.judging.verdict import Result
from probes.observation import Outcome
from probes.vendor_claims import check, live
from probes.vendor_claims.answer import Ending
from probes.vendor_claims.model import Standing
from probes.vendor_claims.scenario import lacks, said
from reports.records.journal import JournalError
from reports.records.reading import SHOWN, problems
from topologies.common.addresses import IPAddress
from topologies.schema.topology import Topology
from topologies.schema.validation import complaints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probes.vendor_claims.check import Assessment
    from probes.vendor_claims.model import Case, Claim, Page
    from reports.records.record import Record
    from reports.records.run import Run
    from topologies.schema.topology import Vantage

STANDINGS = {
    Standing.AGREES: "agrees",
    Standing.CONDITION: "agrees under a condition",
    Standing.CONTRADICTS: "contradicts",
    Standing.UNDERIVABLE: "cannot be derived",
}


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """What the rules say over a range of versions, and the rules that weigh most."""

    versions: str
    told: str
    brief: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PredictedCase:
    """A case, its cells with the same answer together. `otherwise`: where it is the other way round."""

    world: str
    conditions: tuple[str, ...]
    cells: tuple[str, ...]
    spans: tuple[VersionSpan, ...]
    otherwise: bool


@dataclass(frozen=True, slots=True)
class ObservedCell:
    """What one cell of a run showed of a claim. `otherwise`: it is a cell where it is the other way round."""

    run: str
    cell: str
    told: str
    brief: str
    result: Result
    note: str
    otherwise: bool


@dataclass(frozen=True, slots=True)
class ClaimEvidence:
    """A claim as its page tells it. `short`: the rules' answer in the cell itself; `unshown`: why no run showed it."""

    id: str
    claim: Claim
    standing: str
    short: tuple[str, ...]
    rules: tuple[str, ...]
    tried: tuple[PredictedCase, ...]
    shown: tuple[ObservedCell, ...]
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


def collect_evidence(page: Page, runs: Sequence[Run] = ()) -> dict[str, ClaimEvidence]:
    """Every claim of a page by its id, predicted, and shown by these runs where they can."""
    topologies = [_topology(run) for run in runs]
    shown = [_shown(page, run, topology) for run, topology in zip(runs, topologies, strict=True)]
    return {name: _face(page, name, claim, shown, topologies) for name, claim in page.claims()}


def _face(
    page: Page, name: str, claim: Claim, shown: Sequence[dict[str, list[ObservedCell]]], topologies: Sequence[Topology]
) -> ClaimEvidence:
    tried = tuple(_tried(page, claim.cases, otherwise=False)) + tuple(_tried(page, claim.otherwise, otherwise=True))
    leading = [span for one in tried if not one.otherwise for span in one.spans]
    seen = tuple(one for run in shown for one in run.get(name, ()))
    return ClaimEvidence(
        id=name,
        claim=claim,
        standing=STANDINGS[claim.standing],
        short=tuple(_short(leading)),
        rules=tuple(dict.fromkeys(rule for span in leading for rule in span.rules)),
        tried=tried,
        shown=seen,
        unshown="" if seen else _unshown(page, claim, topologies),
    )


def _tried(page: Page, cases: Iterable[Case], *, otherwise: bool) -> Iterator[PredictedCase]:
    for case in cases:
        by_cell: dict[str, list[Assessment]] = {}
        for prediction in check.assess(page, [case]):
            by_cell.setdefault(prediction.cell.id.removesuffix("-v4-tcp"), []).append(prediction)
        alike: dict[tuple[VersionSpan, ...], list[str]] = {}
        for cell, predicted in by_cell.items():
            alike.setdefault(tuple(_spans(predicted)), []).append(cell)
        world = page.worlds[case.world]
        conditions = tuple(said(path, value) for path, value in world.conditions.items())
        for spans, cells in alike.items():
            yield PredictedCase(world.about or case.world, conditions, tuple(cells), spans, otherwise)


def _spans(predicted: Sequence[Assessment]) -> Iterator[VersionSpan]:
    """Neighbouring versions with the same answer together."""
    alike = groupby(predicted, key=lambda one: (summary(one.endings), check.telling(one.expectation)))
    for (told, rules), group in alike:
        together = list(group)
        first, last = (f"{one.version.major}.{one.version.minor}" for one in (together[0], together[-1]))
        yield VersionSpan(first if first == last else f"{first} to {last}", told, brief(together[0].endings), rules)


def _short(spans: Sequence[VersionSpan]) -> Iterator[str]:
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


def _shown(page: Page, run: Run, topology: Topology) -> dict[str, list[ObservedCell]]:
    """What a run shows of each claim of a page, by the claim's id."""
    records = {record.cell.id: record for record in run.records}
    found: dict[str, list[ObservedCell]] = {}
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


def _held(trial: live.Trial, record: Record, topology: Topology) -> ObservedCell:
    endings = _endings(record, topology, trial.cell.vantage)
    cell, otherwise = trial.cell.id.removesuffix("-v4-tcp"), trial.case in trial.claim.otherwise
    if record.verdict is Result.INCONCLUSIVE or not endings:
        return ObservedCell(
            topology.name, cell, record.headline, "could not be told", Result.INCONCLUSIVE, "", otherwise
        )
    complaint = trial.complaint(endings)
    result = Result.FAIL if complaint else Result.PASS
    return ObservedCell(topology.name, cell, summary(endings), brief(endings), result, complaint, otherwise)


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


def _unshown(page: Page, claim: Claim, topologies: Sequence[Topology]) -> str:
    """Why no run showed a claim: it has no cell, there is no run, or what the nearest run's cluster lacks."""
    worlds = [page.worlds[case.world] for case in (*claim.cases, *claim.otherwise)]
    if not worlds or not topologies:
        return ""
    lacking = min((lacks(world, topology) for world in worlds for topology in topologies), key=len)
    return f"needs {', '.join(lacking)}" if lacking else "needs a workload or a balancer that no run had"
