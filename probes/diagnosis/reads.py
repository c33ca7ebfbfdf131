"""What the prediction of a cell reads: facts, and decisions of rules. A change of something else cannot affect it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from probes.oracle.environment import READS, Environment
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from probes.oracle.connection import Connection
    from probes.oracle.upstream import KubeProxyChange, VersionRange

VERSION, MODE = "version", "mode"
RECORDED = frozenset({read.path for name, read in READS.items() if name != MODE})  # the mode selects the chains too
_split = lru_cache(maxsize=4096)(facts.split)
Question = tuple[str, "Callable[[Any], bool]"]


class RangeRead(NamedTuple):
    """A version range that decides whether a rule holds on a node, and whether it does."""

    place: str
    versions: VersionRange
    holds: bool


@dataclass(slots=True)
class CellReads:
    """What the prediction of one cell reads."""

    decisions: set[tuple[str, str]] = field(default_factory=set)
    """The rules that decided, each with the node that processed the packet then."""
    services: set[str] = field(default_factory=set)
    """The Services whose rules a packet met."""
    nodes: set[str] = field(default_factory=set)
    """The nodes that processed a packet, sent it, or have an endpoint that was selected."""
    facts: set[tuple[str, str]] | None = None
    """The nodes (empty: none) and the facts that the rules read there. None: not recorded, so any may be."""
    versions: set[Question] = field(default_factory=set)
    """The nodes, and which changes of kube-proxy the rules asked for there."""
    made: list[tuple[str, Connection]] = field(default_factory=list)
    """The rules that decided, each with the connection before its decision."""
    ranges: set[RangeRead] | None = None
    """The version ranges that these decisions depend on, found at their first use."""

    def note(self, rule: str, decision: object, conn: Connection) -> Any:  # noqa: ANN401 - returns the decision
        """Record the decision of a rule and return it unchanged."""
        self.decisions.add((rule, conn.packet.node))
        self.made.append((rule, conn))
        self.services.add(conn.state.name)
        self.nodes.update((conn.packet.node, conn.packet.client_node, conn.target_node))
        if conn.endpoint is not None:
            self.nodes.add(conn.endpoint.node)
        return decision

    def reads_fact(self, path: str, value: object, was: object) -> bool:
        """Return whether another value of a fact can change what the rules read."""
        node, own = _split(path)
        if self.facts is None or own not in RECORDED:
            return not node or node in self.nodes
        if own == READS[VERSION].path:
            return self._reads_version(node, value, was)
        return (node, own) in self.facts if node else any(name == own for _, name in self.facts)

    def _reads_version(self, node: str, value: Any, was: Any) -> bool:  # noqa: ANN401 - versions
        """Return whether another version of kube-proxy has other changes that were asked for, or other rules decide."""
        if self.ranges is None:
            self.ranges = {found for rule, conn in self.made for found in find_ranges(rule, conn)}
        asked = any(node in {"", place} and question(value) != question(was) for place, question in self.versions)
        return asked or any(
            node in {"", one.place} and one.versions.includes(value) != one.holds for one in self.ranges
        )

    def has_rule(self, rule: str, node: str = "") -> bool:
        """Return whether a rule decided, on this node or with an empty name on any."""
        return any(name == rule and node in {"", place} for name, place in self.decisions)


def find_ranges(rule: str, conn: Connection) -> Iterator[RangeRead]:
    """Yield the version ranges on which it depends that this rule decides and no earlier one of its chain."""
    for chain in conn.chains.all:
        place = next((index for index, one in enumerate(chain) if one.id == rule), None)
        if place is None:
            continue
        if chain[place].versions.changes:
            yield RangeRead(conn.place, chain[place].versions, holds=True)
        for one in chain[:place]:
            if one.versions.changes and not conn.environment.runs(one.versions) and one.step(conn) is not None:
                yield RangeRead(conn.place, one.versions, holds=False)


_CURRENT: ContextVar[CellReads | None] = ContextVar("current", default=None)


@contextmanager
def record_reads(*, with_facts: bool) -> Iterator[CellReads]:
    """Record what predictions read within the context.

    Recording environments record facts. `ChangedJudge` notes decisions.

    Args:
        with_facts: All environments of the model are recording ones.

    """
    reads = CellReads(facts=set() if with_facts else None)
    token = _CURRENT.set(reads)
    try:
        yield reads
    finally:
        _CURRENT.reset(token)


def find_current_reads() -> CellReads | None:
    """Return what is being recorded; None if nothing is."""
    return _CURRENT.get()


class RecordingEnvironment(Environment):
    """The environment of a node that records what is read of it."""

    __slots__ = ("place",)
    place: str

    @classmethod
    def around(cls, known: Environment, place: str) -> Self:
        """Return a copy of the environment of a node, or with an empty place of the cluster."""
        made = object.__new__(cls)
        for one in fields(known):
            object.__setattr__(made, one.name, getattr(known, one.name))
        object.__setattr__(made, "place", place)
        return made

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - the type of whatever field it is
        """Record the field, unless it is the version, of which rules ask less than the whole."""
        if name in READS and name != VERSION and (reads := _CURRENT.get()) is not None and reads.facts is not None:
            reads.facts.add((object.__getattribute__(self, "place"), READS[name].path))
        return object.__getattribute__(self, name)

    def has(self, change: KubeProxyChange) -> bool:
        """Return whether the node's kube-proxy has a change, and record the question."""
        if (reads := _CURRENT.get()) is not None:
            reads.versions.add((self.place, change.is_in))
        return change.is_in(self.version)
