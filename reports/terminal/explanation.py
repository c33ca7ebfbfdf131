"""Why a cell has its expected answer: each path, step by step, with rule, sentence and citation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.catalogue import REPORTED, confirmed, step_of, versions
from probes.oracle.connection import Connection, Disposition, EndpointPool, Packet
from probes.oracle.expectation import Path
from probes.oracle.predict import model_cluster, trace_paths
from probes.oracle.stages.endpoints import usable_endpoints
from reports import formatting
from reports.records.prediction import name_for
from reports.records.schema import ReportModel
from reports.terminal.theme import to_text
from topologies.cluster_state.endpoint_conditions import Conditions, describe
from topologies.cluster_state.snapshot import Endpoint
from topologies.common.addresses import IPAddress
from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerAffinity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

    from probes.oracle.rule import Decision
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

_AFFINITIES = {
    BalancerAffinity.CLIENT_IP: "one of them for all connections of the client",
    BalancerAffinity.NONE: "one of them for each connection",
}
_FATES = {
    Disposition.REJECTED: "refused by ICMP",
    Disposition.CLOSED: "refused by RST: a closed port",
    Disposition.HELD: "refused, or connected and never answered",
    Disposition.DROPPED: "dropped",
    Disposition.ASTRAY: "no host has the destination address",
    Disposition.UNSERVED: "an echo pod that does not serve",
    Disposition.UNNAMED: "no such name",
    Disposition.LEAVES: "leaves the rules, towards the owner of the address",
    Disposition.LEAVES_MASQUERADED: "leaves the rules masqueraded, towards the owner of the address",
}


class ExplanationStep(ReportModel):
    """One decision: the step of the journey, what was decided there, and the rule that decided it.

    `confirmed`: the recordings of a real kube-proxy that show it; empty if the rule is known only from the source.
    """

    step: str
    decided: str
    rule: str
    sentence: str
    versions: str
    citation: str
    confirmed: tuple[str, ...]


class ExplainedPath(ReportModel):
    """One possible path of a connection: its probability, its result, and its steps in the packet's order."""

    share: float
    result: str
    steps: tuple[ExplanationStep, ...]


def explain(topology: Topology, snapshot: Snapshot, cell: Cell) -> tuple[ExplainedPath, ...]:
    """Return every path of this cell; paths with the same steps are joined, their shares added."""
    called = name_for(topology, snapshot, cell, AddressNames.of(topology, snapshot))
    shares: dict[tuple[str, tuple[ExplanationStep, ...]], float] = {}
    for way in trace_paths(model_cluster(topology, snapshot), cell):
        after = (*way.decisions[1:], None)
        steps = tuple(_step(taken, then, called) for taken, then in zip(way.decisions, after, strict=True))
        key = _result(way.path, called), steps
        shares[key] = shares.get(key, 0) + way.path.share
    return tuple(ExplainedPath(share=share, result=result, steps=steps) for (result, steps), share in shares.items())


def render(title: str, paths: Iterable[ExplainedPath], width: int = 120, *, color: bool = False) -> str:
    """Return the paths as text of at most `width` columns, without the first steps that a path shares with the last."""
    listed = tuple(paths)
    blocks: list[RenderableType] = [Text(title, style="bold")]
    known: set[str] = set()
    before: tuple[ExplanationStep, ...] = ()
    for number, path in enumerate(listed, start=1):
        place = (
            "the only path"
            if len(listed) == 1
            else f"path {number} of {len(listed)}, {formatting.format_percent(path.share)}"
        )
        blocks.append(Text(f"\n{place}: {path.result}", style="bold"))
        shared = _shared(before, path.steps)
        if shared:
            blocks.append(_line(f"1-{shared}" if shared > 1 else "1", Text("as in the path before", style="dim")))
        for index, step in enumerate(path.steps[shared:], start=shared + 1):
            blocks.append(_line(str(index), _describe_step(step, full=step.rule not in known)))
            known.add(step.rule)
        before = path.steps
    return to_text(blocks, width, color=color)


def _shared(one: tuple[ExplanationStep, ...], other: tuple[ExplanationStep, ...]) -> int:
    """Return how many first steps two paths share."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _line(number: str, text: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=4, justify="right")
    grid.add_column(overflow="fold")
    grid.add_row(number, text)
    return grid


def _describe_step(step: ExplanationStep, *, full: bool) -> Text:
    """Return step, decision and rule; `full`: with the rule's sentence and source, which are shown once."""
    text = Text(f"{re.split('[,:]', step.step)[0]}: ", style="dim").append(step.decided, style="not dim")
    if not full:
        return text.append(f"   {step.rule}", style="not dim")
    since = "" if step.versions == "all" else f"kube-proxy {step.versions}; "
    text.append(f"\n{step.rule}  {step.sentence}", style="not dim")
    return text.append(f"\n{since}{step.citation}; {_seen(step)}")


