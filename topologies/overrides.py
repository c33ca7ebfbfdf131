"""A topology declared otherwise: `proxy.version=1.24`, `cni=eni`, `nodes.n1.address=…`, applied to the raw YAML.

A path is dotted; elements of a list go by their number or their name (`workload.services[0].port`,
`workload.services.web.port`). A section alone means its kind or mode (`cni=eni`, `proxy=ipvs`), a key alone the only
section that has it (`mode=ipvs`). What is wrong is said with the names that come near, all complaints at once.
"""

from __future__ import annotations

import re
from copy import deepcopy
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import yaml

from topologies.load import TopologyError, expand, raw, validated
from topologies.model import Model, Topology
from topologies.rules import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHORTHAND = frozenset({"external_ips"})  # keys of the file that `expand` turns into others
SOURCE = "overrides"


class Misspelt(Exception):  # noqa: N818 - never leaves this module: a complaint on its way
    """A path that leads nowhere."""

    def __init__(self, got: str, want: str) -> None:
        super().__init__(got, want)
        self.got = got
        self.want = want


class Step(NamedTuple):
    """One key of a path, and whether it picks an element of a list."""

    key: str
    element: bool


def declared(name_or_file: str, overrides: Mapping[str, object]) -> Topology:
    """The topology of that name or file with these overrides; TopologyError lists all that is wrong."""
    given, source = raw(name_or_file)
    return validated(apply(given, overrides), source if not overrides else f"{source} with {_told(overrides)}")


def parse(pairs: Iterable[str]) -> dict[str, Any]:
    """`PATH=VALUE` texts, each value read as YAML; a number with a point stays text: 1.20 is a version, not 1.2."""
    found: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for pair in pairs:
        path, equals, text = pair.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not path:
            complaints.append(Complaint(pair, repr(pair), "PATH=VALUE, the value in YAML"))
            continue
        found[path.strip()] = text.strip() if isinstance(value, float) else value
    if complaints:
        raise TopologyError(SOURCE, complaints)
    return found


def apply(given: dict[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """A copy of a topology file's raw contents with each path set; TopologyError for paths that lead nowhere.

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


Located = tuple[str, tuple[Step, ...], object]


def _located(overrides: Mapping[str, object], complaints: list[Complaint]) -> Iterator[Located]:
    for path, value in overrides.items():
        try:
            yield path, locate(path, scalar=not isinstance(value, dict)), value
        except Misspelt as error:
            complaints.append(_complaint(path, error))


def _complaint(path: str, error: Misspelt) -> Complaint:
    return Complaint(path, error.got, error.want)


def locate(path: str, *, scalar: bool = True) -> tuple[Step, ...]:
    """The steps a path means, short forms written out; Misspelt if no topology has such a key."""
    keys = [key for key in re.sub(r"\[([^\]]*)\]", r".\1", path).split(".") if key]
    keys = _long(keys, scalar=scalar) if len(keys) == 1 else keys
    steps: list[Step] = []
    model: type[Model] | None = Topology
    element = False
    for key in keys:
        if not element and (model is None or key not in _keys(model)):
            message = f"the unknown key {key!r}"
            raise Misspelt(message, _near(key, keys, model))
        steps.append(Step(key, element))
        if element:
            element = False
        elif model is not None and key in model.model_fields:
            annotation = model.model_fields[key].annotation
            model, element = _inside(annotation), _is_list(annotation)
    return tuple(steps)


def _long(keys: list[str], *, scalar: bool) -> list[str]:
    """A section alone means its kind or mode, a key alone the only section that has it."""
    (key,) = keys
    section = _section(key)
    naming = [name for name in ("kind", "mode") if section and scalar and name in section.model_fields]
    if naming:
        return [key, naming[0]]
    if key in _keys(Topology):
        return keys
    homes = [name for name in Topology.model_fields if (inside := _section(name)) and key in inside.model_fields]
    if len(homes) == 1:
        return [homes[0], key]
    if homes:
        message = f"{key!r}, which is several"
        raise Misspelt(message, " or ".join(f"{home}.{key}" for home in homes))
    return keys


def _section(name: str) -> type[Model] | None:
    """The model of a top-level section that is one mapping (`cni`, `proxy` …), not a list or the workload."""
    field = Topology.model_fields.get(name)
    if field is None or _is_list(field.annotation) or name in {"workload", "lab", "images"}:
        return None
    return _inside(field.annotation)


def _keys(model: type[Model]) -> frozenset[str]:
    return frozenset(model.model_fields) | (SHORTHAND if model is Topology else frozenset())


def _parts(annotation: Any) -> list[Any]:  # noqa: ANN401 - a type as it was written
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]


def _inside(annotation: Any) -> type[Model] | None:  # noqa: ANN401 - a type as it was written
    found = (part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, Model))
    return next(found, None)


def _is_list(annotation: Any) -> bool:  # noqa: ANN401 - a type as it was written
    return getattr(annotation, "__origin__", None) is tuple


def _near(wrong: str, keys: list[str], model: type[Model] | None) -> str:
    """What may have been meant: the keys that come near, else all there are."""
    if model is None:
        return f"nothing below {'.'.join(keys[: keys.index(wrong)])}"
    if len(keys) == 1:
        known = [*sorted(_keys(Topology)), *_every_section_key()]
        close = get_close_matches(wrong, [name.rsplit(".", 1)[-1] for name in known], n=3)
        told = [name for name in known if name.rsplit(".", 1)[-1] in close]
        return " or ".join(told) or f"one of {', '.join(sorted(_keys(Topology)))}"
    close = get_close_matches(wrong, sorted(_keys(model)), n=3)
    return " or ".join(close) or f"one of {', '.join(sorted(_keys(model)))}"


def _every_section_key() -> Iterator[str]:
    for name in Topology.model_fields:
        if section := _section(name):
            yield from (f"{name}.{key}" for key in section.model_fields)


def _depth(steps: tuple[Step, ...]) -> tuple[bool, int]:
    """What others are written out from comes first: sections before nodes' own keys before the workload."""
    return steps[0].key == "workload", len(steps)


def _set(changed: dict[str, Any], steps: tuple[Step, ...], value: object) -> dict[str, Any]:
    first = steps[0].key
    short = first == "workload" or any(step.element for step in steps)
    changed = expand(changed) if short and not isinstance(changed.get(first), (list, dict)) else changed
    place: Any = changed
    for step in steps[:-1]:
        place = place[_index(place, step.key)] if step.element else _entered(place, step.key)
    last = steps[-1]
    place[_index(place, last.key) if last.element else last.key] = value
    return changed


def _entered(place: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - raw YAML
    if place.get(key) is None:
        place[key] = {}
    return place[key]


def _index(place: Any, key: str) -> int:  # noqa: ANN401 - raw YAML
    """The position of a list's element, by number or by name."""
    elements = place if isinstance(place, list) else []
    named = {str(one["name"]): index for index, one in enumerate(elements) if isinstance(one, dict) and "name" in one}
    if key in named:
        return named[key]
    if key.lstrip("-").isdigit() and -len(elements) <= int(key) < len(elements):
        return int(key)
    known = ", ".join(named) or f"0 ... {len(elements) - 1}"
    message = f"no element {key!r}"
    raise Misspelt(message, f"one of {known}" if elements else "a list with elements")


def _told(overrides: Mapping[str, object]) -> str:
    return ", ".join(f"{path}={value}" for path, value in overrides.items())
