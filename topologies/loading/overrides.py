"""Override keys of a topology: `proxy.version=1.24`, `cni=eni`, `nodes.n1.address=…`, applied to the raw YAML.

A path is dotted; elements of a list go by their number or their name (`workload.services[0].port`,
`workload.services.web.port`). A section alone means its mode or kind (`cni=eni`, `proxy=ipvs`), a key alone the only
section that has it (`mode=ipvs`). Complaints name similar keys and are reported together.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from topologies.loading import yaml_file
from topologies.loading.expansion import expand
from topologies.loading.field_words import ROOT, SchemaType, inside, is_list, keys_of, known_key, model_of
from topologies.loading.load import raw, validated
from topologies.schema.complaints import Complaint, TopologyError, offer, show
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from topologies.schema.topology import Model

SOURCE = "overrides"
INDEX = re.compile(r"-?[0-9]{1,9}")


class Misspelt(Exception):  # noqa: N818 - never leaves this module: a complaint on its way
    """A path that leads nowhere."""

    def __init__(self, got: str, want: str) -> None:
        super().__init__(got, want)
        self.got = got
        self.want = want


class PathStep(NamedTuple):
    """One key of a path, and whether it picks an element of a list."""

    key: str
    element: bool


def declared(name_or_file: str, overrides: Mapping[str, object]) -> Topology:
    """Return the topology of that name or file with these overrides; TopologyError lists all complaints."""
    return read(name_or_file, overrides)[1]


def read(name_or_file: str, overrides: Mapping[str, object]) -> tuple[dict[str, Any], Topology]:
    """Return the raw contents of a file with these overrides, and its topology; TopologyError lists all complaints."""
    given, source = raw(name_or_file)
    if overrides:
        given, source = apply(given, overrides), f"{source} with {_describe(overrides)}"
    return given, validated(given, source)


def parse(pairs: Iterable[str]) -> dict[str, Any]:
    """`PATH=VALUE` texts, each value read as YAML; a number with a point stays text: 1.20 is a version, not 1.2."""
    found: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path.strip():
            complaints.append(Complaint("--with", show(pair), "PATH=VALUE, the value in YAML"))
            continue
        try:
            value = yaml_file.parse(text, path)
        except TopologyError as error:
            complaints.extend(one._replace(path=f"{_brief(path)}, {one.path}") for one in error.complaints)
            continue
        found[path.strip()] = text.strip() if isinstance(value, float) else value
    if complaints:
        raise TopologyError(SOURCE, complaints)
    return found


def apply(given: dict[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """Return a copy of a topology's raw contents with each path set; TopologyError for paths that do not exist.

    What a file leaves short (`nodes: 4`, no workload) is written out where a path leads into it.
    """
    changed = deepcopy(given)
    complaints: list[Complaint] = []
    for path, steps, value in sorted(_located(overrides, complaints), key=lambda item: _depth(item[1])):
        try:
            changed = _set(changed, steps, value)
        except Misspelt as error:
            complaints.append(_complaint(path, error))
    if complaints:
        raise TopologyError(SOURCE, complaints)
    return changed


Located = tuple[str, tuple[PathStep, ...], object]


def _located(overrides: Mapping[str, object], complaints: list[Complaint]) -> Iterator[Located]:
    for path, value in overrides.items():
        try:
            yield path, locate(path, scalar=not isinstance(value, dict)), value
        except Misspelt as error:
            complaints.append(_complaint(path, error))


def _complaint(path: str, error: Misspelt) -> Complaint:
    return Complaint(_brief(path), error.got, error.want)


def _brief(path: str) -> str:
    return show(path)[1:-1]


def locate(path: str, *, scalar: bool = True) -> tuple[PathStep, ...]:
    """Return the steps of a path, short forms written out; Misspelt if no topology has such a key."""
    keys = [key for key in re.sub(r"\[([^\]]*)\]", r".\1", path).split(".") if key]
    if not keys:
        got, want = "a path without a key", "a dotted path such as proxy.mode"
        raise Misspelt(got, want)
    keys = _long(keys, scalar=scalar) if len(keys) == 1 else keys
    steps: list[PathStep] = []
    place: SchemaType | None = ROOT
    for key in keys:
        element = place is not None and is_list(place)
        if not element and (place is None or key not in _keys(place)):
            got = f"the unknown key {show(key)}"
            raise Misspelt(got, _near(key, keys, place))
        steps.append(PathStep(key, element))
        place = inside(place, 0 if element else key) if place else None
    return tuple(steps)


def _long(keys: list[str], *, scalar: bool) -> list[str]:
    """Return the full path: a section alone means its mode or kind, a key alone the only section that has it."""
    (key,) = keys
    section = _section(key)
    naming = [name for name in ("mode", "kind") if section and scalar and name in section.model_fields]
    if naming:
        return [key, naming[0]]
    if key in _keys(ROOT):
        return keys
    sections = [name for name in Topology.model_fields if (inside := _section(name)) and key in inside.model_fields]
    if len(sections) == 1:
        return [sections[0], key]
    if sections:
        message = f"{key!r}, which is several"
        raise Misspelt(message, " or ".join(f"{section}.{key}" for section in sections))
    return keys


def _section(name: str) -> type[Model] | None:
    """Return the model of a top-level section that is one mapping (`cni`, `proxy` …), not a list or the workload."""
    return None if name in {"workload", "lab", "images"} else model_of(inside(ROOT, name))


def _keys(place: SchemaType) -> list[str]:
    model = model_of(place)
    return keys_of(model) if model else []


def _near(wrong: str, keys: list[str], place: SchemaType | None) -> str:
    """Return what may have been meant: similar keys, else all keys."""
    if place is None or not _keys(place):
        return f"nothing below {_brief('.'.join(keys[: keys.index(wrong)]))}"
    return known_key(wrong, place)


def _depth(steps: tuple[PathStep, ...]) -> tuple[bool, int]:
    """Return the sort key of a path: sections, then nodes' keys, then the workload, derived from both."""
    return steps[0].key == "workload", len(steps)


