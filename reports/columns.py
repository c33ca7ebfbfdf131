"""Where a frontend is, seen from the vantage: the columns of a matrix, the same for every vantage. Pure.

`nodeport.n1` is another column for each node; `nodeport.own`, `nodeport.other with` and `nodeport.other without` (a
node with, without an endpoint of the Service) are the classes the plan asks, so every vantage has a cell in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.records.schema import CellKey

_KINDS = tuple(kind.value for kind in FrontendKind)
_PLACES = ("own", "other with", "other not ready", "other without", "own cni0", "own vtep", "loopback")
_BESIDES = {At.BRIDGE, At.TUNNEL, At.SECONDARY, At.PUBLIC}  # what follows the node in the label of a NodePort
_USUAL = ("v4", "tcp")
LEGEND = "own: the client's own node; other with, without: another node with, without an endpoint of the Service"


class Placed(Protocol):
    """Whatever stands in a matrix: a judged record, a predicted cell."""

    @property
    def cell(self) -> CellKey:
        """Its coordinates."""


P = TypeVar("P", bound=Placed)


def by_service(items: Iterable[P]) -> dict[str, list[P]]:
    """Return the items of each Service, in order."""
    found: dict[str, list[P]] = {}
    for item in items:
        found.setdefault(item.cell.service, []).append(item)
    return found


@dataclass(frozen=True, slots=True)
class Places:
    """The endpoints' nodes and the description of each Service; without them, NodePorts keep their node's name.

    `unready_nodes`: those of `endpoint_nodes` whose backends are all declared not ready.
    """

    endpoint_nodes: Mapping[str, frozenset[str]]
    unready_nodes: Mapping[str, frozenset[str]]
    abouts: Mapping[str, str]

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Self:
        """From `topology.declared` of a run, raw, so that a run of another version can still be read."""
        backends: dict[str, list[Mapping[str, Any]]] = {}
        for backend in _declared(declared, "backends"):
            backends.setdefault(str(backend.get("app", "")), []).append(backend)
        services = declared_services(declared)
        found = {name: backends.get(str(service.get("app", "")), []) for name, service in services.items()}
        return cls(
            endpoint_nodes={
                name: frozenset(str(backend.get("node", "")) for backend in own) for name, own in found.items()
            },
            unready_nodes={name: _unready_nodes(services[name], own) for name, own in found.items()},
            abouts={name: _about(services[name], own) for name, own in found.items()},
        )

    def column(self, cell: CellKey) -> str:
        """Return a cell's column: `clusterip`, `nodeport.own`, `nodeport.other with`, `clusterip v6 udp`."""
        usual = (cell.family, cell.protocol) == _USUAL
        label = self._node_port(cell) if cell.frontend_kind == FrontendKind.NODE_PORT else cell.frontend
        return label if usual else f"{label} {cell.family} {cell.protocol}"

    def columns(self, items: Iterable[Placed]) -> tuple[str, ...]:
        """Return the columns of a Service's table, kinds in a fixed order."""
        found = {self.column(item.cell): item.cell.frontend_kind for item in items}

        def rank(label: str) -> tuple[int, int, str]:
            place = label.partition(".")[2]
            known = _PLACES.index(place) if place in _PLACES else len(_PLACES)
            kind = _KINDS.index(found[label]) if found[label] in _KINDS else len(_KINDS)
            return kind, known if found[label] == FrontendKind.NODE_PORT else 0, label

        return tuple(sorted(found, key=rank))

    def _node_port(self, cell: CellKey) -> str:
        kind, _, place = cell.frontend.partition(".")
        node, at = split_place(place)
        if node == cell.vantage_node:
            return f"{kind}.own {at}".rstrip()
        if at or place == At.LOOPBACK or cell.service not in self.endpoint_nodes:
            return cell.frontend
        if node in self.unready_nodes[cell.service]:
            return f"{kind}.other not ready"
        return f"{kind}.other {'with' if node in self.endpoint_nodes[cell.service] else 'without'}"


def split_place(place: str) -> tuple[str, str]:
    """Return the node and the address of a NodePort label: `n1-cni0` -> n1, cni0; `worker-1` -> worker-1, empty."""
    node, _, at = place.rpartition("-")
    return (node, at) if node and at in _BESIDES else (place, "")


def declared_services(topology: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the declared Services by name, as far as a run of another version has them."""
    return {str(service.get("name", "")): service for service in _declared(topology, "services")}


def _declared(topology: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list of the workload, as far as a run of another version has them."""
    workload = topology.get("workload")
    entries = workload.get(section) if isinstance(workload, dict) else None
    return [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []


def _unready_nodes(service: Mapping[str, Any], backends: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    if service.get("publish_not_ready_addresses"):
        return frozenset()
    ready: dict[str, bool] = {}
    for one in backends:
        node = str(one.get("node", ""))
        ready[node] = ready.get(node, False) or one.get("state", "ready") == "ready"
    return frozenset(node for node, served in ready.items() if not served)


def _about(service: Mapping[str, Any], backends: Iterable[Mapping[str, Any]]) -> str:
    """`NodePort, externalTrafficPolicy Local, web-a on n1, web-b on n2`."""
    kind = str(service.get("type", ""))
    parts = [kind]
    if kind != "ClusterIP":
        parts.append(f"externalTrafficPolicy {service.get('external_traffic_policy', 'Cluster')}")
    if service.get("internal_traffic_policy", "Cluster") != "Cluster":
        parts.append(f"internalTrafficPolicy {service['internal_traffic_policy']}")
    if service.get("session_affinity", "None") != "None":
        parts.append(f"sessionAffinity {service['session_affinity']}")
    endpoints = [
        f"{one.get('name')} on {one.get('node')}{' (hostNetwork)' if one.get('host_network') else ''}{_state(one)}"
        for one in backends
    ]
    if service.get("publish_not_ready_addresses"):
        parts.append("publishNotReadyAddresses")
    return ", ".join([*filter(None, parts), *(endpoints or ["no endpoints"])])


def _state(backend: Mapping[str, Any]) -> str:
    """Return ` (terminating)`, or an empty string for a backend that is ready."""
    state = backend.get("state", "ready")
    return "" if state == "ready" else f" ({state})"
