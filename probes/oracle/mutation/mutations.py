"""Mutations of the oracle: each inverts the decisions of one rule. The suites must detect every mutation."""

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
    """A rule with a wrong decision: the other pool, a negated mark, another address, a refusal for a timeout."""

    rule: str

    def __call__(self, name: str, answer: object, flow: Flow) -> object:
        return flipped(answer, flow) if name == self.rule else answer

    def __str__(self) -> str:
        return f"{self.rule} flipped"


def all() -> tuple[Mutation, ...]:  # noqa: A001 - used as mutations.all()
    """Return one mutation per rule, in the order of the catalogue."""
    return tuple(Mutation(rule.id) for rule in CATALOGUE)


@contextmanager
def applied(mutation: Mutation) -> Iterator[Mutation]:
    """Invert the decisions of one rule within the context."""
    with bent(mutation):
        yield mutation


@contextmanager
def heard() -> Iterator[set[str]]:
    """Collect the ids of the rules that decide within the context.

    A mutation of a rule that decides nothing for a topology cannot be detected with that topology.
    """
    names: set[str] = set()

    def note(name: str, answer: object, _flow: Flow) -> object:
        names.add(name)
        return answer

    with bent(note):
        yield names


@singledispatch
def flipped(answer: Any, flow: Flow) -> object:  # noqa: ANN401 - one case per type below
    """Return the opposite of a rule's decision, by its type."""
    message = f"no mutation for {type(answer).__name__} of {flow.state.name}"
    raise TypeError(message)


@flipped.register
def _(answer: bool, flow: Flow) -> object:  # noqa: ARG001 - singledispatch needs both
    return not answer


@flipped.register
def _(answer: Pool, flow: Flow) -> object:  # noqa: ARG001 - as above
    return Pool.LOCAL if answer is Pool.ALL else Pool.ALL


@flipped.register
def _(answer: Fate, flow: Flow) -> object:  # noqa: ARG001 - as above
    return OTHER_END[answer]


@flipped.register
def _(answer: IPAddress, flow: Flow) -> object:  # noqa: ARG001 - as above
    return NOBODY


@flipped.register
def _(answer: Packet, flow: Flow) -> object:
    """Return the packet with another source, or a drop for a host-network process, whose source is rewritten later."""
    return replace(answer, source=NOBODY) if flow.packet.origin != "node" else Fate.DROPPED


@flipped.register
def _(answer: Flow, flow: Flow) -> object:  # noqa: ARG001 - as above
    return Fate.DROPPED


@flipped.register
def _(answer: Outcome, flow: Flow) -> object:  # noqa: ARG001 - as above
    return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK


@flipped.register
def _(answer: Path, flow: Flow) -> object:
    source = flow.packet.source + 1
    return replace(answer, sources=frozenset({source}))


@flipped.register
def _(answer: tuple, flow: Flow) -> object:  # type: ignore[type-arg] # singledispatch requires the bare class
    """Return the other candidates for endpoints, and a refusal for next hops of the load balancer."""
    if any(isinstance(one, Flow) for one in answer):
        return Fate.CLOSED
    return tuple(one for one in flow.candidates if one not in answer)
