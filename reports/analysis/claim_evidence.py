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
from probes.observation import count_limited_refusals
from probes.vendor_claims import check, live
from probes.vendor_claims.answer import Ending
from probes.vendor_claims.model import Standing
from probes.vendor_claims.scenario import lacks, said
from reports.records.journal import JournalError
from reports.records.reading import SHOWN, problems
from topologies.common.addresses import IPAddress
from topologies.schema.topology import Topology
from topologies.schema.validation.rules import complaints

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
    Standing.DOCUMENTED: "documented",
}


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """The predicted answer in a range of versions, in full and in brief, and the rules that decide it."""

    versions: str
    answer: str
    brief: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PredictedCase:
    """The cells of a case that have the same answer. `counter`: a case in which the claim must not hold."""

    world: str
    conditions: tuple[str, ...]
    cells: tuple[str, ...]
    spans: tuple[VersionSpan, ...]
    counter: bool


@dataclass(frozen=True, slots=True)
class ObservedCell:
    """What one cell of a run showed for a claim. `counter`: in this cell the claim must not hold."""

    run: str
    cell: str
    answer: str
    brief: str
    result: Result
    note: str
    counter: bool


@dataclass(frozen=True, slots=True)
class ClaimEvidence:
    """A claim with its evidence. `short`: the predicted answers in brief; `unshown`: why no run has evidence."""

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
        """Return what each run showed, in brief."""
        found: dict[str, dict[str, None]] = {}
        for one in sorted(self.shown, key=lambda one: one.counter):
            if not one.counter or one.run not in found:
                found.setdefault(one.run, {})["without the condition: " * one.counter + one.brief] = None
        return {run: " or ".join(briefs) for run, briefs in found.items()}

    @property
    def result(self) -> Result | None:
        """Return the worst result that runs showed; None without evidence."""
        ranked = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)
        return min((one.result for one in self.shown), key=ranked.index, default=None)


def collect_evidence(page: Page, runs: Sequence[Run] = ()) -> dict[str, ClaimEvidence]:
    """Return the evidence for every claim of a page, by its id."""
    topologies = [_topology(run) for run in runs]
    shown = [_shown(page, run, topology) for run, topology in zip(runs, topologies, strict=True)]
    return {name: _face(page, name, claim, shown, topologies) for name, claim in page.claims()}


def _face(
    page: Page, name: str, claim: Claim, shown: Sequence[dict[str, list[ObservedCell]]], topologies: Sequence[Topology]
) -> ClaimEvidence:
    tried = tuple(_tried(page, claim.cases, counter=False)) + tuple(_tried(page, claim.otherwise, counter=True))
    leading = [span for one in tried if not one.counter for span in one.spans]
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


def _tried(page: Page, cases: Iterable[Case], *, counter: bool) -> Iterator[PredictedCase]:
    for case in cases if page.by_rules else ():
        by_cell: dict[str, list[Assessment]] = {}
        for prediction in check.assess(page, [case]):
            by_cell.setdefault(prediction.cell.id.removesuffix("-v4-tcp"), []).append(prediction)
        same: dict[tuple[VersionSpan, ...], list[str]] = {}
        for cell, predicted in by_cell.items():
            same.setdefault(tuple(_spans(predicted)), []).append(cell)
        world = page.worlds[case.world]
        conditions = tuple(said(path, value) for path, value in world.conditions.items())
        for spans, cells in same.items():
            yield PredictedCase(world.about or case.world, conditions, tuple(cells), spans, counter)


def _spans(predicted: Sequence[Assessment]) -> Iterator[VersionSpan]:
    """Yield the ranges of versions that have the same answer."""
    same = groupby(predicted, key=lambda one: (describe_endings(one.endings), check.telling(one.expectation)))
    for (answer, rules), group in same:
        together = list(group)
        first, last = (f"{one.version.major}.{one.version.minor}" for one in (together[0], together[-1]))
        yield VersionSpan(
            first if first == last else f"{first} to {last}", answer, describe_briefly(together[0].endings), rules
        )


