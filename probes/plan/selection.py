"""`@pytest.mark.cells(...)` -> cells. An unknown selector is an error, never an empty selection."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import (
    AddressIs,
    AnnouncedBy,
    ArrivesAt,
    BalancerStatus,
    DetectLocal,
    EmptyPool,
    EndpointState,
    KubeletRules,
    LoadBalancerKind,
    OtherPorts,
    ProxyMode,
    ServiceType,
    SessionAffinity,
    TrafficPolicy,
    VantageKind,
)
from topologies.schema.network import kubelet_rules_by
from topologies.schema.topology import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology


class EndpointStates(StrEnum):
    """The states of a Service's backends together, as clients of the Service depend on them.

    `READY`: all are ready, or there are none. `MIXED`: some are. `PUBLISHED`: some are not, and the Service publishes
    them as ready. If none is ready: `TERMINATING` if one is terminating and serving, `NOT_SERVING` if all are
    terminating and unready, else `UNREADY`.
    """

    READY = "ready"
    MIXED = "mixed"
    PUBLISHED = "published"
    TERMINATING = "terminating"
    NOT_SERVING = "terminating-unready"
    UNREADY = "unready"


class SelectionError(HairpinError, ValueError):
    """A selector that can match no cell. The message names the selector, the value and the possible values."""


def _has_endpoints(cell: Cell, topology: Topology) -> bool:
    return bool(topology.backends_of(topology.service(cell.frontend.service)))


def _endpoint_states(cell: Cell, topology: Topology) -> EndpointStates:
    """Return the states of the backends of a cell's Service. An echo pod itself is asked directly in every state."""
    service = topology.service(cell.frontend.service)
    states = {backend.state for backend in topology.backends_of(service)}
    if cell.frontend.kind is FrontendKind.ENDPOINT or states <= {EndpointState.READY}:
        return EndpointStates.READY
    if service.publish_not_ready_addresses:
        return EndpointStates.PUBLISHED
    if EndpointState.READY in states:
        return EndpointStates.MIXED
    if EndpointState.TERMINATING in states:
        return EndpointStates.TERMINATING
    return EndpointStates.UNREADY if EndpointState.UNREADY in states else EndpointStates.NOT_SERVING


def _has_terminating(node: str | None, cell: Cell, topology: Topology) -> bool:
    """Return whether a node has an endpoint that is terminating and serving, and none that is ready."""
    service = topology.service(cell.frontend.service)
    there = [one for one in topology.backends_of(service) if one.node == node]
    ready = any(service.is_ready(one) for one in there)
    return not ready and any(one.state is EndpointState.TERMINATING for one in there)


def _listener(cell: Cell, topology: Topology) -> str:
    """Return `own` if the load balancer's listener answers itself, `leads` if it forwards to a Service, else `none`."""
    listener = topology.load_balancer.listeners_by_name.get(cell.frontend.listener or "")
    if listener is None:
        return "none"
    return "leads" if listener.leads_to else "own"


def _registers(topology: Topology) -> AnnouncedBy:
    return AnnouncedBy.ENDPOINTS if topology.load_balancer.avoids_empty_nodes else AnnouncedBy.ALL


def _spreads(_cell: Cell, topology: Topology) -> bool:
    balancer = topology.load_balancer
    return balancer.address_is is AddressIs.OWN and balancer.announced_by is not AnnouncedBy.LEADER


def _has_cluster_ips_outside(_cell: Cell, topology: Topology) -> bool:
    return topology.load_balancer.advertises_cluster_ips


def _is_served_outside(cell: Cell, topology: Topology) -> bool:
    """Return whether a node that receives a load balancer IP from outside serves it, and the network takes the reply.

    kube-proxy has no rules for an address that status does not contain, and a network that checks sources drops
    replies from an address that nodes announce.
    """
    balancer = topology.load_balancer
    hidden = balancer.arrives_at is ArrivesAt.ADDRESS and _status(cell, topology) is not BalancerStatus.IP
    return not hidden and not (topology.cni.anti_spoof and balancer.other_ports is OtherPorts.NODES)


