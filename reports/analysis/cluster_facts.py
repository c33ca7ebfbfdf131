"""What the topology declares beside what the run read of the cluster, and which facts are unknown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reports.records.run import Run

SECTIONS = ("proxy", "cni", "kernel", "load_balancer")
UNKNOWN = "unknown"
_OF_NODE = re.compile(r"^(?P<what>.+) of (?P<node>[^ ]+)$")
_NOTE = re.compile(r"^(?P<what>[^:]{1,80}): declared (?P<declared>.+?), real (?P<real>.+?) \((?P<where>[^()]*)\)")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class ComparedFact:
    """One fact of the cluster. `real`: as read in this run, or empty."""

    name: str
    declared: str
    real: str = ""
    differs: bool = False
    sharpens: int = 0
    """The number of cells that would have fewer possible results if the fact were known."""

    @property
    def unknown(self) -> bool:
        """Whether the topology leaves it open."""
        return self.declared == UNKNOWN

    @property
    def compared(self) -> bool:
        """Whether it was both declared and read."""
        return bool(self.declared and self.real)


def list_facts(run: Run) -> tuple[ComparedFact, ...]:
    """Return the facts of the run's cluster: those that differ first, then those that were read, then the others."""
    real = _read_facts(run)
    declared, own = run.topology.declared, _node_values(run.topology.declared)
    facts = {
        name: _fact(name, value, own.get(name, {}), real.pop(name, {})) for name, value in _declared_facts(declared)
    }
    facts |= {name: ComparedFact(name, "", _join(found)) for name, found in real.items()}
    facts |= {fact.name: fact for note in run.notes if (fact := _noted(note))}
    facts |= {
        path: replace(facts.get(path, ComparedFact(path, UNKNOWN)), sharpens=cells)
        for path, cells in _sharpening(run).items()
    }
    return tuple(sorted(facts.values(), key=lambda fact: (not fact.differs, not fact.unknown, not fact.compared)))


def _fact(name: str, value: str, own: Mapping[str, str], real: Mapping[str, str]) -> ComparedFact:
    """Compare what is declared for the cluster, or for a node of its own, with what was read."""
    pairs = [(own.get(node, value), one) for node, one in real.items()]
    wrong = any(declared != UNKNOWN and _differs(declared, one) for declared, one in pairs)
    return ComparedFact(name, _join({"": value, **own}), _join(real), wrong)


def _node_values(declared: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the values that nodes declare of their own, by path and node."""
    found: dict[str, dict[str, str]] = {}
    nodes = declared.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        for section in SECTIONS if isinstance(node, dict) else ():
            own = node.get(section)
            for key, value in own.items() if isinstance(own, dict) else ():
                if text := _format(value):
                    found.setdefault(f"{section}.{key}", {})[str(node.get("name"))] = text
    return found


def _declared_facts(declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and the value of each declared fact; facts of the `unknown` list have that as their value."""
    listed = declared.get("unknown")
    unknown = {str(one) for one in listed} if isinstance(listed, list) else set()
    if "kubernetes" in declared:
        yield "kubernetes", str(declared["kubernetes"])
    for section in SECTIONS:
        found = declared.get(section)
        for key, value in found.items() if isinstance(found, dict) else ():
            path = f"{section}.{key}"
            if path in unknown:
                yield path, UNKNOWN
            elif text := _format(value):
                yield path, text
    yield from ((path, UNKNOWN) for path in sorted(unknown) if path.partition(".")[0] not in SECTIONS)


def _format(value: object) -> str:
    """Return a value as YAML has it; empty for null and for what is no plain value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(str(one) for one in value if not isinstance(one, dict))
    return "" if value is None or isinstance(value, dict) else str(value)


def _read_facts(run: Run) -> dict[str, dict[str, str]]:
    """Return what was read, by path and node; the node is empty for what is the cluster's."""
    found: dict[str, dict[str, str]] = {}
    for name, value in run.versions.items():
        match = _OF_NODE.match(name)
        what, node = (match["what"], match["node"]) if match else (name, "")
        if what == "kube-proxy":
            version, _, mode = value.rpartition(" ")
            found.setdefault("proxy.mode", {})[node] = mode
            found.setdefault("proxy.version", {})[node] = version
        elif what in {"kubernetes", "kernel", "kubelet"} or what.startswith(SECTIONS):
            found.setdefault(what, {})[node] = value
    return {what: {node: one for node, one in own.items() if one} for what, own in found.items() if any(own.values())}


def _differs(declared: str, real: str) -> bool:
    """Return whether two values differ; of versions the numbers count, a simulated one is what was declared."""
    if (one := _VERSION.search(declared)) and (other := _VERSION.search(real)):
        return one[0] != other[0]
    return declared.lower() != real.lower()


def _sharpening(run: Run) -> dict[str, int]:
    """Return the unknown facts that would sharpen expectations, with their number of cells."""
    return {one.path: one.cells for one in run.sharpness.facts}


def _noted(note: str) -> ComparedFact | None:
    """Return the difference that a note of the preflight names."""
    found = _NOTE.match(note)
    if found is None:
        return None
    return ComparedFact(found["what"], found["declared"], f"{found['real']} ({found['where']})", differs=True)


def _join(real: Mapping[str, str]) -> str:
    """Return one value for all nodes, or each value with its nodes."""
    nodes: dict[str, list[str]] = {}
    for node, value in real.items():
        nodes.setdefault(value, []).extend([node] if node else [])
    if len(nodes) == 1:
        return next(iter(nodes))
    return "; ".join(f"{value} on {', '.join(names)}" if names else value for value, names in nodes.items())
