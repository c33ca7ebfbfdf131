"""A preset of facts, and how a kind's preset is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Preset(NamedTuple):
    """What is usual for one kind of pod network or load balancer."""

    facts: Mapping[str, object]
    """Keys of the section that have the kind, with their values. A key that is not listed has the model's default."""
    about: str
    """What it is or where it is found, for docs/topology.md."""
    source: str
    """The documentation or source file that shows the facts."""
    unknown: tuple[str, ...] = ()
    """The facts that are not known."""


NO_PRESET = Preset({}, "", "")


def find(presets: Mapping[str, Preset], kind: object) -> Preset:
    """Return the preset of a kind; one without facts for a value that is no kind."""
    return presets.get(kind, NO_PRESET) if isinstance(kind, str) else NO_PRESET


def list_facts(presets: Mapping[str, Preset]) -> frozenset[str]:
    """Return the keys that some preset gives."""
    return frozenset[str]().union(*(preset.facts for preset in presets.values()))
