"""Read what a suite's test promises (`expects="ok kept"`), and compare it with the oracle's expectation. Pure.

A promise must hold for every cell that its test selects. It never makes a verdict: verdicts come from the oracle's
expectation. It must not contradict that expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.client import client_packet
from topologies.cluster_state.balancer_nodes import undeclared_nodes
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node, Topology

UNANSWERED = "unanswered"


class PromiseError(HairpinError, ValueError):
    """An `expects=` cannot be read. The message has what was given and what is possible."""


class SourceKind(StrEnum):
    """The source address that a backend sees: the client's own, another address of a node, or not promised."""

    KEPT = "kept"
    NODE = "node"
    ANY = "any"


class BackendSet(StrEnum):
    """The backends that answer: all of the Service, those on the node asked, one for all attempts, or not promised."""

    ALL = "from-all"
    LOCAL = "from-local"
    ONE = "from-one"
    ANY = "from-any"


@dataclass(frozen=True, slots=True)
class Promise:
    """The outcomes, the kind of source and the set of backends that a test promises for each of its cells."""

    outcomes: frozenset[Outcome]
    source: SourceKind = SourceKind.ANY
    backends: BackendSet = BackendSet.ANY

    @classmethod
    def parse(cls, text: str) -> Promise:
        """Read `ok kept`, `ok from-all`, `timeout|unreachable`, `unanswered` (every outcome except ok).

        Raises:
            PromiseError: a word is unknown, or a source or backends are promised of connections that are not answered.

        """
        first, *others = text.split() or [""]
        sources, sets = _words(others, SourceKind), _words(others, BackendSet)
        unknown = [word for word in others if word not in {*SourceKind, *BackendSet}]
        outcomes = _outcomes(first)
        if unknown or len(sources) > 1 or len(sets) > 1 or (others and outcomes != {Outcome.OK}):
            raise _unreadable(text)
        source = SourceKind(sources[0]) if sources else SourceKind.ANY
        return cls(outcomes, source, BackendSet(sets[0]) if sets else BackendSet.ANY)

    def contradiction(self, expectation: Expectation, cell: Cell, topology: Topology, snapshot: Snapshot) -> str:
        """Return how the expectation of a cell differs from this promise, or an empty string."""
        if not expectation.outcomes <= self.outcomes:
            return f"{_joined(expectation.outcomes)}, not {_joined(self.outcomes)}"
        own = client_packet(cell.vantage, topology, snapshot).source
        if wrong := self._other_sources(expectation, own, topology, snapshot):
            return f"source {_joined(wrong)}, not {self.source} (the client's own is {own})"
        return self._other_backends(expectation, cell, topology)

    def _other_sources(
        self, expectation: Expectation, own: IPAddress, topology: Topology, snapshot: Snapshot
    ) -> frozenset[IPAddress]:
        """Return the expected source addresses that are not of the promised kind."""
        if self.source is SourceKind.ANY:
            return frozenset()
        if self.source is SourceKind.KEPT:
            return expectation.sources - {own}
        return expectation.sources - (_node_addresses(topology, snapshot) - {own})

    def _other_backends(self, expectation: Expectation, cell: Cell, topology: Topology) -> str:
        if self.backends is BackendSet.ONE:
            return "" if expectation.sticky else "no session affinity"
        backends = topology.backends_of(topology.service(_serving(cell, topology)))
        wanted = {
            BackendSet.ALL: {one.name for one in backends},
            BackendSet.LOCAL: {one.name for one in backends if one.node == (cell.frontend.node or cell.vantage.node)},
            BackendSet.ANY: set(expectation.backends),
        }[self.backends]
        if expectation.backends == wanted:
            return ""
        return f"answered by {_joined(expectation.backends) or 'no backend'}, not by {_joined(wanted)}"


def _serving(cell: Cell, topology: Topology) -> str:
    """Return the Service whose backends answer: the cell's own, or the one that a listener of the balancer leads to."""
    leads = {listener.name: listener.leads_to for listener in topology.load_balancer.listeners}
    return leads.get(cell.frontend.listener or "") or cell.frontend.service


def _words(words: list[str], kinds: type[StrEnum]) -> list[str]:
    return [word for word in words if word in set(kinds)]


def _outcomes(word: str) -> frozenset[Outcome]:
    if word == UNANSWERED:
        return frozenset(Outcome) - {Outcome.OK}
    try:
        return frozenset(Outcome(one) for one in word.split("|"))
    except ValueError as error:
        raise _unreadable(word) from error


def _unreadable(text: str) -> PromiseError:
    outcomes = " ".join(Outcome)
    return PromiseError(
        f"expects={text!r}: want outcomes joined by | ({outcomes}), or {UNANSWERED}; "
        f"after ok also one of {' '.join(SourceKind)} and one of {' '.join(BackendSet)}"
    )


def _node_addresses(topology: Topology, snapshot: Snapshot) -> frozenset[IPAddress]:
    """Return all addresses of all nodes."""
    nodes = (*topology.nodes, *undeclared_nodes(topology, snapshot))
    return frozenset(address for node in nodes for address in _addresses(topology, node) if address)


def _addresses(topology: Topology, node: Node) -> tuple[IPAddress | None, ...]:
    devices = topology.cni.bridge_address_of(node), topology.cni.tunnel_address_of(node)
    return node.address, node.secondary_address, node.public_address, *devices


def _joined(words: object) -> str:
    return " and ".join(sorted(map(str, words)))  # type: ignore[call-overload] # any set of words
