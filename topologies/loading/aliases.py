"""Node aliases: `{name: X, as: n1}` written out as `{name: n1, metadata_name: X}`. Pure; any raw contents.

Cell ids and reports use the alias, so that the same cell has the same id on other nodes and on another cluster.
References to a node may use either name; afterwards they use the alias.
"""

from __future__ import annotations

import re
from typing import Any

from topologies.schema.complaints import Complaint, show
from topologies.schema.scalars import DNS_LABEL, DNS_SUBDOMAIN, SUBDOMAIN_LENGTH

Raw = dict[str, Any]
ALIAS = "as"
WANT_ALIAS = "a DNS label: a-z, 0-9 and '-', at most 63 characters"
WANT_NAME = "a node's metadata.name: a DNS subdomain or an IPv4 address, at most 253 characters"


def apply(full: Raw) -> list[Complaint]:
    """Write out the aliases of the nodes and of what refers to them, in place; return what is wrong with them."""
    nodes = full.get("nodes")
    if not isinstance(nodes, list) or not any(isinstance(one, dict) and ALIAS in one for one in nodes):
        return []
    found: list[Complaint] = []
    full["nodes"] = [_expand(one, f"nodes[{index}]", found) for index, one in enumerate(nodes)]
    names = {one["metadata_name"]: one["name"] for one in full["nodes"] if _is_aliased(one)}
    if isinstance(workload := full.get("workload"), dict):
        parts = {part: _refer(workload[part], "node", names) for part in ("backends", "vantages") if part in workload}
        full["workload"] = {**workload, **parts}
    if isinstance(balancer := full.get("load_balancer"), dict):
        [full["load_balancer"]] = _refer([balancer], "leader", names)
    return found


def _expand(node: object, path: str, found: list[Complaint]) -> object:
    """Return the node with its alias written out; without it if one of its names is not valid."""
    if not isinstance(node, dict) or ALIAS not in node:
        return node
    alias, name = node[ALIAS], node.get("name")
    rest = {key: value for key, value in node.items() if key != ALIAS}
    if not _matches(alias, DNS_LABEL):
        found.append(Complaint(f"{path}.{ALIAS}", show(alias), WANT_ALIAS))
        return rest
    if not _matches(name, DNS_SUBDOMAIN):
        found.append(Complaint(f"{path}.name", show(name), WANT_NAME))
        return {**rest, "name": alias}
    if "metadata_name" in node:
        found.append(Complaint(f"{path}.metadata_name", show(node["metadata_name"]), f"no such key beside {ALIAS}"))
    return {**rest, "name": alias, "metadata_name": name}


def _matches(value: object, pattern: str) -> bool:
    if not isinstance(value, str) or len(value) > SUBDOMAIN_LENGTH:
        return False
    return re.fullmatch(pattern, value, re.ASCII) is not None


def _is_aliased(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("metadata_name"), str) and isinstance(node.get("name"), str)


def _refer(entries: object, key: str, names: dict[str, str]) -> Any:  # noqa: ANN401 - whatever the file has there
    """Return the entries with the alias of each node that `key` names by its `metadata.name`."""
    if not isinstance(entries, list):
        return entries
    return [
        {**one, key: names[one[key]]}
        if isinstance(one, dict) and isinstance(one.get(key), str) and one[key] in names
        else one
        for one in entries
    ]
