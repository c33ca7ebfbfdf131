"""Runs a connection through the steps: arrival, endpoint selection, mark, source address, return path.

Every function returns the paths from its step on. A path has the decisions of the rules that lead to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.assignments import NONE
from probes.oracle.connection import Connection, Disposition, EndpointPool, Origin, Packet
from probes.oracle.expectation import Path
from probes.oracle.node_addresses import address_towards_endpoint
from probes.oracle.rule import Decision, decide
from probes.oracle.stages.arrival import BASELINE, LEAVING
from probes.oracle.stages.endpoints import list_readiness, usable_endpoints
from probes.oracle.stages.host_ports import LISTENING
from probes.oracle.stages.load_balancer import RECEIVING
from probes.oracle.stages.node_firewall import OF_THE_NODE, RECEIVED, received_by_node, virtual_server_dropped
from probes.oracle.stages.node_owned_addresses import OWNED, has_owner
from probes.oracle.stages.service_names import NAMES
from probes.oracle.stages.source_nat import UNTOUCHED_BY_PROXY
from probes.oracle.stages.traffic_policies import is_external_local
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from probes.oracle.assignments import AssignmentSets
    from probes.oracle.rule import Rule
    from probes.oracle.stages.arrival import Arrival


RECEPTIONS = frozenset(RECEIVING)
# kube-proxy accepted the connection and gives up on the endpoint after 5 s (localnodeportproxy dialTimeout)
UNANSWERED = tuple(Path(outcome, share=0.5) for outcome in (Outcome.HANG, Outcome.RESET))
Decisions = tuple[Decision[Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class TracedPath:
    """One path that a connection may take, with the decisions of the rules."""

    end: Path
    """The outcome, source, backend and share, without rules."""
    decisions: Decisions = ()
    """The decisions in the order in which a packet meets them."""
    variants: tuple[tuple[TracedPath, int], ...] = ()
    """The ways from these decisions to the end of which unknown facts decide, with the values of the facts for each."""
    receptions: frozenset[str] = frozenset()
    """The rules by which the load balancer decided on the packet."""
    selected: str = ""
    """The node that the load balancer selected for this connection alone, or the node of the selected pod."""

    @property
    def path(self) -> Path:
        """The path with the ids of its rules."""
        return replace(self.end, rules=tuple(decision.rule.id for decision in self.decisions))

    def preceded_by(self, decisions: Decisions, share: float) -> TracedPath:
        """Return the path with earlier decisions, and with its share multiplied by `share`."""
        end = self.end if share == 1.0 else replace(self.end, share=self.end.share * share)
        receptions = self.receptions.union(one.rule.id for one in decisions if one.rule in RECEPTIONS)
        return TracedPath(end, (*decisions, *self.decisions), self.variants, receptions, self.selected)

    def list_ways(self, sets: AssignmentSets, left: int) -> Iterator[tuple[TracedPath, int]]:
        """Yield each way that is possible with the values of facts that are left, without variants, and its values."""
        if not self.variants:
            yield self, left
        for following, values in self.variants:
            if both := sets.intersect(left, values):
                for one, rest in following.list_ways(sets, both):
                    yield replace(self, decisions=(*self.decisions, *one.decisions), variants=()), rest


Paths = tuple[TracedPath, ...]


def paths(conn: Connection) -> Paths:
    """Return all paths that this connection may take, with their shares and decisions."""
    return _share(_start, conn)


def _share(step: Callable[[Connection], Paths], conn: Connection) -> Paths:
    """Return the paths from a step on. With unknown facts, what follows forks over different paths only."""
    if (choices := conn.cluster.choices) is None:
        return step(conn)
    merge = partial(_merge, choices.sets)
    return choices.share((step, conn.identity), partial(step, conn), _identify, merge)


def _identify(found: Paths) -> object:
    """Return what paths have in common if no observation distinguishes them."""
    return tuple((one.end, one.receptions, one.selected) for one in found)


def _merge(sets: AssignmentSets, found: Sequence[tuple[Paths, int]]) -> Paths:
    """Return paths with variants for results that differ in the decisions of rules only."""
    values = [left for _, left in found]
    return tuple(
        _merge_path(sets, list(zip(each, values, strict=True))) for each in zip(*(one for one, _ in found), strict=True)
    )


def _merge_path(sets: AssignmentSets, found: Sequence[tuple[TracedPath, int]]) -> TracedPath:
    variants: dict[object, tuple[TracedPath, int]] = {}
    for one, left in found:
        key = tuple((made.rule.id, made.connection.place) for made in one.decisions), one.variants
        first, values = variants.get(key, (one, NONE))
        variants[key] = first, sets.unite(values, left)
    first, _ = found[0]
    return first if len(variants) == 1 else replace(first, decisions=(), variants=tuple(variants.values()))


def _start(conn: Connection) -> Paths:
    if conn.kind is FrontendKind.ENDPOINT:
        return _connect_directly(conn)
    if conn.kind is FrontendKind.DNS_NAME:
        return _look_up_name(conn)
    arrival = decide(_arrival_chain(conn), conn)
    if isinstance(arrival.value, Disposition):
        return _end(conn, arrival.value, arrival)
    return _precede(_process(replace(conn, packet=arrival.value)), arrival)


def _look_up_name(conn: Connection) -> Paths:
    """Return the paths of a connection to the address that the Service's name gives."""
    found = decide(NAMES, conn)
    if isinstance(found.value, Disposition):
        return _precede(_ends(found.value.paths()), found)
    return _precede(_start(replace(conn, kind=found.value)), found)