def _status(cell: Cell, topology: Topology) -> BalancerStatus:
    return topology.balancer_status(topology.service(cell.frontend.service))


def _shares_address(cell: Cell, topology: Topology) -> bool:
    return cell.frontend.service in topology.workload.services_with_shared_address


def _is_beside_endpoint(cell: Cell, topology: Topology) -> bool:
    return cell.vantage.node in topology.endpoint_nodes(topology.service(cell.frontend.service))


def _is_endpoint(cell: Cell, topology: Topology) -> bool:
    """Return whether the client is itself an endpoint of the Service."""
    backends = topology.backends_of(topology.service(cell.frontend.service))
    return any(backend.name == cell.vantage.backend for backend in backends)


def _has_usual_kernels(topology: Topology) -> bool:
    unusual = any(path.partition("kernel.")[1] for path in topology.unknown)
    return not unusual and all(_has_usual_kernel(topology, node.name) for node in topology.nodes)


def _has_usual_kernel(topology: Topology, node: str) -> bool:
    """Return whether a node has the default settings, and the rules of kubelet that its kube-proxy relies on."""
    kernel = topology.kernel_of(node)
    usual_rules = {KubeletRules.ALL, kubelet_rules_by(topology.proxy_version_of(node))}
    others = kernel if kernel.kubelet_rules is None else kernel.model_copy(update={"kubelet_rules": None})
    return others == Kernel() and topology.kubelet_rules_of(node) in usual_rules


def _has_host_network(cell: Cell, topology: Topology) -> bool:
    backends = topology.backends_of(topology.service(cell.frontend.service))
    return any(backend.host_network for backend in backends)


def _probed_node(cell: Cell, topology: Topology) -> str | None:
    """Return the node that a NodePort or an echo pod is probed at; None for every other frontend."""
    frontend = cell.frontend
    if frontend.kind is FrontendKind.ENDPOINT:
        return topology.workload.backends_by_name[frontend.backend or ""].node
    if frontend.kind is FrontendKind.NODE_PORT:
        return cell.vantage.node if frontend.at is At.LOOPBACK else frontend.node
    return None


def _describe_node(cell: Cell, topology: Topology) -> str:
    """Return `own` if the client runs on the probed node, `other` if not, `none` if the frontend names no node."""
    node = _probed_node(cell, topology)
    if node is None:
        return "none"
    return "own" if node == cell.vantage.node else "other"


def _has_local_endpoint(cell: Cell, topology: Topology) -> bool:
    return _probed_node(cell, topology) in topology.endpoint_nodes(topology.service(cell.frontend.service))


