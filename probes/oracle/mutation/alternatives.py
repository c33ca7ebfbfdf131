"""The natural alternative of a rule's decision: what would happen without the rule.

A recording confirms a rule only if it contradicts this alternative (`python -m tests.confirmed`). The alternative is
always a result that some kube-proxy gives. Results that no kube-proxy gives, such as an address without an owner, are
in `mutations.py`, which proves that the suites detect any change.

| decision of the rule | natural alternative |
|---|---|
| a pool | the other pool |
| marked, or pod traffic | the negation |
| the load balancer's session affinity | the other value |
| the address that a name gives | no such name |
| the usable endpoints | all candidates, ready or not |
| an address, or a packet with one | the original source if the rule rewrites it; if not, a rewritten one |
| a result without endpoint, a listener | the decision of the next rule in the chain; if none, the other result |
| the nodes of a target pool | all nodes if the pool has some, the nodes with an endpoint if it has all |
| whether the reply arrives | the opposite |
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.catalogue import STEPS
from probes.oracle.connection import Connection, Disposition, EndpointPool, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.mutation.mutations import OPPOSITE
from probes.oracle.node_addresses import address_towards_endpoint
from probes.oracle.rule import Rule, replace_decisions
from probes.oracle.stages import endpoints
from topologies.common.addresses import IPAddress
from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerAffinity

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def assume_alternative(rule: str) -> Iterator[None]:
    """Replace the decisions of one rule by their natural alternatives within the context."""
    with replace_decisions(NaturalAlternative(rule)):
        yield


@dataclass(frozen=True, slots=True)
class NaturalAlternative:
    """A replacement of one rule's decisions by their natural alternatives."""

    rule: str

    def __call__(self, name: str, answer: object, conn: Connection) -> object:
        return self.to(answer, conn) if name == self.rule else answer

    @singledispatchmethod
    def to(self, answer: Any, conn: Connection) -> object:  # noqa: ANN401 - one case per type below
        """Return the natural alternative of a decision."""
        message = f"no natural alternative for {type(answer).__name__} of {conn.state.name}"
        raise TypeError(message)

    @to.register
    def _(self, answer: bool, conn: Connection) -> object:
        return not answer

    @to.register
    def _(self, answer: FrontendKind, conn: Connection) -> object:
        return self._next(conn, Disposition.UNNAMED)

    @to.register
    def _(self, answer: EndpointPool, conn: Connection) -> object:
        return EndpointPool.LOCAL if answer is EndpointPool.ALL else EndpointPool.ALL

    @to.register
    def _(self, answer: BalancerAffinity, conn: Connection) -> object:
        return answer.other

    @to.register
    def _(self, answer: Outcome, conn: Connection) -> object:
        return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK

    @to.register
    def _(self, answer: Disposition, conn: Connection) -> object:
        return self._next(conn, OPPOSITE[answer])

    @to.register
    def _(self, answer: Path, conn: Connection) -> object:
        return self._next(conn, Disposition.CLOSED)

    @to.register
    def _(self, answer: Connection, conn: Connection) -> object:
        return Disposition.DROPPED

    @to.register
    def _(self, answer: IPAddress, conn: Connection) -> object:
        return conn.packet.source if answer != conn.packet.source else _rewritten(conn)

    @to.register
    def _(self, answer: Packet, conn: Connection) -> object:
        if answer.source != conn.packet.source:
            return replace(answer, source=conn.packet.source)
        return self._next(conn, replace(answer, source=_masqueraded_on_the_way(conn)))

    @to.register
    def _(self, answer: tuple, conn: Connection) -> object:  # type: ignore[type-arg] # singledispatch requires the bare class
        if any(isinstance(one, Connection) for one in answer):
            return _other_nodes(answer, conn)
        return self._next(conn, ()) if self.rule != endpoints.ready_only.id else conn.candidates

    def _next(self, conn: Connection, default: object) -> object:
        """Return the decision of the rules after this one in the same chain."""
        chain = _chain(self.rule, conn)
        after = [one.id for one in chain].index(self.rule) + 1
        covering = (one for one in chain[after:] if conn.environment.runs(one.versions))
        answers = (one.step(conn) for one in covering)
        return next((answer for answer in answers if _leads_on(answer, conn)), default)


def _leads_on(answer: object, conn: Connection) -> bool:
    """Return whether a decision has a next hop, and does not loop between a node and the load balancer."""
    if isinstance(answer, Packet):
        return bool(answer.node)
    if isinstance(answer, tuple):
        return bool(answer) and not conn.returned
    return answer is not None


def _chain(name: str, conn: Connection) -> tuple[Rule[Any], ...]:
    network = (chain for _, chain in STEPS)
    chains = (*conn.chains.all, *network)
    return next(chain for chain in chains if name in {one.id for one in chain})


def _rewritten(conn: Connection) -> IPAddress:
    """Return the source address after masquerade, towards the endpoint or the load balancer."""
    if conn.endpoint is not None:
        return address_towards_endpoint(conn)
    return _masqueraded_on_the_way(conn)


def _masqueraded_on_the_way(conn: Connection) -> IPAddress:
    """Return the address of a pod's node, or of an outside client's gateway.

    A host-network process has no other address.
    """
    if conn.packet.origin is Origin.EXTERNAL:
        return conn.cluster.topology.load_balancer.address or conn.packet.source
    return conn.client_node.address if conn.packet.origin is Origin.POD else conn.packet.source


def _other_nodes(answer: tuple[Connection, ...], conn: Connection) -> tuple[Connection, ...]:
    nodes = conn.cluster.topology.nodes
    served = {endpoint.node for endpoint in answer[0].state.endpoints if endpoint.ready}
    others = [node for node in nodes if node.name in served] if len(answer) == len(nodes) else list(nodes)
    return tuple(_at(answer[0], node.name) for node in others) or answer


def _at(conn: Connection, node: str) -> Connection:
    address = conn.cluster.topology.node(node).address
    target = address if conn.target in {one.address for one in conn.cluster.topology.nodes} else conn.target
    return replace(conn, target=target, target_node=node, packet=replace(conn.packet, node=node))
