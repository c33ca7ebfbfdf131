"""Raw contents -> Topology and every complaint about them, in one round.

An invalid section is replaced by a valid placeholder, and each rule that does not read that section still runs.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from topologies.loading.expansion import expand
from topologies.loading.field_words import complaint
from topologies.loading.unknown_facts import move_unknown
from topologies.schema import limits
from topologies.schema.topology import Topology
from topologies.schema.validation import rules

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from topologies.schema.complaints import Complaint

Raw = dict[str, Any]
Loc = tuple[str | int, ...]
PARTS = ("backends", "services", "vantages")
PLACEHOLDERS: Raw = {  # for required sections, so that the rest can be read
    "name": "placeholder",
    "kubernetes": "1.30.0",
    "nodes": [{"name": "placeholder", "address": "192.0.2.1"}],
    "cni": {"kind": "routed"},
}


def check(given: Raw) -> tuple[Topology | None, list[Complaint]]:
    """Return the topology, or None and all that is wrong."""
    full, found = expand(given)
    full = move_unknown(full)
    derived = "workload" not in given
    errors = _errors(full)
    meant = [one for one in errors if not (derived and one["loc"][:1] == ("workload",))]
    found.extend(complaint(one, hint=index < limits.HINTS) for index, one in enumerate(meant))
    bad = {section for one in errors if (section := _section(one))}
    bad |= {one.path.partition("[")[0] for one in found} & {"nodes", "external_ips"}
    sound = _sound(full, errors, bad) if errors else full
    if _errors(sound):
        return None, found
    topology = Topology.model_validate(sound)
    found.extend(rules.complaints(topology, frozenset(bad | ({"workload"} if derived and bad else set()))))
    return (None if found else topology), found


def _errors(full: Raw) -> list[ErrorDetails]:
    try:
        Topology.model_validate(full)
    except ValidationError as error:
        return list(error.errors(include_url=False))
    return []


def _section(error: ErrorDetails) -> str:
    """Return the section that an error spoils: `nodes`, `workload.services`; an empty string for an unknown key."""
    first, *rest = error["loc"] or ("",)
    if error["type"] == "extra_forbidden":
        return ""
    return f"workload.{rest[0]}" if first == "workload" and rest else str(first)


def _sound(full: Raw, errors: list[ErrorDetails], bad: set[str]) -> Raw:
    """Return a copy without unknown keys, with a placeholder or the default for each bad section."""
    copy = deepcopy(full)
    for error in errors:
        if error["type"] == "extra_forbidden":
            _remove(copy, error["loc"])
    for section in bad:
        copy.pop(section, None)
    workload = copy.get("workload")
    kept = workload if isinstance(workload, dict) else {}
    copy["workload"] = {part: [] if f"workload.{part}" in bad else kept.get(part, []) for part in PARTS}
    return {**{key: value for key, value in PLACEHOLDERS.items() if key not in copy}, **copy}


def _remove(copy: Raw, loc: Loc) -> None:
    place: Any = copy
    for part in loc[:-1]:
        place = place[part]
    place.pop(loc[-1], None)
