"""Hold the answers to one check against its promise. Pure.

Observed answers and predicted ones are held against the same promise. Of predicted answers every one can occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.answers import ContractAnswer, Violation, describe, names_of
from probes.judging.promise import BackendSet, SourceKind
from probes.observation import Outcome, count_limited_refusals
from probes.scenarios.model import HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from probes.observation import Attempt
    from probes.scenarios.model import Check
    from topologies.schema.topology import Topology


def read_answer(attempt: Attempt) -> ContractAnswer:
    """Return an attempt in the terms of the contract. Its source is kept if it is the address of its own socket."""
    kept = attempt.source is not None and str(attempt.source) == attempt.local.rpartition(":")[0]
    return ContractAnswer(attempt.outcome, attempt.source, kept, attempt.backend)


def find_broken_status(check: Check, attempts: Sequence[Attempt]) -> str:
    """Return what breaks the promise of an HTTP status, or an empty string."""
    got = _statuses(attempts)
    return "" if got == [check.promise] else f"{' and '.join(got)}, want {check.promise}"


def _statuses(attempts: Sequence[Attempt]) -> list[str]:
    return sorted({f"{HTTP}{one.http_status}" if one.http_status else str(one.outcome) for one in attempts})


def find_violation(
    check: Check,
    answers: Sequence[ContractAnswer],
    topology: Topology,
    *,
    predicted: bool = False,
    sticky: bool = False,
) -> Violation | None:
    """Return what of these answers breaks the promise of a check, or None.

    Args:
        check: The check. Its promise is not an HTTP status.
        answers: All of one round, or all that are predicted.
        topology: The declared cluster after the change.
        predicted: Whether no other answer can occur.
        sticky: Of predicted answers: whether all connections of a client reach one of the backends.

    """
    return next(_violations(check, answers, topology, predicted=predicted, sticky=sticky), None)


def _violations(
    check: Check, answers: Sequence[ContractAnswer], topology: Topology, *, predicted: bool, sticky: bool
) -> Iterator[Violation]:
    expected = check.expected
    if expected is None:
        return
    outcomes = count_limited_refusals((one.outcome for one in answers), by_icmp=not predicted)
    if wrong := [one for one, outcome in zip(answers, outcomes, strict=True) if outcome not in expected.outcomes]:
        yield Violation("outcome", f"{describe(answers)}, want {check.promise}", wrong)
    ok = [one for one in answers if one.outcome is Outcome.OK]
    if expected.source is SourceKind.KEPT and (changed := [one for one in ok if not one.kept]):
        yield Violation("source", f"{describe(answers)}, want the client's own address", changed)
    yield from _wrong_backends(check, expected.backends, ok, topology, sticky=sticky)


def _wrong_backends(
    check: Check, wanted: BackendSet, ok: list[ContractAnswer], topology: Topology, *, sticky: bool
) -> Iterator[Violation]:
    allowed = allowed_backends(check, topology)
    if strange := [one for one in ok if one.backend not in allowed]:
        want = " or ".join(sorted(allowed)) or "no backend"
        yield Violation("backend", f"answered by {names_of(strange)}, want {want}", strange)
    found = {one.backend for one in ok}
    if wanted is BackendSet.ONE and not sticky and len(found) > 1:
        yield Violation("backend", f"answered by {names_of(ok)}, want one endpoint", ok)
    if wanted is BackendSet.ALL and (left_out := sorted(allowed - found)):
        yield Violation("backend", f"{', '.join(left_out)} never answered, want every endpoint", ok)


def allowed_backends(check: Check, topology: Topology) -> frozenset[str]:
    """Return the backends that may serve a check: those that it names, else all of the Service, or the local ones."""
    if check.only:
        return check.only
    service = topology.workload.services_by_name.get(check.asked.service)
    backends = topology.backends_of(service) if service else ()
    local = check.expected is not None and check.expected.backends is BackendSet.LOCAL
    return frozenset(one.name for one in backends if not local or one.node == check.node)


def describe_seen(check: Check, attempts: Sequence[Attempt]) -> str:
    """Return what was seen, in a few words: `ok from kept, answered by web-1`."""
    if check.expected is None:
        return " and ".join(_statuses(attempts))
    answers = [read_answer(one) for one in attempts]
    ok = [one for one in answers if one.outcome is Outcome.OK]
    return f"{describe(answers)}{f', answered by {names_of(ok)}' if ok else ''}"
