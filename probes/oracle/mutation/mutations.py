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
from probes.oracle.rule import replace_decisions
from topologies.common.addresses import IPAddress
from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerAffinity

if TYPE_CHECKING:
    from collections.abc import Iterator

UNOWNED = IPAddress("192.0.2.1")
OPPOSITE = {
    Disposition.REJECTED: Disposition.DROPPED,
    Disposition.CLOSED: Disposition.DROPPED,
    Disposition.HELD: Disposition.DROPPED,
    Disposition.HANGS: Disposition.DROPPED,
    Disposition.PROXIED: Disposition.DROPPED,
    Disposition.HOST: Disposition.DROPPED,
    Disposition.DROPPED: Disposition.CLOSED,
    Disposition.ASTRAY: Disposition.CLOSED,
    Disposition.UNSERVED: Disposition.REJECTED,
    Disposition.UNNAMED: Disposition.DROPPED,
    Disposition.LEAVES: Disposition.DROPPED,
    Disposition.LEAVES_MASQUERADED: Disposition.DROPPED,
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule with a wrong decision: the other pool, a negated mark, another address, a refusal for a timeout."""

    rule: str

    def __call__(self, name: str, answer: object, conn: Connection) -> object:
        return invert_decision(answer, conn) if name == self.rule else answer

    def __str__(self) -> str:
        return f"{self.rule} flipped"


def list_mutations() -> tuple[Mutation, ...]:
    """Return one mutation per rule, in the order of the catalogue."""
    return tuple(Mutation(rule.id) for rule in CATALOGUE)


@contextmanager
def apply_mutation(mutation: Mutation) -> Iterator[Mutation]:
    """Invert the decisions of one rule within the context."""
    with replace_decisions(mutation):
        yield mutation


@contextmanager
def collect_deciding_rules() -> Iterator[set[str]]:
    """Collect the ids of the rules that decide within the context.

    A mutation of a rule that decides nothing for a topology cannot be detected with that topology.
    """
    names: set[str] = set()

    def note(name: str, answer: object, _conn: Connection) -> object:
        names.add(name)
        return answer

    with replace_decisions(note):
        yield names


@singledispatch
def invert_decision(answer: Any, conn: Connection) -> object:  # noqa: ANN401 - one case per type below
    """Return the opposite of a rule's decision, by its type."""
    message = f"no mutation for {type(answer).__name__} of {conn.state.name}"
    raise TypeError(message)


@invert_decision.register
def _(answer: bool, conn: Connection) -> object:
    return not answer


@invert_decision.register
def _(answer: FrontendKind, conn: Connection) -> object:
    return Disposition.UNNAMED


@invert_decision.register
def _(answer: EndpointPool, conn: Connection) -> object:
    return EndpointPool.LOCAL if answer is EndpointPool.ALL else EndpointPool.ALL


@invert_decision.register
def _(answer: Disposition, conn: Connection) -> object:
    return OPPOSITE[answer]


@invert_decision.register
def _(answer: BalancerAffinity, conn: Connection) -> object:
    return answer.other


@invert_decision.register
def _(answer: IPAddress, conn: Connection) -> object:
    return UNOWNED


@invert_decision.register
def _(answer: Packet, conn: Connection) -> object:
    """Return the packet with another source, or a drop for a host-network process, whose source is rewritten later."""
    return replace(answer, source=UNOWNED) if conn.packet.origin != "node" else Disposition.DROPPED


@invert_decision.register
def _(answer: Connection, conn: Connection) -> object:
    return Disposition.DROPPED


@invert_decision.register
def _(answer: Outcome, conn: Connection) -> object:
    return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK


@invert_decision.register
def _(answer: Path, conn: Connection) -> object:
    source = conn.packet.source + 1
    return replace(answer, sources=frozenset({source}))


@invert_decision.register
def _(answer: tuple, conn: Connection) -> object:  # type: ignore[type-arg] # singledispatch requires the bare class
    """Return the other candidates for endpoints, and a refusal for next hops of the load balancer."""
    if any(isinstance(one, Connection) for one in answer):
        return Disposition.CLOSED
    return tuple(one for one in conn.candidates if one not in answer)
