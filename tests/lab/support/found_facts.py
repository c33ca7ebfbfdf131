"""Compare a discovered topology with the declared one: which values are equal, unknown, or wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from topologies.loading.load import load, raw
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from topologies.schema.topology import Node, Topology

TOP = ("kubernetes", "service_cidr", "external_routes_to_pods")
OF_NODE = ("address", "pod_cidr", "secondary_address")


@dataclass
class Comparison:
    """The paths of equal and unknown values, and each wrong one with both values."""

    equal: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, path: str, declared: Any, found: Any, *, unknown: bool) -> None:
        if unknown:
            self.unknown.append(path)
        elif declared == found:
            self.equal.append(path)
        else:
            self.wrong.append(f"{path}: declared {declared}, found {found}")


def compare(declared: Topology, file: Path) -> Comparison:
    """Compare every value of the discovered file, written or given by its presets, with the declared topology's."""
    found, compared = load(str(file)), Comparison()
    contents, _ = raw(str(file))
    least = set(re.findall("(?m)^ *([a-z_]+): .*# not readable: the smallest range", file.read_text(encoding="utf-8")))
    for key in TOP:
        unknown = key in found.unknown or key in least
        compared.add(key, getattr(declared, key), getattr(found, key), unknown=unknown)
    for key in type(found.cni).model_fields:
        if key == "pod_cidr" and key in least:
            compared.unknown.append(f"cni.{key}")
        elif key != "kind":
            compared.add(
                f"cni.{key}", getattr(declared.cni, key), getattr(found.cni, key), unknown=f"cni.{key}" in found.unknown
            )
    for key in contents["load_balancer"]:
        one = getattr(declared.load_balancer, key), getattr(found.load_balancer, key)
        named = key == "kind" and found.load_balancer.kind == "custom"  # the other keys describe it
        compared.add(f"load_balancer.{key}", *one, unknown=named or f"load_balancer.{key}" in found.unknown)
    for node in found.nodes:
        for path, values, unknown in _of_node(declared, found, node):
            compared.add(path, *values, unknown=unknown)
    return compared


def _of_node(declared: Topology, found: Topology, node: Node) -> Iterator[tuple[str, tuple[Any, Any], bool]]:
    own = next(one for one in declared.nodes if one.address == node.address)
    for key in OF_NODE:
        yield f"nodes.{node.name}.{key}", (getattr(own, key), getattr(node, key)), False
    for device in ("bridge", "tunnel"):
        one, other = (
            getattr(topology.cni, f"{device}_address_of")(place) for topology, place in ((declared, own), (found, node))
        )
        yield f"nodes.{node.name}.{device}_address", (one, other), False
    for section in ("proxy", "kernel"):
        parts = getattr(declared, f"{section}_of")(own.name), getattr(found, f"{section}_of")(node.name)
        for key in type(parts[0]).model_fields:
            values = getattr(parts[0], key), getattr(parts[1], key)
            if key == "version":
                values = declared.proxy_version_of(own.name), found.proxy_version_of(node.name)
            unknown = facts.unknown_at(found, node.name, f"{section}.{key}") is not None
            yield f"nodes.{node.name}.{section}.{key}", values, unknown
