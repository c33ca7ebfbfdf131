"""YAML -> Topology, or one error that lists every complaint.

TopologyError
    The file cannot be read, is no YAML, or does not describe a topology: what, where, got, want, and the next step.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from topologies import workload
from topologies.model import Topology
from topologies.rules import Complaint, complaints

LIBRARY = Path(__file__).parent / "library"
SUFFIXES = frozenset({".yaml", ".yml"})  # what makes a name a file


class TopologyError(Exception):
    """A topology that cannot be used; `complaints` holds every reason found."""

    def __init__(self, source: str, found: list[Complaint]) -> None:
        self.source = source
        self.complaints = found
        lines = "\n".join(f"  {source}: {complaint}" for complaint in found)
        plural = "s" if len(found) > 1 else ""
        hint = "see docs/topology.md for the keys and their defaults"
        super().__init__(f"{len(found)} complaint{plural} about this topology\n{lines}\n{hint}")


def names() -> list[str]:
    """The declared topologies of the library."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def load(name_or_file: str) -> Topology:
    """The topology of that library name or file path; TopologyError lists all that is wrong with it."""
    return validated(*raw(name_or_file))


def parse(text: str, source: str) -> Topology:
    """The topology in this YAML text; `source` names it in complaints."""
    return validated(mapping(text, source), source)


def raw(name_or_file: str) -> tuple[dict[str, Any], str]:
    """What that library name or file holds, unchecked, and what to call it in complaints."""
    path = Path(name_or_file)
    if path.suffix not in SUFFIXES:
        path = LIBRARY / f"{name_or_file}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        want = f"a readable YAML file, or one of the library: {', '.join(names())}"
        raise TopologyError(name_or_file, [Complaint("file", error.strerror or str(error), want)]) from error
    return mapping(text, path.name), path.name


def mapping(text: str, source: str) -> dict[str, Any]:
    """The mapping this YAML text is; TopologyError if it is none."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TopologyError(source, [Complaint("YAML", " ".join(str(error).split()), "well-formed YAML")]) from error
    if not isinstance(found, dict):
        raise TopologyError(
            source, [Complaint("top level", type(found).__name__, "a mapping with name, kubernetes, nodes, cni")]
        )
    return found


def validated(given: dict[str, Any], source: str) -> Topology:
    """The topology these raw contents declare; TopologyError lists all that is wrong with it."""
    try:
        topology = Topology.model_validate(expand(given))
    except ValidationError as error:
        raise TopologyError(source, [_complaint(one) for one in error.errors()]) from error
    if found := complaints(topology):
        raise TopologyError(source, found)
    return topology


def expand(raw: dict[str, Any]) -> dict[str, Any]:
    """Write out what a file may leave short: `nodes: 4` and an absent `workload`."""
    full = dict(raw)
    if isinstance(full.get("nodes"), int) and not isinstance(full["nodes"], bool):
        full["nodes"] = [_worker(index) for index in range(1, full["nodes"] + 1)]
    if "workload" not in full and isinstance(full.get("nodes"), list):
        full["workload"] = _standard(full)
    return full


def _worker(index: int) -> dict[str, Any]:
    """The lab's address plan: node LAN 198.18.1.0/24 from .11, pods 10.244.N.0/24 (documented in docs/topology.md)."""
    address = IPv4Address("198.18.1.10") + index
    return {"name": f"n{index}", "address": str(address), "pod_cidr": f"10.244.{index}.0/24", "ssh": {}}


def _standard(full: dict[str, Any]) -> dict[str, Any]:
    nodes = [node for node in full["nodes"] if isinstance(node, dict) and "name" in node]
    external = [host["name"] for host in full.get("external", []) if isinstance(host, dict) and "name" in host]
    with_ssh = [node["name"] for node in nodes if node.get("ssh") is not None]
    balancer = full.get("load_balancer") or {}
    plan = workload.standard(
        [node["name"] for node in nodes] or ["none"], external, with_ssh, full.pop("external_ips", [])
    )
    if isinstance(balancer, dict) and balancer.get("kind", "none") == "none":
        plan["services"] = [service for service in plan["services"] if service["type"] != "LoadBalancer"]
    return plan


def _complaint(error: Any) -> Complaint:  # noqa: ANN401 - pydantic's ErrorDetails
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    got = "nothing" if error["type"] == "missing" else repr(error["input"])[:80]
    want = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        got, want = f"the unknown key {path.rsplit('.', 1)[-1]!r}", "a key of docs/topology.md"
    return Complaint(path or "top level", got, want)
