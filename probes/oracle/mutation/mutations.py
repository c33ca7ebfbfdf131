"""Mutations of the oracle: each inverts the decisions of one rule. The suites must detect every mutation."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE
from probes.oracle.connection import Connection, Disposition, EndpointPool, Packet
from probes.oracle.expectation import Path
from probes.oracle.rule import bent
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = IPAddress("192.0.2.1")
OTHER_END = {
    Disposition.REJECTED: Disposition.DROPPED,
    Disposition.CLOSED: Disposition.DROPPED,
    Disposition.HELD: Disposition.DROPPED,
    Disposition.HANGS: Disposition.DROPPED,
    Disposition.HOST: Disposition.DROPPED,
    Disposition.DROPPED: Disposition.CLOSED,
    Disposition.ASTRAY: Disposition.CLOSED,
    Disposition.UNSERVED: Disposition.REJECTED,
    Disposition.LEAVES: Disposition.DROPPED,
    Disposition.LEAVES_MASQUERADED: Disposition.DROPPED,
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule with a wrong decision: the other pool, a negated mark, another address, a refusal for a timeout."""

    rule: str

    def __call__(self, name: str, answer: object, conn: Connection) -> object:
        return flipped(answer, conn) if name == self.rule else answer

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

    def note(name: str, answer: object, _flow: Connection) -> object:
        names.add(name)
        return answer

    with bent(note):
        yield names


@singledispatch
def flipped(answer: Any, conn: Connection) -> object:  # noqa: ANN401 - one case per type below
    """Return the opposite of a rule's decision, by its type."""
    message = f"no mutation for {type(answer).__name__} of {conn.state.name}"
    raise TypeError(message)


@flipped.register
def _(answer: bool, conn: Connection) -> object:  # noqa: ARG001 - singledispatch needs both
    return not answer


@flipped.register
def _(answer: EndpointPool, conn: Connection) -> object:  # noqa: ARG001 - as above
    return EndpointPool.LOCAL if answer is EndpointPool.ALL else EndpointPool.ALL


@flipped.register
def _(answer: Disposition, conn: Connection) -> object:  # noqa: ARG001 - as above
    return OTHER_END[answer]


@flipped.register
def _(answer: IPAddress, conn: Connection) -> object:  # noqa: ARG001 - as above
    return NOBODY


@flipped.register
def _(answer: Packet, conn: Connection) -> object:
    """Return the packet with another source, or a drop for a host-network process, whose source is rewritten later."""
    return replace(answer, source=NOBODY) if conn.packet.origin != "node" else Disposition.DROPPED


@flipped.register
def _(answer: Connection, conn: Connection) -> object:  # noqa: ARG001 - as above
    return Disposition.DROPPED


@flipped.register
def _(answer: Outcome, conn: Connection) -> object:  # noqa: ARG001 - as above
    return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK


@flipped.register
def _(answer: Path, conn: Connection) -> object:
    source = conn.packet.source + 1
    return replace(answer, sources=frozenset({source}))


@flipped.register
def _(answer: tuple, conn: Connection) -> object:  # type: ignore[type-arg] # singledispatch requires the bare class
    """Return the other candidates for endpoints, and a refusal for next hops of the load balancer."""
    if any(isinstance(one, Connection) for one in answer):
        return Disposition.CLOSED
    return tuple(one for one in conn.candidates if one not in answer)