def _short(spans: Sequence[VersionSpan]) -> Iterator[str]:
    """Yield each answer once, with its versions if the answer depends on them."""
    versions: dict[str, list[str]] = {}
    for span in spans:
        versions.setdefault(span.brief, []).append(span.versions)
    for answer, ranges in versions.items():
        every = {span for others in versions.values() if others is not ranges for span in others}
        yield answer if not every or every & set(ranges) else f"{', '.join(dict.fromkeys(ranges))}: {answer}"


def describe_endings(endings: Iterable[Ending]) -> str:
    """Return all endings in one line: `ok from kept by web-a or web-b; timeout`."""
    backends: dict[str, list[str]] = {}
    for ending in endings:
        backends.setdefault(describe_briefly([ending]), []).extend([ending.backend] if ending.backend else [])
    return "; ".join(
        f"{answer} by {' or '.join(sorted(set(who)))}" if who else answer for answer, who in backends.items()
    )


def describe_briefly(endings: Iterable[Ending]) -> str:
    """Return outcomes and sources only: `ok from kept or timeout`."""
    parts = ((ending.outcome.value, check.called(ending)) for ending in endings)
    return " or ".join(dict.fromkeys(f"{outcome} from {source}" if source else outcome for outcome, source in parts))


def _shown(page: Page, run: Run, topology: Topology) -> dict[str, list[ObservedCell]]:
    """Return what a run observed for each claim of a page, by the claim's id."""
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
    cell, counter = trial.cell.id.removesuffix("-v4-tcp"), trial.case in trial.claim.otherwise
    if record.verdict is Result.INCONCLUSIVE or not endings:
        return ObservedCell(topology.name, cell, record.headline, "inconclusive", Result.INCONCLUSIVE, "", counter)
    complaint = trial.complaint(endings)
    result = Result.FAIL if complaint else Result.PASS
    return ObservedCell(
        topology.name, cell, describe_endings(endings), describe_briefly(endings), result, complaint, counter
    )


def _endings(record: Record, topology: Topology, vantage: Vantage) -> tuple[Ending, ...]:
    """Return the endings of a record's attempts. Timeouts among refusals by ICMP are rate-limited refusals."""
    host = check.host_address(topology, vantage)
    by_icmp = any(way.by_icmp for way in record.expected.paths)
    attempts = record.observed.counted
    outcomes = count_limited_refusals((attempt.outcome for attempt in attempts), by_icmp=by_icmp)
    found: dict[Ending, None] = {}
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        source = attempt.source
        own = host or (source.address if source and source.kept else None)
        called = check.names(source.address, topology, _address_of(record), own) if source else frozenset()
        found[Ending(outcome, called, attempt.backend)] = None
    return tuple(found)


def _unshown(page: Page, claim: Claim, topologies: Sequence[Topology]) -> str:
    """Return why no run has evidence: what the nearest run's cluster lacks. Empty without a cell or a run."""
    if not page.by_rules:
        return _unshown_elsewhere(page, claim, topologies)
    worlds = [page.worlds[case.world] for case in (*claim.cases, *claim.otherwise)]
    if not worlds or not topologies:
        return ""
    lacking = min((lacks(world, topology) for world in worlds for topology in topologies), key=len)
    return f"needs {', '.join(lacking)}" if lacking else "needs a workload or a load balancer that no run has"


def _unshown_elsewhere(page: Page, claim: Claim, topologies: Sequence[Topology]) -> str:
    """Return why no run has evidence for a claim about a data plane that is not kube-proxy."""
    if not claim.cases or not topologies:
        return ""
    if all(topology.proxy.kind is not page.proxy for topology in topologies):
        return f"needs proxy.kind {page.proxy}"
    return "needs a workload or a load balancer that no run has"
