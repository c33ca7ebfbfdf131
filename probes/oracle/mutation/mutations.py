"""Every rule flipped, one at a time: what a test suite must notice (issue: the mutated oracle)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE
from probes.oracle.connection import Fate, Flow, Packet, Pool
from probes.oracle.expectation import Path
from probes.oracle.rule import bent
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = IPAddress("192.0.2.1")
OTHER_END = {
    Fate.REJECTED: Fate.DROPPED,
    Fate.CLOSED: Fate.DROPPED,
    Fate.HELD: Fate.DROPPED,
    Fate.HANGS: Fate.DROPPED,
    Fate.HOST: Fate.DROPPED,
    Fate.DROPPED: Fate.CLOSED,
    Fate.ASTRAY: Fate.CLOSED,
    Fate.UNSERVED: Fate.REJECTED,
    Fate.LEAVES: Fate.DROPPED,
    Fate.LEAVES_MASQUERADED: Fate.DROPPED,
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One rule that answers wrongly: the other pool, a negated mark, another address, a refusal for a timeout."""

    rule: str

    def __call__(self, name: str, answer: object, flow: Flow) -> object:
        return flipped(answer, flow) if name == self.rule else answer

    def __str__(self) -> str:
        return f"{self.rule} flipped"


def all() -> tuple[Mutation, ...]:  # noqa: A001 - read as mutations.all()
    """One mutation per rule of the catalogue, in its order."""
    return tuple(Mutation(rule.id) for rule in CATALOGUE)


@contextmanager
def applied(mutation: Mutation) -> Iterator[Mutation]:
    """Within it the oracle answers with this rule flipped."""
    with bent(mutation):
        yield mutation


@contextmanager
def heard() -> Iterator[set[str]]:
    """Collects the ids of the rules that speak within it: one that never speaks in a world cannot be noticed there."""
    names: set[str] = set()

    def note(name: str, answer: object, _flow: Flow) -> object:
        names.add(name)
        return answer

    with bent(note):
        yield names


@singledispatch
def flipped(answer: Any, flow: Flow) -> object:  # noqa: ANN401 - one case per type below
    """The opposite of a rule's answer, by its type."""
    message = f"no mutation for {type(answer).__name__} of {flow.state.name}"
    raise TypeError(message)


@flipped.register
def _(answer: bool, flow: Flow) -> object:  # noqa: ARG001 - singledispatch needs both
    return not answer


@flipped.register
def _(answer: Pool, flow: Flow) -> object:  # noqa: ARG001 - likewise
    return Pool.LOCAL if answer is Pool.ALL else Pool.ALL


@flipped.register
def _(answer: Fate, flow: Flow) -> object:  # noqa: ARG001 - likewise
    return OTHER_END[answer]


@flipped.register
def _(answer: IPAddress, flow: Flow) -> object:  # noqa: ARG001 - likewise
    return NOBODY


@flipped.register
def _(answer: Packet, flow: Flow) -> object:
    """Another source; where it would be rewritten anyway, the packet is lost."""
    return replace(answer, source=NOBODY) if flow.packet.origin != "node" else Fate.DROPPED


@flipped.register
def _(answer: Flow, flow: Flow) -> object:  # noqa: ARG001 - likewise
    return Fate.DROPPED


@flipped.register
def _(answer: Outcome, flow: Flow) -> object:  # noqa: ARG001 - likewise
    return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK


@flipped.register
def _(answer: Path, flow: Flow) -> object:
    source = flow.packet.source + 1
    return replace(answer, sources=frozenset({source}))


@flipped.register
def _(answer: tuple, flow: Flow) -> object:  # type: ignore[type-arg] # singledispatch wants the bare class
    """Endpoints: all the others of the same candidates. Flows of the balancer: a refusal."""
    if any(isinstance(one, Flow) for one in answer):
        return Fate.CLOSED
    return tuple(one for one in flow.candidates if one not in answer)
