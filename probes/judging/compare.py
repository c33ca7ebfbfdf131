"""Compare an expectation with an observation, and return the verdict. Pure.

Kernels rate-limit refusals by ICMP (`net.ipv4.icmp_ratelimit`; docs/observations.md "ICMP rate limit"). If such a
refusal is expected, timeouts among refusals count as refusals, and the account mentions them. If a cell only timed out
while the limit was in effect, it is inconclusive.

If a cell's expectation has alternatives, because some facts are unknown, all facets of all attempts are compared with
the one alternative that fits best. The cell fails if no alternative fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from probes.judging import binomial
from probes.judging.account import list_account
from probes.judging.backend_coverage import BackendPool
from probes.judging.verdict import Facet, Result, Verdict
from probes.observation import Attempt, Observation, Outcome, count_limited_refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from probes.oracle.expectation import Expectation, Path
    from probes.plan.cell import Cell
    from topologies.common.addresses import IPAddress


UNLIKELY = 1e-4  # a share differs if chance makes this sample of it with at most this probability
CERTAIN = 1e-6  # what sums of shares may lack of 0 and 1
OVERLOADED = "every connection was lost under our own load"
RATE_LIMITED = (
    "only silence where ICMP refusals were being rate-limited (net.ipv4.icmp_ratelimit, one a second): "
    "select fewer cells with -k, or set it to 0 on the nodes while the run asks"
)


class Sample(Protocol):
    """What a verdict compares: the expectation and the observation of one cell."""

    @property
    def expectation(self) -> Expectation:
        """Every allowed path."""

    @property
    def observation(self) -> Observation:
        """Every attempt."""

    @property
    def naming(self) -> Callable[[IPAddress], str]:
        """The name of an address in a complaint."""

    @property
    def pool(self) -> Callable[[Expectation], BackendPool] | None:
        """All attempts that picked from the same backends at the same node; None: the sample's own only."""


@dataclass(frozen=True)
class JudgedCell:
    """One cell with its expectation and its observation."""

    cell: Cell
    expectation: Expectation
    observation: Observation
    naming: Callable[[IPAddress], str] = str
    limited: bool = False
    """ICMP refusals may have been dropped there."""
    mixes: bool = False
    """kube-proxy's mode is IPVS."""
    pool: Callable[[Expectation], BackendPool] | None = None
    """Returns all attempts that picked from the same backends at the same node, if this cell's expectation is the given
    one. None: the cell's own only."""
    evidence: str = ""

    @cached_property
    def fitting(self) -> JudgedCell:
        """The cell with the alternative that fits best, or the cell itself if its expectation has no alternatives."""
        if not self.expectation.alternatives:
            return self
        cases = [replace(self, expectation=one) for one in self.expectation.possible]
        return min(cases, key=_misfit)

    @cached_property
    def account(self) -> tuple[tuple[str, str], ...]:
        """The lines that justify the verdict of every facet: asked, because, expected, observed, evidence."""
        return list_account(self)


def judge(case: JudgedCell, facet: Facet | None = None) -> Verdict:
    """Return the verdict on one facet, or with None on all of them together."""
    return _verdict(case, facet, *find_result(case, facet))


def find_result(case: JudgedCell, facet: Facet | None = None) -> tuple[Result, str]:
    """Return the result and the headline of a verdict, without its account."""
    unforeseen = "" if case.expectation.paths else case.expectation.because
    if case.observation.trouble or unforeseen or not case.observation.attempts:
        trouble = case.observation.trouble or unforeseen or "no attempt was made"
        return Result.INCONCLUSIVE, f"the cell could not be asked: {trouble}"
    if not case.observation.counted:
        return Result.INCONCLUSIVE, f"{OVERLOADED}: {case.observation.load}"
    found = complaints(case.fitting, [facet] if facet else Facet)
    if not found:
        return Result.PASS, "as expected"
    if case.limited and _rate_limited(case.fitting):
        return Result.INCONCLUSIVE, RATE_LIMITED
    return Result.FAIL, "; ".join(found.values()) + _none_fits(case)


def find_plain_result(case: JudgedCell) -> Result:
    """Return the result of a verdict as `find_result` does, without the headline: the first complaint decides."""
    if case.observation.trouble or not (case.expectation.paths and case.observation.counted):
        return Result.INCONCLUSIVE
    fitting = case.fitting
    if not any(check(fitting) for check in CHECKS.values()):
        return Result.PASS
    return Result.INCONCLUSIVE if case.limited and _rate_limited(fitting) else Result.FAIL


def _misfit(case: JudgedCell) -> tuple[int, int]:
    """Return how badly an alternative fits: not at all, only if refusals were rate-limited, or in so many facets."""
    found = complaints(case)
    limited = case.limited and _rate_limited(case)
    return (0 if not found else 1 if limited else 2), len(found)


def _none_fits(case: JudgedCell) -> str:
    number = len(case.expectation.alternatives)
    return f" (the nearest of {number} results that are possible with unknown facts)" if number else ""


def complaints(sample: Sample, facets: Iterable[Facet] = Facet) -> dict[Facet, str]:
    """Return what is wrong with a sample, by facet."""
    return {facet: complaint for facet in facets if (complaint := CHECKS[facet](sample))}


