"""The natural alternative of a rule's answer: what would happen if the rule did not hold.

A recording confirms a rule only if it contradicts this alternative (`python -m tests.confirmed`). It is never an answer
that no kube-proxy gives, such as an empty pool or an address that nobody has; `mutations.py` has those, to prove that
the suites notice any change at all.

| the rule answers | the natural alternative |
|---|---|
| a pool | the other pool |
| marked, or known as a pod's | the negation |
| the endpoints that count | all candidates, ready or not |
| an address, or a packet from one | the source as it was, if the rule rewrites it; rewritten, if the rule keeps it |
| an ending (refused, dropped ...), a listener | what the next rule of the chain says; if none, the other ending |
| the nodes that a load balancer picks from | all nodes, if it picks some; those with an endpoint, if it picks all |
| whether the answer comes back | the opposite |
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.catalogue import STEPS
from probes.oracle.connection import Fate, Flow, Origin, Packet, Pool
from probes.oracle.expectation import Path
from probes.oracle.modes import chains as modes
from probes.oracle.mutation.mutations import OTHER_END
from probes.oracle.node_addresses import towards_endpoint
from probes.oracle.rule import Rule, bent
from probes.oracle.stages import endpoints
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def assume_alternative(rule: str) -> Iterator[None]:
    """Within it the oracle answers as if this rule did not hold."""
    with bent(NaturalAlternative(rule)):
        yield


@dataclass(frozen=True, slots=True)
class NaturalAlternative:
    """The bend that gives the natural alternative wherever one rule answers."""

    rule: str

    def __call__(self, name: str, answer: object, flow: Flow) -> object:
        return self.to(answer, flow) if name == self.rule else answer

    @singledispatchmethod
    def to(self, answer: Any, flow: Flow) -> object:  # noqa: ANN401 - one case per type below
        """Return what would be so instead of this answer."""
        message = f"no natural alternative for {type(answer).__name__} of {flow.state.name}"
        raise TypeError(message)

    @to.register
    def _(self, answer: bool, flow: Flow) -> object:  # noqa: ARG002 - the signature is the dispatcher's
        return not answer

    @to.register
    def _(self, answer: Pool, flow: Flow) -> object:  # noqa: ARG002 - likewise
        return Pool.LOCAL if answer is Pool.ALL else Pool.ALL

    @to.register
    def _(self, answer: Outcome, flow: Flow) -> object:  # noqa: ARG002 - likewise
        return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK

    @to.register
    def _(self, answer: Fate, flow: Flow) -> object:
        return self._next(flow, OTHER_END[answer])

    @to.register
    def _(self, answer: Path, flow: Flow) -> object:  # noqa: ARG002 - likewise
        return self._next(flow, Fate.CLOSED)

    @to.register
    def _(self, answer: Flow, flow: Flow) -> object:  # noqa: ARG002 - likewise
        return Fate.DROPPED

    @to.register
    def _(self, answer: IPAddress, flow: Flow) -> object:
        return flow.packet.source if answer != flow.packet.source else _rewritten(flow)

    @to.register
    def _(self, answer: Packet, flow: Flow) -> object:
        if answer.source != flow.packet.source:
            return replace(answer, source=flow.packet.source)
        return self._next(flow, replace(answer, source=_masqueraded_on_the_way(flow)))

    @to.register
    def _(self, answer: tuple, flow: Flow) -> object:  # type: ignore[type-arg] # singledispatch wants the bare class
        if any(isinstance(one, Flow) for one in answer):
            return _other_nodes(answer, flow)
        return self._next(flow, ()) if self.rule != endpoints.ready_only.id else flow.candidates

    def _next(self, flow: Flow, otherwise: object) -> object:
        """Return what the rules after this one answer, in the chain that the packet is in."""
        chain = _chain(self.rule, flow)
        after = [one.id for one in chain].index(self.rule) + 1
        covering = (one for one in chain[after:] if one.covers(flow.environment.mode, flow.version))
        answers = (one.step(flow) for one in covering)
        return next((answer for answer in answers if _leads_on(answer, flow)), otherwise)


def _leads_on(answer: object, flow: Flow) -> bool:
    """Return whether it is an answer: not to no node, and not round and round between a node and the load balancer."""
    if isinstance(answer, Packet):
        return bool(answer.node)
    if isinstance(answer, tuple):
        return bool(answer) and not flow.returned
    return answer is not None


def _chain(name: str, flow: Flow) -> tuple[Rule[Any], ...]:
    pool = modes.of(flow.environment).pool
    chains = [pool, *(chain for _, chain in STEPS)]
    return next(chain for chain in chains if name in {one.id for one in chain})


def _rewritten(flow: Flow) -> IPAddress:
    """Return the address that a masquerade would give: towards the endpoint, or on the way to the load balancer."""
    if flow.endpoint is not None:
        return towards_endpoint(flow)
    return _masqueraded_on_the_way(flow)


def _masqueraded_on_the_way(flow: Flow) -> IPAddress:
    """Return the address of a pod's node, or of the gateway of an outside client; a node process has no other."""
    if flow.packet.origin is Origin.EXTERNAL:
        return flow.world.topology.load_balancer.address or flow.packet.source
    return flow.home.address if flow.packet.origin is Origin.POD else flow.packet.source


def _other_nodes(answer: tuple[Flow, ...], flow: Flow) -> tuple[Flow, ...]:
    nodes = flow.world.topology.nodes
    served = {endpoint.node for endpoint in answer[0].state.endpoints if endpoint.ready}
    others = [node for node in nodes if node.name in served] if len(answer) == len(nodes) else list(nodes)
    return tuple(_at(answer[0], node.name) for node in others) or answer


def _at(flow: Flow, node: str) -> Flow:
    address = flow.world.topology.node(node).address
    target = address if flow.target in {one.address for one in flow.world.topology.nodes} else flow.target
    return replace(flow, target=target, asked_node=node, packet=replace(flow.packet, node=node))
