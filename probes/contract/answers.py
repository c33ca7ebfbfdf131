"""The answers of one cell in the terms of the contract, observed or predicted, and what of them breaks a promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from probes.judging.promise import BackendSet, SourceKind
from probes.observation import Outcome, count_limited_refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from probes.judging.promise import Promise
    from probes.plan.cell import Cell
    from topologies.common.addresses import IPAddress


@dataclass(frozen=True, slots=True)
class ContractAnswer:
    """How one connection ended, in the terms of the contract.

    `name`: what the source is called, `vtep(n3)`; empty: its address. `rules`: of a predicted answer.
    """

    outcome: Outcome
    source: IPAddress | None = None
    kept: bool = False
    backend: str | None = None
    rules: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class CellAnswers:
    """The answers of one cell. `unknown`: why nothing is known of it. `limited`: ICMP refusals may have been lost."""

    cell: Cell
    answers: tuple[ContractAnswer, ...] = ()
    unknown: str = ""
    limited: bool = False
    sticky: bool = False
    """Predicted answers only: all connections reach one of the backends."""
    exhaustive: bool = False
    """Predicted answers only: no other backend can answer."""


@dataclass(frozen=True)
class Violation:
    """What breaks a promise: the facet, the text, and the answers that differ."""

    facet: str
    text: str
    answers: list[ContractAnswer]

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The rules of predicted answers that differ, each once."""
        return tuple(dict.fromkeys(rule for one in self.answers for rule in one.rules))


def find_answer_violations(
    promise: Promise, text: str, answers: Sequence[ContractAnswer], *, exhaustive: bool
) -> Iterator[Violation]:
    """Yield what of these answers differs from a promise in outcome or source.

    Args:
        promise: The promise.
        text: How it is written.
        answers: The answers, observed or predicted.
        exhaustive: Whether they are all that can occur. Otherwise refusals may have been lost to ICMP's rate limit.

    """
    outcomes = count_limited_refusals((one.outcome for one in answers), by_icmp=not exhaustive)
    if wrong := [one for one, outcome in zip(answers, outcomes, strict=True) if outcome not in promise.outcomes]:
        yield Violation("outcome", f"{describe(answers)}, want {text}", wrong)
    if promise.source is SourceKind.KEPT and (changed := [one for one in served(answers) if not one.kept]):
        yield Violation("source", f"{describe(answers)}, want the client's own address", changed)


def find_backend_violations(
    promise: Promise, answers: Sequence[ContractAnswer], allowed: AbstractSet[str], *, sticky: bool
) -> Iterator[Violation]:
    """Yield if backends answered that may not serve, or several where one is promised.

    Args:
        promise: The promise.
        answers: The answers, observed or predicted.
        allowed: The backends that may serve.
        sticky: Of predicted answers: whether all connections of a client reach one of the backends.

    """
    ok = served(answers)
    if strange := [one for one in ok if one.backend and one.backend not in allowed]:
        want = " or ".join(sorted(allowed)) or "no backend"
        yield Violation("backend", f"answered by {names_of(strange)}, want {want}", strange)
    if promise.backends is BackendSet.ONE and not sticky and len({one.backend for one in ok}) > 1:
        yield Violation("backend", f"answered by {names_of(ok)}, want one endpoint", ok)


def never_answered(left_out: Iterable[str], answers: Sequence[ContractAnswer]) -> Violation:
    """Return that backends never answered where every endpoint is promised."""
    return Violation("backend", f"{', '.join(sorted(left_out))} never answered, want every endpoint", served(answers))


def served(answers: Iterable[ContractAnswer]) -> list[ContractAnswer]:
    """Return the answers of backends."""
    return [one for one in answers if one.outcome is Outcome.OK]


def describe(answers: Iterable[ContractAnswer]) -> str:
    """Return `ok from kept`, or with counts if answers differ: `17 of 20 ok from kept, 3 timeout`."""
    counts = Counter(_describe_one(one) for one in answers)
    if len(counts) == 1:
        return next(iter(counts))
    (first, number), *others = counts.most_common()
    return ", ".join([f"{number} of {counts.total()} {first}", *(f"{count} {text}" for text, count in others)])


def describe_kinds(answers: Iterable[ContractAnswer]) -> str:
    """Return the different answers without counts and nodes, to compare cells and clusters: `ok from kept or vtep`."""
    kinds: dict[str, set[str]] = {}
    for one in answers:
        outcome, _, source = _describe_one(one).partition(" from ")
        kinds.setdefault(outcome, set()).add(source.partition("(")[0])
    texts = (
        f"{outcome} from {' or '.join(sorted(sources))}" if sources != {""} else outcome
        for outcome, sources in sorted(kinds.items())
    )
    return ", ".join(texts)


def _describe_one(answer: ContractAnswer) -> str:
    if answer.outcome is not Outcome.OK or answer.source is None:
        return str(answer.outcome)
    return f"ok from {'kept' if answer.kept else answer.name or answer.source}"


def names_of(answers: Iterable[ContractAnswer]) -> str:
    """Return the backends that answered: `web-a and web-b`."""
    return " and ".join(sorted({one.backend or "no backend" for one in answers}))
