"""Set values in the text of a topology file: comments, order and layout of all other lines stay as they are.

Only the text at the value's own place changes, or one line is added. PyYAML gives the places; it keeps no comments.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from topologies.loading import yaml_file
from topologies.loading.aliases import ALIAS
from topologies.schema.complaints import Complaint, TopologyError
from topologies.schema.facts import NODES, UNKNOWN, split

Keys = list[str]


class NewValue(NamedTuple):
    """A value for one fact, as YAML text, and the comment beside it."""

    path: str
    text: str
    comment: str


def set_values(text: str, source: str, values: list[NewValue]) -> str:
    """Return the text of a topology file with these values; an entry of its list `unknown` goes.

    Raises:
        TopologyError: The text is no YAML, or a value has no place in it.

    """
    yaml_file.parse(text, source)
    for value in values:
        text = _set(_forget(text, value.path), source, value)
        yaml_file.parse(text, source)
    return text


def _set(text: str, source: str, value: NewValue) -> str:
    place: yaml.Node = _compose(text)
    keys = _keys(value.path)
    for index, key in enumerate(keys):
        found = _find(place, key)
        if found is None:
            if not isinstance(place, yaml.MappingNode):
                want = "a list of nodes and sections as mappings. Write the short form out"
                raise TopologyError(source, [Complaint(".".join(keys[:index]), "a short form", want)])
            return _insert(text, place, keys[index:], value)
        place = found
    start, end = place.start_mark.index, place.end_mark.index
    return _comment(text[:start] + value.text + text[end:], start, value.comment)


def _keys(path: str) -> Keys:
    node, own = split(path)
    return [*([NODES, node] if node else []), *own.split(".")]


def _compose(text: str) -> yaml.Node:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return node if node is not None else yaml.MappingNode("tag:yaml.org,2002:map", [], flow_style=False)


def _find(place: yaml.Node, key: str) -> yaml.Node | None:
    """Return the value of a key, or the element of a list with this name or alias."""
    if isinstance(place, yaml.MappingNode):
        return next((value for name, value in place.value if name.value == key), None)
    elements = place.value if isinstance(place, yaml.SequenceNode) else []
    return next((one for one in elements if key in _names(one)), None)


def _names(element: yaml.Node) -> list[str]:
    found = [_find(element, key) for key in ("name", ALIAS)] if isinstance(element, yaml.MappingNode) else []
    return [one.value for one in found if isinstance(one, yaml.ScalarNode)]


def _insert(text: str, place: yaml.MappingNode, keys: Keys, value: NewValue) -> str:
    """Return the text with a new key in this mapping; sections that are missing are made in one line."""
    entry = f"{keys[-1]}: {value.text}"
    for key in reversed(keys[:-1]):
        entry = f"{key}: {{{entry}}}"
    if place.flow_style:
        end = place.end_mark.index - 1
        joined = f"{', ' if place.value else ''}{entry}"
        return _comment(text[:end].rstrip() + joined + text[end:], len(text[:end].rstrip()) + 1, value.comment)
    first = place.value[0][0].start_mark
    indent = " " * first.column
    short = next((one for _, one in place.value if one.start_mark.line == one.end_mark.line), None)
    if short is None:
        return f"{text[: first.index]}{entry}  # {value.comment}\n{indent}{text[first.index :]}"
    end = text.find("\n", short.end_mark.index)
    before = text if end < 0 else text[:end]
    return f"{before}\n{indent}{entry}  # {value.comment}" + ("\n" if end < 0 else text[end:])


def _comment(text: str, index: int, comment: str) -> str:
    """Return the text with a comment at the end of the line at this index, before the comment that is there."""
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    start = text.rfind("\n", 0, index) + 1
    line = text[start:end]
    known = re.search(r"\s+#\s*(?P<words>[^'\"]*)$", line)
    content, words = (line[: known.start()], f"; {known['words']}") if known else (line.rstrip(), "")
    return f"{text[:start]}{content}  # {comment}{words}{text[end:]}"


def _forget(text: str, path: str) -> str:
    """Return the text without this path in the top-level list `unknown`."""
    root = _compose(text)
    for key, listed in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == UNKNOWN and isinstance(listed, yaml.SequenceNode):
            for entry in listed.value:
                if entry.value == path:
                    return _remove(text, key, listed, entry)
    return text


def _remove(text: str, key: yaml.Node, listed: yaml.SequenceNode, entry: yaml.Node) -> str:
    """Return the text without an entry of the list at a key: in a block list without its line."""
    if listed.flow_style:
        left = ", ".join(one.value for one in listed.value if one is not entry)
        return f"{text[: listed.start_mark.index]}[{left}]{text[listed.end_mark.index :]}"
    start, end = text.rfind("\n", 0, entry.start_mark.index), text.find("\n", entry.end_mark.index)
    rest = text[:start] + (text[end:] if end >= 0 else "\n")
    colon = text.index(":", key.end_mark.index) + 1
    return rest if len(listed.value) > 1 else f"{rest[:colon]} []{rest[colon:]}"
