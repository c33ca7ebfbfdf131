"""One side of a comparison: what each cell answers, predicted or observed, addresses by their names only.

Two clusters have other addresses and the same names (`kept`, `primary(n1)`, `vtep(n1)` ...), so names are what is
compared. A prediction has all possible answers; an observation shows some of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping  # noqa: TC003 - dataclass fields are resolved at run time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from probes.judging.verdict import Result
from probes.observation import Outcome, count_limited_refusals
from reports import formatting
from reports.records.schema import CellKey  # noqa: TC001 - dataclass fields are resolved at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.records.prediction import Predicted, Prediction
    from reports.records.record import Record
    from reports.records.run import Run
    from reports.records.schema import ExpectedPath
FEW = 2  # sources that are listed with the backend that sees each


class Reply(NamedTuple):
    """What one connection may get: outcome, and if ok the source its backend sees, and which backend that is."""

    outcome: Outcome
    source: str = ""
    backend: str = ""


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """What one cell answers.

    `shares`: what it shows, with its probability (predicted) or frequency (observed). `may`: all it is known to be
    able to show; an observation that passed may show whatever was expected of it. `trouble`: why there is no answer.
    `counts`: the attempts of an observation, `scouts` those of them that opened it; `verdict`,
    `expected`: the run's. `sticky`, `sticky_per_node`: as in the record. `by_icmp`: a refusal comes by ICMP, of which
    kernels drop a part. `possible`: how many results unknown facts leave; with several, shares mean nothing.
    `ways`: the rules by which each expected reply comes about.
    """

    cell: CellKey
    shares: Mapping[Reply, float] = field(default_factory=dict)
    may: frozenset[Reply] = frozenset()
    rules: tuple[str, ...] = ()
    because: str = ""
    trouble: str = ""
    predicted: bool = True
    summary: str = ""
    counts: Counter[Reply] = field(default_factory=Counter)
    scouts: Counter[Reply] = field(default_factory=Counter)
    verdict: Result | None = None
    expected: str = ""
    sticky: bool = False
    sticky_per_node: float = 0.0
    by_icmp: bool = False
    possible: int = 1
    ways: Mapping[Reply, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shown(self) -> frozenset[Reply]:
        return frozenset(self.shares)


@dataclass(frozen=True, slots=True)
class Side:
    """A topology's prediction or a run's observations. `missing`: cells without an answer, each with the reason.

    `unknown`: those of them that a run planned and could not test.
    """

    name: str
    kind: str
    about: str
    answers: Mapping[str, SideAnswer]
    missing: Mapping[str, str]
    unknown: Mapping[str, SideAnswer] = field(default_factory=dict)

    @property
    def judged(self) -> dict[str, SideAnswer]:
        """Return every cell that has an answer or is known to have none, answers first."""
        return {**self.answers, **self.unknown}

    @classmethod
    def predicted(cls, name: str, prediction: Prediction) -> Self:
        """Return the side of a topology's prediction."""
        answers = {one.cell.id: _predicted(one) for one in prediction.cells}
        missing = {left.cell: f"left out by plan: {left.reason}" for left in prediction.omissions}
        about = f"{prediction.topology.name}, {prediction.told}"
        return cls(name, "predicted", about, *_split(answers, missing))

    @classmethod
    def observed(cls, name: str, run: Run) -> Self:
        """Return the side of a run. A cell that could not be asked has no answer; it is not `unreachable`."""
        answers = {record.cell.id: _observed(record) for record in run.records}
        missing = {left.cell: f"left out by plan: {left.reason}" for left in run.omissions}
        missing |= dict.fromkeys(run.unasked, "not asked: the run did not get that far")
        proxy = " ".join(str(run.environment[key]) for key in ("version", "mode") if key in run.environment)
        about = f"{run.topology.name}, kube-proxy {proxy}, asked {run.started:%Y-%m-%d %H:%M:%S}"
        return cls(name, "observed", about, *_split(answers, missing))


Split = tuple[dict[str, SideAnswer], dict[str, str], dict[str, SideAnswer]]


def _split(answers: dict[str, SideAnswer], missing: dict[str, str]) -> Split:
    unknown = {name: answer for name, answer in answers.items() if answer.trouble}
    reasons = {name: answer.trouble for name, answer in unknown.items()}
    return {name: one for name, one in answers.items() if name not in unknown}, {**missing, **reasons}, unknown


