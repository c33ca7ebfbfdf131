"""Reads the value `unknown` at the keys of facts, and moves their paths to the top-level key `unknown`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.schema import facts
from topologies.schema.facts import UNKNOWN, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

Raw = dict[str, Any]


def move_unknown(given: Raw) -> Raw:
    """Return the contents without the scalar `unknown` at facts, whose paths are added to `unknown`.

    The model then has each fact's default. `unknown` at any other key stays, and is an error there or plain text.
    """
    full = dict(given)
    found = [*_take(full, "", {Scope.NODE, Scope.CLUSTER, Scope.BALANCER})]
    if isinstance(nodes := full.get("nodes"), list):
        full["nodes"] = [dict(node) if isinstance(node, dict) else node for node in nodes]
        for node in full["nodes"]:
            if isinstance(node, dict) and isinstance(name := node.get("name"), str):
                found += _take(node, name, {Scope.NODE})
    if found:
        listed = full.get(UNKNOWN, [])
        full[UNKNOWN] = [*listed, *found] if isinstance(listed, list) else listed
    return full


def _take(place: Raw, node: str, scopes: set[Scope]) -> Iterator[str]:
    """Remove each fact that is unknown from a mapping, and yield its path."""
    for fact in facts.FACTS:
        path = facts.join(node, fact.path)
        if fact.scope in scopes and facts.find(path) and _pop(place, fact.path):
            yield path


def _pop(place: Raw, path: str) -> bool:
    """Remove the key if its value is `unknown`; the section that has it is copied."""
    section, _, key = path.rpartition(".")
    held = place.get(section) if section else place
    if not isinstance(held, dict) or held.get(key) != UNKNOWN:
        return False
    if section:
        place[section] = {name: value for name, value in held.items() if name != key}
    else:
        del place[key]
    return True
