"""Runs a connection through the steps: arrival, endpoint selection, mark, source address, return path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.connection import Fate, Flow, Origin
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import towards_endpoint
from probes.oracle.rule import decide
from probes.oracle.stages.arrival import BASELINE, LEAVING
from probes.oracle.stages.endpoints import pooled
from probes.oracle.stages.host_ports import LISTENING
from probes.oracle.stages.node_owned_addresses import HOLDING, is_held
from probes.oracle.stages.source_nat import UNTOUCHED_BY_PROXY
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.modes.mode_chains import ModeChains

Paths = tuple[Path, ...]


def paths(flow: Flow) -> Paths:
    """Return all paths that this connection may take, with their shares and rules."""
    if flow.kind is FrontendKind.ENDPOINT:
        return _directly(flow)
    arrival = decide(flow.world.chains.arrival, flow)
    rules = (arrival.rule.id,)
    if isinstance(arrival.value, Fate):
        return _ended(flow, arrival.value, rules)
    return told(_processed(replace(flow, packet=arrival.value)), rules)


def told(ways: Iterable[Path], rules: tuple[str, ...], share: float = 1.0) -> Paths:
    """Return the paths with `rules` put in front, and each share multiplied by `share`."""
    return tuple(replace(way, rules=rules + way.rules, share=way.share * share) for way in ways)


def _processed(flow: Flow) -> Paths:
    """Return the paths from the processing node on: endpoint selection, mark, then each endpoint."""
    mode = flow.world.chains
    course = decide(mode.pool, flow)
    rules = (course.rule.id,)
    if isinstance(course.value, Fate):
        return _ended(flow, course.value, rules)
    endpoints = pooled(flow, course.value)
    if not endpoints:
        return told(Fate.DROPPED.paths(), rules)
    mark = decide(mode.mark, flow)
    marked = replace(flow, marked=mark.value)
    each = (_to_endpoint(replace(marked, endpoint=one), mode) for one in endpoints)
    return tuple(way for one in each for way in told([one], (*rules, mark.rule.id), 1 / len(endpoints)))


def _to_endpoint(flow: Flow, mode: ModeChains) -> Path:
    source = decide(mode.source, flow)
    return told([_answered(replace(flow, seen=source.value), mode)], (source.rule.id,))[0]


def _answered(flow: Flow, mode: ModeChains) -> Path:
    reply = decide(mode.reply, flow)
    if reply.value is not Outcome.OK or flow.seen is None:
        return Path(reply.value, rules=(reply.rule.id,))
    return Path(Outcome.OK, frozenset({flow.seen}), flow.chosen.backend, rules=(reply.rule.id,))


def _ended(flow: Flow, fate: Fate, rules: tuple[str, ...]) -> Paths:
    if fate.leaves:
        return told(_past_the_rules(flow, fate), rules)
    return told(_at_the_node_itself(flow) if fate is Fate.HOST else fate.paths(), rules)


def _at_the_node_itself(flow: Flow) -> Paths:
    """Return the paths of a packet that no rule translated, to an address of the node itself."""
    listener = decide(LISTENING, flow)
    ways = listener.value.paths() if isinstance(listener.value, Fate) else (listener.value,)
    return told(ways, (listener.rule.id,))


def _past_the_rules(flow: Flow, fate: Fate) -> Paths:
    """Return the paths of a packet that no rule translated, to the host or load balancer that owns the address."""
    leaving = replace(flow, marked=fate is Fate.LEAVES_MASQUERADED)
    if is_held(leaving):
        return _to_its_holder(leaving)
    source = decide(LEAVING, leaving)
    ways: Paths = ()
    for onward in flow.world.balancer.receive(leaving.with_source(source.value)):
        following = onward.next if isinstance(onward.next, tuple) else _processed(onward.next)
        ways += told(following, (source.rule.id, *onward.rules), onward.share)
    return ways


def _to_its_holder(flow: Flow) -> Paths:
    """Return the paths to a load balancer IP or externalIP that a host owns."""
    decision = decide(HOLDING, flow)
    rules = (decision.rule.id,)
    if isinstance(decision.value, Fate):
        return _ended(flow, decision.value, rules)
    return told(_to_another_node(flow, decision.value), rules)


def _to_another_node(flow: Flow, towards: Flow) -> Paths:
    """Return the paths to another node. The packet travels like one to that node's NodePort, with its own target."""
    arrival = decide(flow.world.chains.arrival, towards)
    rules = (arrival.rule.id,)
    if isinstance(arrival.value, Fate):
        return _ended(towards, arrival.value, rules)
    there = replace(flow, packet=arrival.value, target=replace(towards, packet=arrival.value).reached)
    return told(_processed(there) if there.is_frontend else _at_the_node_itself(there), rules)


def _directly(flow: Flow) -> Paths:
    """Return the paths of a direct connection to an echo pod."""
    arrival = decide(BASELINE, flow)
    rules = (arrival.rule.id,)
    if isinstance(arrival.value, Fate):
        return told(arrival.value.paths(), rules)
    mode = flow.world.chains
    there = replace(flow, packet=arrival.value)
    if there.packet.origin is Origin.NODE:
        return told([_answered(replace(there, seen=towards_endpoint(there)), mode)], rules)
    source = decide(UNTOUCHED_BY_PROXY, there)
    return told([_answered(replace(there, seen=source.value), mode)], (*rules, source.rule.id))