def _arrival_chain(conn: Connection) -> tuple[Rule[Arrival], ...]:
    return conn.cluster.chains_between(conn.place, conn.target_node or conn.place).arrival


def _precede(later: Iterable[TracedPath], *decisions: Decision[Any], share: float = 1.0) -> Paths:
    """Return the paths with earlier decisions, and with each share multiplied by `share`."""
    return tuple(path.preceded_by(decisions, share) for path in later)


def _ends(ends: Iterable[Path]) -> Paths:
    return tuple(TracedPath(end) for end in ends)


def _process(conn: Connection) -> Paths:
    """Return the paths from the processing node on: endpoint selection, mark, then each endpoint."""
    return _share(_select, conn)


def _select(conn: Connection) -> Paths:
    chains = conn.chains
    selection = decide(chains.pool, conn)
    readiness = list_readiness(conn, selection.value)
    if isinstance(selection.value, Disposition):
        return _precede(_end(conn, selection.value, selection), *readiness)
    endpoints = usable_endpoints(conn, selection.value)
    if not endpoints:
        return _precede(_ends(Disposition.DROPPED.paths()), *readiness, selection)
    mark = decide(chains.mark, conn)
    marked = replace(conn, marked=mark.value)
    each = (path for one in endpoints for path in _share(_send_to_endpoint, replace(marked, endpoint=one)))
    return _precede(each, *readiness, selection, mark, share=1 / len(endpoints))


def _send_to_endpoint(conn: Connection) -> Paths:
    source = decide(conn.chains.source, conn)
    return _precede([_reply(replace(conn, seen=source.value))], source)


def _reply(conn: Connection) -> TracedPath:
    reply = decide(conn.cluster.chains_between(conn.place, conn.chosen.node).reply, conn)
    if reply.value is not Outcome.OK or conn.seen is None:
        return TracedPath(Path(reply.value), (reply,))
    return TracedPath(Path(Outcome.OK, frozenset({conn.seen}), conn.chosen.backend), (reply,))


def _end(conn: Connection, fate: Disposition, decision: Decision[Any]) -> Paths:
    """Return the paths of a packet for which kube-proxy selects no endpoint."""
    if fate.leaves:
        return _precede(_leave(conn, fate), decision)
    if fate in OF_THE_NODE and decision.rule != virtual_server_dropped and received_by_node.step(conn):
        return _precede(_drop_at_node(conn), decision)
    following = {Disposition.HOST: _reach_node, Disposition.PROXIED: _proxy_locally}.get(fate)
    return _precede(following(conn) if following else _ends(fate.paths()), decision)