def _seen(step: ExplanationStep) -> str:
    """Return the real kube-proxies that showed it: `seen: iptables 1.20.2, 1.30.3; ipvs 1.24.3`."""
    modes: dict[str, set[str]] = {}
    for place in step.confirmed:
        mode, version, _ = place.split(" ", 2)
        modes.setdefault(mode, set()).add(version)
    modes_seen = "; ".join(f"{mode} {', '.join(sorted(found))}" for mode, found in sorted(modes.items()))
    return f"seen: {modes_seen}" if modes_seen else "reported" if REPORTED in step.citation else "not seen yet"


def to_json(cell: str, paths: Iterable[ExplainedPath]) -> str:
    """Return the paths as JSON."""
    content = {
        "schema_version": "1",
        "kind": "why",
        "cell": cell,
        "ways": [one.model_dump(mode="json") for one in paths],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _result(path: Path, called: Callable[[IPAddress], str]) -> str:
    return formatting.summarize_expected(
        [(path.outcome, [called(source) for source in sorted(path.sources)], path.backend)], sticky=False
    )


def _step(taken: Decision[Any], then: Decision[Any] | None, called: Callable[[IPAddress], str]) -> ExplanationStep:
    rule = taken.rule
    return ExplanationStep(
        step=step_of(rule, taken.connection.environment.mode),
        decided=_Decided(taken.connection, then.connection if then else None, called).describe(taken.value),
        rule=rule.id,
        sentence=rule.sentence,
        versions=versions(rule),
        citation=rule.citation,
        confirmed=confirmed(rule),
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    """A rule's answer in words, for the connection at this decision and at the next."""

    conn: Connection
    then: Connection | None
    called: Callable[[IPAddress], str]

    def describe(self, value: Any) -> str:  # noqa: ANN401 - whatever a rule answered
        """Return any rule's answer in words."""
        if isinstance(value, bool):
            return "marked for masquerade" if value else "not marked"
        if isinstance(value, Disposition):
            return _FATES.get(value, value.value)
        if isinstance(value, EndpointPool):
            return self._pool(value)
        if isinstance(value, Packet):
            return self._packet(value)
        if isinstance(value, Outcome):
            return "the answer comes back" if value is Outcome.OK else f"the client sees {value.value}"
        return self._other(value)

    def _pool(self, pool: EndpointPool) -> str:
        names = [f"{one.backend} on {one.node}" for one in usable_endpoints(self.conn, pool)]
        kind = "all endpoints" if pool is EndpointPool.ALL else f"the endpoints of {self.conn.packet.node}"
        return f"{kind}: {', '.join(names) or 'none'}"

    def _packet(self, packet: Packet) -> str:
        place = f"{packet.node}'s rules see it" if packet.node else "outside the cluster"
        return f"{place}, from {self._address(packet.source)}"

    def _address(self, address: IPAddress) -> str:
        name = self.called(address)
        return str(address) if name == str(address) else f"{address} ({name})"

    def _other(self, value: Any) -> str:  # noqa: ANN401 - whatever a rule answered
        if isinstance(value, IPAddress):
            endpoint = self.conn.endpoint
            return (
                f"{endpoint.backend} on {endpoint.node} sees {self._address(value)}"
                if endpoint
                else self._address(value)
            )
        if isinstance(value, BalancerAffinity):
            return _AFFINITIES[value]
        if isinstance(value, FrontendKind):
            return f"{value} {self._address(self.conn.target)}"
        if isinstance(value, Path):
            return _result(value, self.called)
        return self._following(value)

    def _following(self, value: Any) -> str:  # noqa: ANN401 - whatever a rule answered
        if isinstance(value, Connection):
            return f"arrives at {value.packet.node}, from {self._address(value.packet.source)}"
        if isinstance(value, tuple) and all(isinstance(one, Endpoint) for one in value):
            return ", ".join(f"{one.backend} on {one.node}{_state(one)}" for one in value) or "none"
        if isinstance(value, tuple) and all(isinstance(one, Connection) for one in value):
            return self._onward(value)
        return str(value)

    def _onward(self, ways: tuple[Connection, ...]) -> str:
        """Return the next node of this path, and the nodes among which it was chosen."""
        nodes = list(dict.fromkeys(str(one.packet.node) for one in ways))
        picked = self.then.packet.node if self.then else ""
        if not picked:
            return f"on to {'one of ' if len(nodes) > 1 else ''}{', '.join(nodes)}"
        among = f", one of {', '.join(nodes)}" if len(nodes) > 1 else ""
        return f"on to {picked}{among}, from {self._address(ways[0].packet.source)}"


def _state(endpoint: Endpoint) -> str:
    """Return ` (terminating and serving)`, or an empty string for a ready endpoint."""
    conditions = Conditions(endpoint.ready, endpoint.serving, endpoint.terminating)
    return "" if endpoint.ready else f" ({describe(conditions)})"
