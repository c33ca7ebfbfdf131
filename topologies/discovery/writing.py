"""Write a discovery as a topology file, with the source of each value in a comment. Pure.

Only facts (`topologies/schema/facts.py`) may be `unknown` in a file. Another key that is not known is left out, and a
comment in its place has the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from topologies.common.version import VERSION
from topologies.discovery.discover import list_findings
from topologies.discovery.findings import UNKNOWN, clean
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from topologies.discovery.discover import DiscoveredNode, Discovery
    from topologies.discovery.findings import Finding

REQUIRED = ("kubernetes", "cni.kind")  # keys without which no file is valid
ORDER = ("kind", "pod_cidr", "mode", "version")  # first keys of a section


def render(discovery: Discovery, name: str, server: str, date: str) -> str:
    """Return the file.

    Args:
        discovery: What was found.
        name: The topology's name.
        server: The API server's URL, for the first comment.
        date: When it was read, for the first comment.

    """
    lines = [*_head(discovery, server, date), f"name: {_scalar(name)}"]
    for key, one in discovery.top.items():
        lines += _entry(key, one, key, "")
    lines.append("nodes:")
    for node in discovery.nodes:
        lines += _node(node)
    for section, part in discovery.sections.items():
        entries = list(_section(part, section, "  "))
        written = any(not line.lstrip().startswith("#") for line in entries)
        lines += [f"{section}:" if written else f"# {section}:", *entries]
    return "\n".join(lines) + "\n"


def _head(discovery: Discovery, server: str, date: str) -> Iterator[str]:
    yield f"# Written by `hairpin discover` {VERSION} on {date} from {clean(server)}."
    yield "# Each comment has the source of its value. `unknown`: the run allows every value that the fact may have."
    if discovery.replacement:
        yield f"# NOT kube-proxy: {clean(discovery.replacement)} serves here. Nothing is predicted: cells are judged by"
        yield "# what the Kubernetes API promises of every implementation (docs/contract.md)."
    if discovery.left_out:
        yield "# Nodes that are not declared:"
        yield from (f"#   {clean(line)}" for line in discovery.left_out)
    if discovery.unread:
        yield "# Not readable with these rights:"
        yield from (
            f"#   {clean(f'{one.what}: {one.why}. Unknown without it: {one.leaves}')}" for one in discovery.unread
        )
    yield "# Hosts outside the cluster are not discovered: add `external: [{name: e1, address: ...}]` to ask from them."


def _node(node: DiscoveredNode) -> Iterator[str]:
    chosen = node.chosen
    yield f"# {clean(f'class of {chosen.of} nodes: {chosen.belongs_to}')}"
    yield f"- name: {_scalar(chosen.node.name)}"
    yield f"  as: {_scalar(node.alias)}"
    for key, one in node.findings.items():
        yield from _entry(key, one, f"nodes.{node.alias}.{key}", "  ")
    for name, part in node.sections.items():
        yield f"  {name}:"
        yield from _section(part, f"nodes.{node.alias}.{name}", "    ")


def _section(part: Mapping[str, Finding], path: str, indent: str) -> Iterator[str]:
    ordered = sorted(part, key=lambda key: ORDER.index(key) if key in ORDER else len(ORDER))
    for key in ordered:
        yield from _entry(key, part[key], f"{path}.{key}", indent)


def _entry(key: str, one: Finding, path: str, indent: str) -> Iterator[str]:
    if one.value is None:
        yield f"{indent}# {clean(one.source)}"
    elif one.value == UNKNOWN and path not in REQUIRED and facts.find(path) is None:
        yield f"{indent}# {clean(f'{key} is unknown: {one.source}')}"
    else:
        yield f"{indent}{key}: {_scalar(one.value)}  # {clean(one.source)}"


def _scalar(value: object) -> str:
    """Return a value as YAML has it on one line; a version is quoted."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", value):
        return f'"{value}"'
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).strip()
    return text.removesuffix("\n...").strip()


def count(discovery: Discovery) -> tuple[int, list[str]]:
    """Return how many values are known, and the paths of those that are unknown."""
    found = list_findings(discovery)
    return sum(one.is_known for _, one in found), [path for path, one in found if one.value == UNKNOWN]