def _proxy_locally(conn: Connection) -> Paths:
    """Return the paths of a connection that kube-proxy's own process accepts, and connects to each endpoint in turn."""
    endpoints = usable_endpoints(conn, EndpointPool.LOCAL if is_external_local(conn) else EndpointPool.ALL)
    own = Packet(Origin.NODE, conn.node.address, conn.packet.node, conn.packet.node)
    found: Paths = ()
    for one in endpoints:
        direct = replace(conn, kind=FrontendKind.ENDPOINT, at=At.PRIMARY, target=one.address, packet=own, endpoint=one)
        reply = _reply(replace(direct, seen=address_towards_endpoint(direct)))
        ends = (reply.end,) if reply.end.outcome is Outcome.OK else UNANSWERED
        found += _precede(_ends(ends), *reply.decisions, share=1 / len(endpoints))
    return found


def _drop_at_node(conn: Connection) -> Paths:
    """Return the paths of a packet to the node itself, whose chain INPUT drops it."""
    dropped = decide(RECEIVED, conn)
    return _precede(_ends(dropped.value.paths()), dropped)


def _reach_node(conn: Connection) -> Paths:
    """Return the paths of a packet that no rule translated, to an address of the node itself."""
    if received_by_node.step(conn):
        return _drop_at_node(conn)
    listener = decide(LISTENING, conn)
    ends = listener.value.paths() if isinstance(listener.value, Disposition) else (listener.value,)
    return _precede(_ends(ends), listener)


def _leave(conn: Connection, fate: Disposition) -> Paths:
    """Return the paths of a packet that no rule translated, to the host or load balancer that owns the address."""
    leaving = replace(conn, marked=fate is Disposition.LEAVES_MASQUERADED)
    if has_owner(leaving):
        return _reach_owner(leaving)
    source = decide(LEAVING, leaving)
    if isinstance(source.value, Disposition):
        return _precede(_ends(source.value.paths()), source)
    found: Paths = ()
    for hop in conn.cluster.balancer.receive(leaving.with_source(source.value)):
        following = _ends(hop.next) if isinstance(hop.next, tuple) else _arrive(hop.next)
        arrived = _precede(following, source, *hop.decisions, share=hop.share)
        found += tuple(replace(one, selected=hop.selected) for one in arrived) if hop.selected else arrived
    return found


def _arrive(conn: Connection) -> Paths:
    """Return the paths of a packet that the load balancer sent: at a node, or at an endpoint's own address."""
    if conn.kind is not FrontendKind.ENDPOINT:
        return _process(conn)
    source = decide(UNTOUCHED_BY_PROXY, conn)
    return _precede([_reply(replace(conn, seen=source.value))], source)


def _reach_owner(conn: Connection) -> Paths:
    """Return the paths to a load balancer IP or externalIP that a host owns."""
    owner = decide(OWNED, conn)
    if isinstance(owner.value, Disposition):
        return _end(conn, owner.value, owner)
    return _precede(_reach_other_node(conn, owner.value), owner)


def _reach_other_node(conn: Connection, towards: Connection) -> Paths:
    """Return the paths to another node. The packet travels like one to that node's NodePort, with its own target."""
    arrival = decide(_arrival_chain(towards), towards)
    if isinstance(arrival.value, Disposition):
        return _end(towards, arrival.value, arrival)
    there = replace(conn, packet=arrival.value, target=replace(towards, packet=arrival.value).reached)
    return _precede(_process(there) if there.is_frontend else _reach_node(there), arrival)


def _connect_directly(conn: Connection) -> Paths:
    """Return the paths of a direct connection to an echo pod."""
    arrival = decide(BASELINE, conn)
    if isinstance(arrival.value, Disposition):
        return _precede(_ends(arrival.value.paths()), arrival)
    there = replace(conn, packet=arrival.value)
    if there.packet.origin is Origin.NODE:
        return _precede([_reply(replace(there, seen=address_towards_endpoint(there)))], arrival)
    source = decide(UNTOUCHED_BY_PROXY, there)
    return _precede([_reply(replace(there, seen=source.value))], arrival, source)