def _reachability(case: Sample) -> str:
    allowed = case.expectation.outcomes
    seen = count_limited_refusals(case.observation.outcomes, by_icmp=case.expectation.refused_by_icmp)
    if others := [outcome for outcome in dict.fromkeys(seen) if outcome not in allowed]:
        return f"{_listed(others)} where {_listed(case.expectation.outcomes)} was expected"
    return ""


def _source(case: Sample) -> str:
    for attempt in _answered(case):
        if not any(_matches(attempt, path) for path in case.expectation.paths):
            return _source_complaint(case, attempt)
    return ""


def _source_complaint(case: Sample, attempt: Attempt) -> str:
    seen = case.naming(attempt.source) if attempt.source else "no address"
    fitting = [path for path in case.expectation.paths if path.backend == attempt.backend] or case.expectation.paths
    wanted = sorted({case.naming(source) for path in fitting for source in path.sources})
    if not wanted:
        return f"{attempt.backend} answered and saw {seen} where no answer was expected"
    return f"{attempt.backend} saw {seen}, not {' or '.join(wanted)}"


def _matches(attempt: Attempt, path: Path) -> bool:
    same_backend = path.backend is None or path.backend == attempt.backend
    return path.outcome is Outcome.OK and same_backend and attempt.source is not None and path.admits(attempt.source)


def _backends(case: Sample) -> str:
    expected = case.expectation.backends
    seen = {attempt.backend for attempt in _answered(case)}
    if strangers := {str(name) for name in seen - expected}:
        due = f", not {_listed(expected)}" if expected else " where no answer was expected"
        return f"answered by {_listed(strangers)}{due}"
    if not case.expectation.independent or expected <= seen:
        return ""
    pool = _pool(case)
    if absent := pool.missing & expected:
        among = f" of {pool.cells} cells" if pool.cells > 1 else ""
        return f"{_listed(absent)} never answered in {pool.attempts} connections{among}"
    return ""


def _pool(case: Sample) -> BackendPool:
    if case.pool:
        return case.pool(case.expectation)
    alone = BackendPool()
    alone.add(case.expectation, case.observation)
    return alone


def _affinity(case: Sample) -> str:
    if not case.expectation.sticky:
        return _same_node(case) if case.expectation.sticky_per_node else ""
    seen = {str(attempt.backend) for attempt in _answered(case) if not attempt.scout}
    return f"one client was sent to {_listed(seen)}" if len(seen) > 1 else ""


def _same_node(case: Sample) -> str:
    """Return a complaint if a load balancer keeps a client on one node, and must select a node for each connection."""
    counted = case.observation.counted
    same = len({(one.outcome, one.source, one.backend) for one in counted}) == 1
    likely = len(case.expectation.paths) * case.expectation.sticky_per_node ** len(counted)
    if not same or likely > UNLIKELY:
        return ""
    return f"{len(counted)} connections had the same answer, as if the load balancer always selected one node"


def _shares(case: Sample) -> str:
    """Return a complaint if chance cannot explain how often an intermittent cell was answered."""
    answered = sum(path.share for path in case.expectation.paths if path.outcome is Outcome.OK)
    likely = likelihood(case)
    if likely is None or likely > UNLIKELY:
        return ""
    got, asked = _unloaded(case)
    return f"{got} of {asked} answered where {answered:.0%} was expected"


def likelihood(case: Sample) -> float | None:
    """Return how likely chance makes so many answers of an intermittent cell; None for every other cell."""
    answered = sum(path.share for path in case.expectation.paths if path.outcome is Outcome.OK)
    if not case.expectation.independent or answered < CERTAIN or answered > 1 - CERTAIN:
        return None
    return binomial.two_sided_p_value(*_unloaded(case), answered)


def _unloaded(case: Sample) -> tuple[int, int]:
    """Count the answers and the attempts that our own load did not touch: leaving out its losses alone is a bias."""
    sample = [attempt for attempt in case.observation.attempts if not attempt.loaded]
    return sum(attempt.outcome is Outcome.OK for attempt in sample), len(sample)


CHECKS: dict[Facet, Callable[[Sample], str]] = {
    Facet.REACHABILITY: _reachability,
    Facet.SOURCE: _source,
    Facet.BACKENDS: _backends,
    Facet.AFFINITY: _affinity,
    Facet.SHARES: _shares,
}


def _answered(case: Sample) -> list[Attempt]:
    return [attempt for attempt in case.observation.counted if attempt.outcome is Outcome.OK]


def _rate_limited(case: Sample) -> bool:
    silent = all(outcome is Outcome.TIMEOUT for outcome in case.observation.outcomes)
    return silent and case.expectation.refused_by_icmp


def _listed(words: Iterable[object]) -> str:
    return " and ".join(sorted(str(word) for word in words))


def _verdict(case: JudgedCell, facet: Facet | None, result: Result, headline: str) -> Verdict:
    return Verdict(case.cell.id, result, headline, case.account, facet)


def with_names(observation: Observation, aliases: dict[str, str]) -> Observation:
    """Return the observation with host names replaced by backend names: a hostNetwork pod has its node's host name."""
    if not any(attempt.backend in aliases for attempt in observation.attempts):
        return observation
    attempts = tuple(
        replace(attempt, backend=aliases.get(attempt.backend or "", attempt.backend))
        for attempt in observation.attempts
    )
    return replace(observation, attempts=attempts)