def _set(changed: dict[str, Any], steps: tuple[PathStep, ...], value: object) -> dict[str, Any]:
    first = steps[0].key
    short = first == "workload" or any(step.element for step in steps)
    if short and not isinstance(changed.get(first), (list, dict)):
        changed, found = expand(changed)
        if found:
            raise Misspelt(found[0].got, f"at {found[0].path}: {found[0].want}")
    place: Any = changed
    for step in steps[:-1]:
        place = place[_index(place, step.key)] if step.element else _entered(place, step.key)
    last = steps[-1]
    if last.element:
        place[_index(place, last.key)] = value
    else:
        _mapping(place, last.key)[last.key] = value
    return changed


def _entered(place: object, key: str) -> object:
    held = _mapping(place, key)
    if held.get(key) is None:
        held[key] = {}
    return held[key]


def _mapping(place: object, key: str) -> dict[str, Any]:
    if not isinstance(place, dict):
        got = f"{show(place)} where {key} is to be set"
        want = "a mapping there"
        raise Misspelt(got, want)
    return place


def _index(place: object, key: str) -> int:
    """Return the position of a list's element, by number or by name."""
    elements = place if isinstance(place, list) else []
    named = {
        str(one[name]): index
        for index, one in enumerate(elements)
        for name in ("name", "as")
        if isinstance(one, dict) and name in one
    }
    if key in named:
        return named[key]
    if INDEX.fullmatch(key) and -len(elements) <= int(key) < len(elements):
        return int(key)
    message = f"no element {show(key)}"
    raise Misspelt(message, _elements(key, elements, named))


def _elements(key: str, elements: list[Any], named: dict[str, int]) -> str:
    if not elements:
        return "a list with elements"
    return offer(key, named) if named else f"one of 0 ... {len(elements) - 1}"


def _describe(overrides: Mapping[str, object]) -> str:
    return _brief(", ".join(f"{path}={value}" for path, value in overrides.items()))