BOTH: frozenset[object] = frozenset({True, False})
READERS: dict[str, tuple[Callable[[Cell, Topology], object], frozenset[object]]] = {
    "vantage": (lambda cell, _: cell.vantage.kind, frozenset(VantageKind)),
    "frontend": (lambda cell, _: cell.frontend.kind, frozenset(FrontendKind)),
    "at": (lambda cell, _: cell.frontend.at, frozenset(At)),
    "declared": (lambda cell, _: cell.frontend.declared, frozenset({True, False})),
    "endpoints": (_has_endpoints, frozenset({True, False})),
    "listener": (_listener, frozenset({"own", "leads", "none"})),
    "status": (_status, frozenset(BalancerStatus)),
    "shared_address": (_shares_address, frozenset({True, False})),
    "beside": (_is_beside_endpoint, frozenset({True, False})),  # the client's node has an endpoint of the Service
    "is_endpoint": (_is_endpoint, frozenset({True, False})),
    "host_network": (_has_host_network, frozenset({True, False})),
    "node": (_describe_node, frozenset({"own", "other", "none"})),
    "local_endpoint": (_has_local_endpoint, frozenset({True, False})),  # the probed node has one of the Service
    "states": (_endpoint_states, frozenset(EndpointStates)),
    "beside_terminating": (lambda cell, topology: _has_terminating(cell.vantage.node, cell, topology), BOTH),
    "local_terminating": (lambda cell, topology: _has_terminating(_probed_node(cell, topology), cell, topology), BOTH),
    "internal_policy": (
        lambda cell, topology: topology.service(cell.frontend.service).internal_traffic_policy,
        frozenset(TrafficPolicy),
    ),
    "source_ranges": (
        lambda cell, topology: bool(topology.service(cell.frontend.service).load_balancer_source_ranges),
        frozenset({True, False}),
    ),
    "mode": (lambda _, topology: topology.proxy.mode, frozenset(ProxyMode)),
    "detect_local": (lambda _, topology: topology.proxy.detect_local, frozenset(DetectLocal)),
    "masquerade_all": (lambda _, topology: topology.proxy.masquerade_all, frozenset({True, False})),
    "all_node_ports": (lambda _, topology: not topology.proxy.node_port_addresses, frozenset({True, False})),
    "usual_kernel": (lambda _, topology: _has_usual_kernels(topology), frozenset({True, False})),
    "balancer": (lambda _, topology: topology.load_balancer.kind, frozenset(LoadBalancerKind)),
    "registers": (lambda _, topology: _registers(topology), frozenset({AnnouncedBy.ENDPOINTS, AnnouncedBy.ALL})),
    "listens": (lambda _, topology: topology.load_balancer.listens, frozenset({True, False})),
    "empty_pool": (lambda _, topology: topology.load_balancer.empty_pool, frozenset(EmptyPool)),
    "inside": (lambda cell, _: cell.vantage.kind is not VantageKind.EXTERNAL, frozenset({True, False})),
    "keeps_client": (lambda _, topology: topology.load_balancer.keeps_client, frozenset({True, False})),
    "arrives_at": (lambda _, topology: topology.load_balancer.arrives_at, frozenset(ArrivesAt)),
    "spreads": (_spreads, frozenset({True, False})),  # a load balancer IP leads to several nodes
    "other_ports": (lambda _, topology: topology.load_balancer.other_ports, frozenset(OtherPorts)),
    "cluster_ips_outside": (_has_cluster_ips_outside, frozenset({True, False})),
    "served_outside": (_is_served_outside, frozenset({True, False})),
    "excludes": (lambda _, topology: topology.load_balancer.excludes_source, frozenset({True, False})),
    "type": (lambda cell, topology: topology.service(cell.frontend.service).type, frozenset(ServiceType)),
    "policy": (
        lambda cell, topology: topology.service(cell.frontend.service).external_traffic_policy,
        frozenset(TrafficPolicy),
    ),
    "affinity": (
        lambda cell, topology: topology.service(cell.frontend.service).session_affinity,
        frozenset(SessionAffinity),
    ),
}


def select(cells: Iterable[Cell], topology: Topology, wanted: Mapping[str, object]) -> list[Cell]:
    """Return the cells that match every selector; a selector's value may be one value or a tuple of values."""
    choices = {key: _checked(key, value) for key, value in wanted.items()}
    return [cell for cell in cells if all(READERS[key][0](cell, topology) in values for key, values in choices.items())]


def select_promised(cells: Iterable[Cell], topology: Topology, wanted: Mapping[str, object]) -> list[Cell]:
    """Return the cells that match a promise's selectors. One that names no `states` is about ready endpoints only."""
    others = {key: value for key, value in wanted.items() if key != "states"}
    return select(cells, topology, {**others, "states": wanted.get("states", EndpointStates.READY)})  # the slowest last


def _checked(key: str, value: object) -> tuple[object, ...]:
    if key not in READERS:
        message = f"@pytest.mark.cells: got the selector {key!r}, want one of {sorted(READERS)}"
        raise SelectionError(message)
    values = value if isinstance(value, tuple) else (value,)
    possible = READERS[key][1]
    if strangers := [one for one in values if one not in possible]:
        message = f"@pytest.mark.cells({key}=...): got {strangers}, want some of {sorted(map(str, possible))}"
        raise SelectionError(message)
    return values
