"""Runs a connection through the steps: arrival, endpoint selection, mark, source address, return path.

Every function returns the paths from its step on. A path has the decisions of the rules that lead to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.connection import Fate, Flow, Origin
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import towards_endpoint
from probes.oracle.rule import Decision, decide
from probes.oracle.stages.arrival import BASELINE, LEAVING
from probes.oracle.stages.endpoints import pooled
from probes.oracle.stages.host_ports import LISTENING
from probes.oracle.stages.node_owned_addresses import HOLDING, is_held
from probes.oracle.stages.source_nat import UNTOUCHED_BY_PROXY
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class TracedPath:
    """One path that a connection may take, with the decisions of the rules."""

    end: Path
    """The outcome, source, backend and share, without rules."""
    decisions: tuple[Decision[Any], ...] = ()
    """The decisions in the order in which a packet meets them."""

    @property
    def path(self) -> Path:
        """The path with the ids of its rules."""
        return replace(self.end, rules=tuple(decision.rule.id for decision in self.decisions))

    def preceded_by(self, decisions: tuple[Decision[Any], ...], share: float) -> TracedPath:
        """Return the path with earlier decisions, and with its share multiplied by `share`."""
        return TracedPath(replace(self.end, share=self.end.share * share), (*decisions, *self.decisions))


Paths = tuple[TracedPath, ...]


def paths(flow: Flow) -> Paths:
    """Return all paths that this connection may take, with their shares and decisions."""
    if flow.kind is FrontendKind.ENDPOINT:
        return _connect_directly(flow)
    arrival = decide(flow.world.chains.arrival, flow)
    if isinstance(arrival.value, Fate):
        return _end(flow, arrival.value, arrival)
    return _precede(_process(replace(flow, packet=arrival.value)), arrival)


def _precede(later: Iterable[TracedPath], *decisions: Decision[Any], share: float = 1.0) -> Paths:
    """Return the paths with earlier decisions, and with each share multiplied by `share`."""
    return tuple(path.preceded_by(decisions, share) for path in later)


def _ends(ends: Iterable[Path]) -> Paths:
    return tuple(TracedPath(end) for end in ends)


def _process(flow: Flow) -> Paths:
    """Return the paths from the processing node on: endpoint selection, mark, then each endpoint."""
    chains = flow.world.chains
    selection = decide(chains.pool, flow)
    if isinstance(selection.value, Fate):
        return _end(flow, selection.value, selection)
    endpoints = pooled(flow, selection.value)
    if not endpoints:
        return _precede(_ends(Fate.DROPPED.paths()), selection)
    mark = decide(chains.mark, flow)
    marked = replace(flow, marked=mark.value)
    each = (_send_to_endpoint(replace(marked, endpoint=endpoint)) for endpoint in endpoints)
    return _precede(each, selection, mark, share=1 / len(endpoints))


def _send_to_endpoint(flow: Flow) -> TracedPath:
    source = decide(flow.world.chains.source, flow)
    return _reply(replace(flow, seen=source.value)).preceded_by((source,), 1.0)


def _reply(flow: Flow) -> TracedPath:
    reply = decide(flow.world.chains.reply, flow)
    if reply.value is not Outcome.OK or flow.seen is None:
        return TracedPath(Path(reply.value), (reply,))
    return TracedPath(Path(Outcome.OK, frozenset({flow.seen}), flow.chosen.backend), (reply,))


def _end(flow: Flow, fate: Fate, decision: Decision[Any]) -> Paths:
    """Return the paths of a packet for which kube-proxy selects no endpoint."""
    if fate.leaves:
        return _precede(_leave(flow, fate), decision)
    return _precede(_reach_node(flow) if fate is Fate.HOST else _ends(fate.paths()), decision)


def _reach_node(flow: Flow) -> Paths:
    """Return the paths of a packet that no rule translated, to an address of the node itself."""
    listener = decide(LISTENING, flow)
    ends = listener.value.paths() if isinstance(listener.value, Fate) else (listener.value,)
    return _precede(_ends(ends), listener)


def _leave(flow: Flow, fate: Fate) -> Paths:
    """Return the paths of a packet that no rule translated, to the host or load balancer that owns the address."""
    leaving = replace(flow, marked=fate is Fate.LEAVES_MASQUERADED)
    if is_held(leaving):
        return _reach_owner(leaving)
    source = decide(LEAVING, leaving)
    found: Paths = ()
    for hop in flow.world.balancer.receive(leaving.with_source(source.value)):
        following = _ends(hop.next) if isinstance(hop.next, tuple) else _process(hop.next)
        found += _precede(following, source, *hop.decisions, share=hop.share)
    return found


def _reach_owner(flow: Flow) -> Paths:
    """Return the paths to a load balancer IP or externalIP that a host owns."""
    owner = decide(HOLDING, flow)
    if isinstance(owner.value, Fate):
        return _end(flow, owner.value, owner)
    return _precede(_reach_other_node(flow, owner.value), owner)


def _reach_other_node(flow: Flow, towards: Flow) -> Paths:
    """Return the paths to another node. The packet travels like one to that node's NodePort, with its own target."""
    arrival = decide(flow.world.chains.arrival, towards)
    if isinstance(arrival.value, Fate):
        return _end(towards, arrival.value, arrival)
    there = replace(flow, packet=arrival.value, target=replace(towards, packet=arrival.value).reached)
    return _precede(_process(there) if there.is_frontend else _reach_node(there), arrival)


def _connect_directly(flow: Flow) -> Paths:
    """Return the paths of a direct connection to an echo pod."""
    arrival = decide(BASELINE, flow)
    if isinstance(arrival.value, Fate):
        return _precede(_ends(arrival.value.paths()), arrival)
    there = replace(flow, packet=arrival.value)
    if there.packet.origin is Origin.NODE:
        return _precede([_reply(replace(there, seen=towards_endpoint(there)))], arrival)
    source = decide(UNTOUCHED_BY_PROXY, there)
    return _precede([_reply(replace(there, seen=source.value))], arrival, source)
