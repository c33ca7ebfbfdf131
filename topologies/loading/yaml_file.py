"""YAML text -> plain values, within limits. No file, however hostile, costs more than a second or raises a traceback.

The text is read twice: first as a flat stream of events, which measures depth, size and what aliases expand to without
building anything; then into values. Python objects, dates and YAML's other types are not built: a topology needs none.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, NamedTuple, Protocol

import yaml

from topologies.schema import limits
from topologies.schema.complaints import Complaint, TopologyError, show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, 15 times as fast
STRING_TAG = "tag:yaml.org,2002:str"
MERGE_TAG = "tag:yaml.org,2002:merge"
UNBUILT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")  # read as text: no impossible date can be built
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


class Refused(Exception):  # noqa: N818 - never leaves this module: a complaint on its way
    """The text cannot be read any further."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint)
        self.complaint = complaint


def read(path: Path, source: str, most: int = limits.FILE_BYTES) -> str:
    """Return the text of a file. TopologyError if it is no readable UTF-8 file of at most so many bytes."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _unreadable(source, KINDS.get(stat.S_IFMT(mode), "a device"), "a regular file")
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise _unreadable(source, f"more than {most} bytes", f"at most {most}")
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        got = f"the byte 0x{error.object[error.start]:02x} at offset {error.start}"
        raise _unreadable(source, got, "text in UTF-8") from error


def _unreadable(source: str, got: str, want: str) -> TopologyError:
    return TopologyError(source, [Complaint("file", got, want)])


def parse(text: str, source: str, most: int = limits.VALUES) -> object:
    """Return the values in this YAML text, at most so many.

    TopologyError lists what is wrong with it, duplicate keys included.
    """
    try:
        if found := list(_scan(text, most)):
            raise TopologyError(source, found)
        return _value(text, source)
    except Refused as error:
        raise TopologyError(source, [error.complaint]) from error
    except yaml.YAMLError as error:
        raise TopologyError(source, [_syntax(error, text)]) from error


def _value(text: str, source: str) -> object:
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if found := list(_bad_keys(node, set())):
            raise TopologyError(source, found)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _syntax(error: yaml.YAMLError, text: str) -> Complaint:
    """Return a YAML error of PyYAML or libyaml as a complaint; both name a position, in different ways."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "a syntax error"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = _place(mark) if mark else f"character {getattr(error, 'position', 0)}"
    if mark and text[mark.index : mark.index + 1] == "\t":
        return Complaint(where, "a YAML syntax error (a tab)", "spaces: YAML allows no tabs before a key or value")
    return Complaint(where, f"a YAML syntax error ({show(problem)[1:-1]})", "well-formed YAML")


class Position(Protocol):
    """Where PyYAML or libyaml found something; counted from 0."""

    line: int
    column: int


def _place(mark: Position | None) -> str:
    if mark is None:
        return "line 1, column 1"
    return f"line {mark.line + 1}, column {mark.column + 1}"


class Collection(NamedTuple):
    """A mapping or list that is being read: its anchor, and how many values came before it."""

    anchor: str | None
    before: int


def _scan(text: str, most: int) -> Iterator[Complaint]:
    """Yield what is wrong with single values; Refused as soon as a limit is passed."""
    if match := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        line = text.count("\n", 0, match.start()) + 1
        raise Refused(Complaint(f"line {line}", f"the control character U+{ord(match[0]):04X}", "plain text"))
    sizes: dict[str, int] = {}
    stack: list[Collection] = []
    total = documents = 0
    for event in yaml.parse(text, Loader=PARSER):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.NodeEvent):
            total += _size(event, sizes)
            yield from _bad_value(event)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(Collection(event.anchor, total))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            sizes |= {anchor: total - before + 1} if anchor else {}
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            sizes[event.anchor] = 1
        if documents > 1 or total > most or len(stack) > limits.DEPTH:
            raise _too_much(event, documents, len(stack), most)


def _size(event: yaml.Event, sizes: dict[str, int]) -> int:
    """How many values this event stands for: one, or those of an alias' anchor."""
    if not isinstance(event, yaml.AliasEvent):
        return 1
    if event.anchor not in sizes:
        got, want = f"*{event.anchor}, which is not complete here", "an alias of an anchor that ends before it"
        raise Refused(Complaint(_place(event.start_mark), got, want))
    return sizes[event.anchor]


def _too_much(event: yaml.Event, documents: int, depth: int, most: int) -> Refused:
    """Return the complaint about the limit that this event exceeds."""
    limit, what = most, "values, aliases expanded"
    if documents > 1:
        limit, what = 1, "YAML document"
    elif depth > limits.DEPTH:
        limit, what = limits.DEPTH, "levels of nesting"
    return Refused(Complaint(_place(event.start_mark), f"more than {limit} {what}", f"at most {limit}"))


def _bad_value(event: yaml.Event) -> Iterator[Complaint]:
    """Yield what is wrong with one value. Places are worked out for what is wrong only: a file has 100,000 values."""
    tag = getattr(event, "tag", None)
    if tag and not (isinstance(event, yaml.ScalarEvent) and tag == STRING_TAG):
        want = "plain values: text, numbers, lists and mappings"
        yield Complaint(_place(event.start_mark), f"the tag {show(tag)[1:-1]}", want)
    if not isinstance(event, yaml.ScalarEvent):
        return
    if len(event.value) > limits.SCALAR_CHARACTERS:
        got = f"a value of {len(event.value)} characters"
        raise Refused(Complaint(_place(event.start_mark), got, f"at most {limits.SCALAR_CHARACTERS}"))
    if match := UNPRINTABLE.search(event.value):
        yield Complaint(_place(event.start_mark), f"the character U+{ord(match[0]):04X}", "text that can be printed")


class Loader(PARSER):  # type: ignore[misc, valid-type] # PyYAML ships no types
    """A safe loader that reads dates and 1:30 as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a class
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in UNBUILT]
        for first, resolvers in PARSER.yaml_implicit_resolvers.items()
    }


def _bad_keys(node: yaml.Node, seen: set[int]) -> Iterator[Complaint]:
    """Yield every key that is not text or that its mapping has twice; what an alias repeats, once."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _keys_of(node)
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _bad_keys(part, seen)


def _keys_of(mapping: yaml.MappingNode) -> Iterator[Complaint]:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if key.tag not in {STRING_TAG, MERGE_TAG}:
            yield Complaint(f"line {line}", f"the key {_describe_key(key)}", "text as a key")
        elif key.value in lines:
            got = f"the key {show(key.value)} twice, first in line {lines[key.value]}"
            yield Complaint(f"line {line}", got, "each key once")
        lines.setdefault(str(key.value), line)


def _describe_key(key: yaml.Node) -> str:
    return show(key.value) if isinstance(key.value, str) else "that is a list or a mapping"


def _integer(loader: Loader, node: yaml.ScalarNode) -> int | str:
    """Return an integer; text for YAML 1.1's numbers of base 60 and for numbers too long for Python."""
    try:
        whole: int = yaml.SafeLoader.construct_yaml_int(loader, node)
    except ValueError:
        return str(node.value)
    return str(node.value) if SEXAGESIMAL.fullmatch(node.value) else whole


def _float(loader: Loader, node: yaml.ScalarNode) -> float | str:
    if SEXAGESIMAL.fullmatch(node.value):
        return str(node.value)
    number: float = yaml.SafeLoader.construct_yaml_float(loader, node)
    return number


Loader.add_constructor("tag:yaml.org,2002:int", _integer)
Loader.add_constructor("tag:yaml.org,2002:float", _float)
