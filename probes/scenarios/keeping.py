"""Hold the answers to one check against its promise. Pure.

Observed answers and predicted ones are held against the same promise. Of predicted answers every one can occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.answers import (
    ContractAnswer,
    describe,
    find_answer_violations,
    find_backend_violations,
    names_of,
    never_answered,
    served,
)
from probes.judging.promise import BackendSet
from probes.scenarios.model import HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from probes.contract.answers import Violation
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
    expected, allowed = check.expected, allowed_backends(check, topology)
    if expected is None:
        return
    yield from find_answer_violations(expected, check.promise, answers, exhaustive=predicted)
    yield from find_backend_violations(expected, answers, allowed, sticky=sticky)
    left_out = allowed - {one.backend for one in served(answers)}
    if expected.backends is BackendSet.ALL and left_out:
        yield never_answered(left_out, answers)


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
    ok = served(answers)
    return f"{describe(answers)}{f', answered by {names_of(ok)}' if ok else ''}"
