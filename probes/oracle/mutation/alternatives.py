"""The natural alternative of a rule's decision: what would happen without the rule.

A recording confirms a rule only if it contradicts this alternative (`python -m tests.confirmed`). The alternative is
always a result that some kube-proxy gives. Results that no kube-proxy gives, such as an address without an owner, are
in `mutations.py`, which proves that the suites detect any change.

| decision of the rule | natural alternative |
|---|---|
| a pool | the other pool |
| marked, or pod traffic | the negation |
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
from probes.oracle.connection import Fate, Flow, Origin, Packet, Pool
from probes.oracle.expectation import Path
from probes.oracle.mutation.mutations import OTHER_END
from probes.oracle.node_addresses import towards_endpoint
from probes.oracle.rule import Rule, bent
from probes.oracle.stages import endpoints
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def assume_alternative(rule: str) -> Iterator[None]:
    """Replace the decisions of one rule by their natural alternatives within the context."""
    with bent(NaturalAlternative(rule)):
        yield


@dataclass(frozen=True, slots=True)
class NaturalAlternative:
    """A replacement of one rule's decisions by their natural alternatives."""

    rule: str

    def __call__(self, name: str, answer: object, flow: Flow) -> object:
        return self.to(answer, flow) if name == self.rule else answer

    @singledispatchmethod
    def to(self, answer: Any, flow: Flow) -> object:  # noqa: ANN401 - one case per type below
        """Return the natural alternative of a decision."""
        message = f"no natural alternative for {type(answer).__name__} of {flow.state.name}"
        raise TypeError(message)

    @to.register
    def _(self, answer: bool, flow: Flow) -> object:  # noqa: ARG002 - the dispatcher defines the signature
        return not answer

    @to.register
    def _(self, answer: Pool, flow: Flow) -> object:  # noqa: ARG002 - as above
        return Pool.LOCAL if answer is Pool.ALL else Pool.ALL

    @to.register
    def _(self, answer: Outcome, flow: Flow) -> object:  # noqa: ARG002 - as above
        return Outcome.TIMEOUT if answer is Outcome.OK else Outcome.OK

    @to.register
    def _(self, answer: Fate, flow: Flow) -> object:
        return self._next(flow, OTHER_END[answer])

    @to.register
    def _(self, answer: Path, flow: Flow) -> object:  # noqa: ARG002 - as above
        return self._next(flow, Fate.CLOSED)

    @to.register
    def _(self, answer: Flow, flow: Flow) -> object:  # noqa: ARG002 - as above
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
    def _(self, answer: tuple, flow: Flow) -> object:  # type: ignore[type-arg] # singledispatch requires the bare class
        if any(isinstance(one, Flow) for one in answer):
            return _other_nodes(answer, flow)
        return self._next(flow, ()) if self.rule != endpoints.ready_only.id else flow.candidates

    def _next(self, flow: Flow, otherwise: object) -> object:
        """Return the decision of the rules after this one in the same chain."""
        chain = _chain(self.rule, flow)
        after = [one.id for one in chain].index(self.rule) + 1
        covering = (one for one in chain[after:] if one.versions.includes(flow.version))
        answers = (one.step(flow) for one in covering)
        return next((answer for answer in answers if _leads_on(answer, flow)), otherwise)


def _leads_on(answer: object, flow: Flow) -> bool:
    """Return whether a decision has a next hop, and does not loop between a node and the load balancer."""
    if isinstance(answer, Packet):
        return bool(answer.node)
    if isinstance(answer, tuple):
        return bool(answer) and not flow.returned
    return answer is not None


def _chain(name: str, flow: Flow) -> tuple[Rule[Any], ...]:
    network = (chain for _, chain in STEPS)
    chains = (*flow.world.chains.all, *network)
    return next(chain for chain in chains if name in {one.id for one in chain})


def _rewritten(flow: Flow) -> IPAddress:
    """Return the source address after masquerade, towards the endpoint or the load balancer."""
    if flow.endpoint is not None:
        return towards_endpoint(flow)
    return _masqueraded_on_the_way(flow)


def _masqueraded_on_the_way(flow: Flow) -> IPAddress:
    """Return the address of a pod's node, or of an outside client's gateway.

    A host-network process has no other address.
    """
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