def _predicted(one: Predicted) -> SideAnswer:
    shares = _expected(one.expected.paths)
    return SideAnswer(
        cell=one.cell,
        shares=shares,
        may=frozenset(shares),
        rules=one.rules,
        because=one.because,
        trouble=f"not predicted: {one.trouble}" if one.trouble else "",
        summary=summarize_shares(shares, exact=True),
        sticky=one.expected.sticky,
        sticky_per_node=one.expected.sticky_per_node,
        possible=one.expected.possible,
        by_icmp=any(way.by_icmp for way in one.expected.paths),
        ways=_rules_by_reply(one.expected.paths),
    )


def _observed(record: Record) -> SideAnswer:
    if record.verdict is Result.INCONCLUSIVE or not record.observed.attempts:
        why = record.observed.trouble or record.headline
        trouble = f"inconclusive: {why}"
        return SideAnswer(
            cell=record.cell,
            rules=record.rules,
            because=record.because,
            trouble=trouble,
            predicted=False,
            summary=trouble,
            verdict=Result.INCONCLUSIVE,
        )
    counts, scouts = _attempted(record)
    shares = {reply: times / counts.total() for reply, times in counts.items()}
    expected = frozenset(_expected(record.expected.paths)) if record.verdict is Result.PASS else frozenset()
    return SideAnswer(
        cell=record.cell,
        shares=shares,
        may=frozenset(shares) | expected,
        rules=record.rules,
        because=record.because,
        predicted=False,
        summary=summarize_shares(shares, exact=False),
        counts=counts,
        scouts=scouts,
        verdict=record.verdict,
        expected=summarize_shares(_expected(record.expected.paths), exact=True),
        sticky=record.expected.sticky,
        sticky_per_node=record.expected.sticky_per_node,
        ways=_rules_by_reply(record.expected.paths),
    )


def _rules_by_reply(paths: Iterable[ExpectedPath]) -> dict[Reply, tuple[str, ...]]:
    found: dict[Reply, tuple[str, ...]] = {}
    for path in paths:
        for source in [source.name for source in path.sources] or [""]:
            reply = Reply(path.outcome, source, path.backend or "")
            found[reply] = tuple(dict.fromkeys((*found.get(reply, ()), *path.rules)))
    return found


def _expected(paths: Iterable[ExpectedPath]) -> dict[Reply, float]:
    shares: Counter[Reply] = Counter()
    for path in paths:
        sources = [source.name for source in path.sources] or [""]
        for source in sources:
            shares[Reply(path.outcome, source, path.backend or "")] += path.share / len(sources)  # type: ignore[assignment]
    return dict(shares)


def _attempted(record: Record) -> tuple[Counter[Reply], Counter[Reply]]:
    """Count all attempts, and the first attempts among them, by reply."""
    attempts = record.observed.counted
    by_icmp = any(way.by_icmp for way in record.expected.paths)
    outcomes = count_limited_refusals((attempt.outcome for attempt in attempts), by_icmp=by_icmp)
    counts: Counter[Reply] = Counter()
    scouts: Counter[Reply] = Counter()
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        source = attempt.source.name if attempt.source else ""
        reply = Reply(outcome, source, attempt.backend or "") if outcome is Outcome.OK else Reply(outcome)
        counts[reply] += 1
        scouts[reply] += attempt.scout
    return counts, scouts


def summarize_shares(shares: Mapping[Reply, float], *, exact: bool) -> str:
    """Return shares in words: `ok from web-a or web-b, source kept`.

    Different outcomes have their shares: `75 % ok ..., or 25 % timeout`.

    `exact`: shares are probabilities; those of an observation are frequencies, shown as `about`.
    """
    outcomes = sorted({reply.outcome for reply in shares}, key=lambda outcome: (outcome is not Outcome.OK, outcome))
    parts = []
    for outcome in outcomes:
        same = sorted(reply for reply in shares if reply.outcome is outcome)
        likely = 100 * sum(shares[reply] for reply in same)
        share = f"{'' if exact else 'about '}{likely:.3g} % " if len(outcomes) > 1 else ""
        parts.append(f"{share}{_summarize_replies(same)}")
    return ", or ".join(parts)


def _summarize_replies(same: Sequence[Reply]) -> str:
    """Return replies of one outcome in words; with many sources, backends and sources are listed separately."""
    sources = list(dict.fromkeys(reply.source for reply in same))
    backends = list(dict.fromkeys(reply.backend for reply in same))
    if len(sources) > FEW:
        return f"{same[0].outcome} from {' or '.join(sorted(backends))}, source {formatting.join_names(sources)}"
    ways = [(one.outcome, [one.source] if one.source else [], one.backend or None) for one in same]
    return formatting.summarize_expected(ways, sticky=False)
