"""YAML -> Topology, or one error that lists every complaint.

TopologyError
    The file cannot be read, is no YAML, or does not describe a topology: what, where, got, want, and the next step.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.loading import yaml_file
from topologies.loading.parsing import check
from topologies.schema.complaints import LONGEST, Complaint, TopologyError, offer, show

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

__all__ = ["LIBRARY", "SUFFIXES", "TopologyError", "load", "mapping", "names", "parse", "raw", "validated"]

LIBRARY = Path(__file__).parents[1] / "library"
SUFFIXES = frozenset({".yaml", ".yml"})  # what makes a name a file


def names() -> list[str]:
    """Return the names of the library's topologies."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def load(name_or_file: str) -> Topology:
    """Return the topology of that library name or file path; TopologyError lists all complaints."""
    return validated(*raw(name_or_file))


def parse(text: str, source: str) -> Topology:
    """Return the topology in this YAML text; `source` names it in complaints."""
    return validated(mapping(text, source), source)


def raw(name_or_file: str) -> tuple[dict[str, Any], str]:
    """Return the unvalidated contents of that library name or file, and its name for complaints."""
    path = Path(name_or_file)
    if path.suffix not in SUFFIXES:
        if name_or_file not in names():
            raise _nowhere(name_or_file, _not_a_name(path))
        path = LIBRARY / f"{name_or_file}.yaml"
    try:
        text = yaml_file.read(path, path.name)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _nowhere(name_or_file, getattr(error, "strerror", None) or "a path that no file can have") from error
    return mapping(text, path.name), path.name


def _not_a_name(path: Path) -> str:
    with suppress(OSError, ValueError):  # a path that no file can have
        if path.is_file():
            return f"a file named {show(path.name[-LONGEST:])}, which does not end in .yaml or .yml"
    return "a name that is not in the library and is no .yaml file"


def _nowhere(name: str, got: str) -> TopologyError:
    want = offer(Path(name).stem, names(), "a readable YAML file, or ", shown=len(names()))
    return TopologyError(show(name)[1:-1] or "the empty name", [Complaint("file", got, want)])


def mapping(text: str, source: str) -> dict[str, Any]:
    """Return the mapping in this YAML text; TopologyError if it is none."""
    found = yaml_file.parse(text, source)
    if not isinstance(found, dict):
        want = "a mapping with name, kubernetes, nodes, cni"
        raise TopologyError(source, [Complaint("top level", show(found), want)])
    if {"apiVersion", "kind"} <= found.keys():
        raise TopologyError(source, [_object_of_the_api(found)])
    return found


def _object_of_the_api(found: dict[str, Any]) -> Complaint:
    """Refuse a manifest, a list of nodes, a kubeconfig and kube-proxy's configuration: none is a topology."""
    kind = found["kind"] if isinstance(found["kind"], str) else "?"
    hint = "; a kubeconfig goes to --kubeconfig=FILE" if kind == "Config" else ""
    want = f"a topology with name, kubernetes, nodes, cni{hint}"
    return Complaint("top level", f"a Kubernetes object, kind {show(kind)[1:-1]}", want)


def validated(given: dict[str, Any], source: str) -> Topology:
    """Return the topology that these raw contents declare; TopologyError lists all complaints."""
    topology, found = check(given)
    if topology is None:
        raise TopologyError(source, found)
    return topology
