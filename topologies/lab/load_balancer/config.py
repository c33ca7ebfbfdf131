"""Compute from a list of Services what the load balancer does: addresses, pools, forwarding rules, status. Pure.

ruleset.py makes nft rules of the forwarding rules, and announcements.py routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from topologies.cluster.lb_targets import to_annotation
from topologies.cluster.manifests import ADDRESS_ANNOTATION, SHARES_ANNOTATION, STATUS_ANNOTATION
from topologies.cluster_state.snapshot import hostname
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema.enums import AnnouncedBy, ArrivesAt, BalancerAffinity, BalancerStatus, EmptyPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from topologies.schema.topology import Listener, LoadBalancer

Service = dict[str, Any]
Given = dict[str, IPAddress]
Names = dict[IPAddress, str]
OWN_PORTS = 20001  # the port of the host's answer for its first own listener; the others follow
MARKS = 101  # the first node's packet mark, which is also the number of its routing table; the others follow


@dataclass(frozen=True, slots=True)
class ForwardingRule:
    """Ports of a load-balanced address and their target: a port of the nodes or pods in the pool, or of the host."""

    address: IPAddress
    protocol: str
    port: int
    node_port: int = 0
    pool: tuple[IPAddress, ...] = ()
    until: int = 0
    own_port: int = 0
    nodes: tuple[IPAddress, ...] = ()
    """The nodes that the balancer selects, or that announce the address."""
    healthy: tuple[IPAddress, ...] | None = None
    """The nodes that the balancer reports, if they are not the pool."""
    unchanged: bool = False
    """Packets arrive at a node with their destination."""
    ranges: tuple[str, ...] = ()
    """The only clients that the balancer admits. Empty: all."""
    by_client: bool = False
    """All connections of a client address go to the same node or pod."""

    @property
    def match(self) -> str:
        """The nft expression that matches its packets."""
        ports = f"{self.port}-{self.until}" if self.until else str(self.port)
        return f"ip daddr {self.address} {self.protocol} dport {ports}"


class Ready(NamedTuple):
    """A ready endpoint: its address, its port, and its node's address."""

    address: IPAddress
    port: int
    node: IPAddress


@dataclass(frozen=True, slots=True)
class Targets:
    """The nodes and endpoints that the balancer may use."""

    nodes: tuple[IPAddress, ...]
    healthy: Callable[[IPAddress, int], bool]
    """Returns whether the health check at a port of a node succeeds."""
    leader: IPAddress | None = None
    """The node that announces all addresses, if it may."""
    ready: Mapping[str, tuple[Ready, ...]] = field(default_factory=dict)
    """The ready endpoints of each Service, by key."""


def key(service: Service) -> str:
    """Return `namespace/name` of a Service."""
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def annotation(service: Service, name: str) -> str:
    """Return an annotation's value, or an empty string."""
    return str((service["metadata"].get("annotations") or {}).get(name, ""))


def is_balanced(service: Service) -> bool:
    """Return whether a Service is of type LoadBalancer and not being deleted."""
    return service["spec"].get("type") == "LoadBalancer" and "deletionTimestamp" not in service["metadata"]


def ingress(service: Service) -> list[dict[str, str]]:
    """Return `status.loadBalancer.ingress` of a Service."""
    return service.get("status", {}).get("loadBalancer", {}).get("ingress") or []


def current_addresses(service: Service) -> list[IPAddress]:
    """Return the addresses that a Service has: in its status or, if that has a hostname, in its annotation."""
    reported = [entry["ip"] for entry in ingress(service) if "ip" in entry]
    annotated = annotation(service, ADDRESS_ANNOTATION)
    return [IPAddress(text) for text in (*reported, *([annotated] if annotated else []))]


def assign(services: Iterable[Service], network: IPNetwork) -> Given:
    """Assign an address to each Service of type LoadBalancer, the oldest Service first.

    A Service gets the address that it has, or else `spec.loadBalancerIP`, or else the lowest free one. A Service that
    shares an address gets the one of the Service that it names, and none as long as that one has none.
    """
    ordered = sorted(filter(is_balanced, services), key=lambda one: (one["metadata"]["creationTimestamp"], key(one)))
    own = [service for service in ordered if not annotation(service, SHARES_ANNOTATION)]
    given: Given = {}
    for service in own:
        for address in current_addresses(service):
            if address in network and address not in given.values():
                given[key(service)] = address
    for service in own:
        if key(service) not in given and (free := _free(service, network, set(given.values()))):
            given[key(service)] = free
    for service in ordered:
        owner = f"{service['metadata']['namespace']}/{annotation(service, SHARES_ANNOTATION)}"
        if key(service) not in given and owner in given:
            given[key(service)] = given[owner]
    return given


def _free(service: Service, network: IPNetwork, taken: set[IPAddress]) -> IPAddress | None:
    declared = service["spec"].get("loadBalancerIP")
    preferred = [IPAddress(declared)] if declared else []
    return next((one for one in (*preferred, *network.hosts()) if one in network and one not in taken), None)


def frontends(
    services: Iterable[Service], given: Given, targets: Targets, balancer: LoadBalancer
) -> list[ForwardingRule]:
    """Return the forwarding rules for all ports of all Services, and for the listeners that no Service declares.

    With externalTrafficPolicy: Local the pool is the nodes whose healthCheckNodePort answers 200, unless the balancer
    uses all nodes.

    Args:
        services: All Services of the cluster.
        given: The address of each Service that has one.
        targets: The nodes and endpoints.
        balancer: The topology's.

    """
    known = {key(service): service for service in services}
    made: dict[tuple[IPAddress, str, int], ForwardingRule] = {}
    for name, address in given.items():
        for one in _declared(known[name], address, targets, balancer):
            made[one.address, one.protocol, one.port] = one
    for name, address in given.items():
        for number, listener in enumerate(balancer.listeners):
            namespace, _, plain = name.partition("/")
            if listener.service in {None, plain} and (address, "tcp", listener.port) not in made:
                target = known.get(f"{namespace}/{listener.leads_to}")
                pool = list_nodes(target, targets, balancer) if target else ()
                if listening := _listening(listener, address, OWN_PORTS + number, target, pool):
                    made[address, "tcp", listener.port] = listening
    return sorted(made.values(), key=lambda one: (one.address, one.protocol, one.port))


def list_healthy(service: Service, targets: Targets, balancer: LoadBalancer) -> tuple[IPAddress, ...]:
    """Return the nodes that pass the Service's health check; every node if it has none."""
    spec = service["spec"]
    port = spec.get("healthCheckNodePort") if spec.get("externalTrafficPolicy") == "Local" else None
    if not port or not balancer.avoids_empty_nodes:
        return targets.nodes
    return tuple(node for node in targets.nodes if targets.healthy(node, port))


def list_nodes(service: Service, targets: Targets, balancer: LoadBalancer) -> tuple[IPAddress, ...]:
    """Return the nodes that the balancer selects for a Service, or that announce its address."""
    if balancer.empty_pool is EmptyPool.WITHDRAW and not targets.ready.get(key(service)):
        return ()
    nodes = list_healthy(service, targets, balancer)
    if not nodes and balancer.empty_pool is EmptyPool.ALL:
        nodes = targets.nodes
    return elect(nodes, targets, balancer)


def elect(nodes: tuple[IPAddress, ...], targets: Targets, balancer: LoadBalancer) -> tuple[IPAddress, ...]:
    """Return the nodes, or one of them if only a leader announces addresses."""
    if balancer.announced_by is not AnnouncedBy.LEADER or not nodes:
        return nodes
    return (next((node for node in nodes if node == targets.leader), nodes[0]),)


def _declared(
    service: Service, address: IPAddress, targets: Targets, balancer: LoadBalancer
) -> Iterator[ForwardingRule]:
    nodes, healthy = list_nodes(service, targets, balancer), list_healthy(service, targets, balancer)
    ranges = service["spec"].get("loadBalancerSourceRanges") if balancer.source_ranges else None
    for port in service["spec"]["ports"]:
        if not port.get("nodePort"):
            continue
        target, pool = port["nodePort"], nodes
        if balancer.arrives_at is ArrivesAt.POD:
            pods = targets.ready.get(key(service), ())
            target, pool = next((one.port for one in pods), 0), tuple(one.address for one in pods)
        yield ForwardingRule(
            address,
            port.get("protocol", "TCP").lower(),
            port["port"],
            target,
            pool,
            nodes=nodes,
            healthy=healthy,
            unchanged=balancer.arrives_at is ArrivesAt.ADDRESS,
            ranges=tuple(ranges or ()),
            by_client=_keeps_affinity(service, balancer),
        )


def _keeps_affinity(service: Service, balancer: LoadBalancer) -> bool:
    follows = balancer.session_affinity is BalancerAffinity.CLIENT_IP
    return follows and service["spec"].get("sessionAffinity") == "ClientIP"


def mark_nodes(nodes: Iterable[IPAddress]) -> dict[IPAddress, int]:
    """Return a packet mark for each node: packets with it are routed to the node."""
    return {node: MARKS + number for number, node in enumerate(nodes)}


def _listening(
    listener: Listener,
    address: IPAddress,
    own_port: int,
    target: Service | None,
    pool: tuple[IPAddress, ...],
) -> ForwardingRule | None:
    """Return the rule for a listener at one address: the host's own answer, or the target Service's first port.

    None if the target Service is absent.
    """
    until = listener.until or 0
    if not listener.leads_to:
        return ForwardingRule(address, "tcp", listener.port, until=until, own_port=own_port)
    if target is None or not is_balanced(target):
        return None
    node_port = target["spec"]["ports"][0].get("nodePort", 0)
    return ForwardingRule(address, "tcp", listener.port, node_port, pool, until) if node_port else None


def own_listeners(balancer: LoadBalancer) -> dict[str, int]:
    """Return the listeners that the host answers itself: the host's port for each, by the listener's name."""
    return {one.name: OWN_PORTS + number for number, one in enumerate(balancer.listeners) if not one.leads_to}


def pools(services: Iterable[Service], given: Given, made: Iterable[ForwardingRule], names: Names) -> dict[str, str]:
    """Return the pool of each Service's first port, in the form of `topologies.cluster.lb_targets.ANNOTATION`."""
    led = {(one.address, one.port): one.pool if one.healthy is None else one.healthy for one in made}
    found = {}
    for service in services:
        name, port = key(service), service["spec"]["ports"][0]["port"]
        if name in given and (given[name], port) in led:
            found[name] = to_annotation(names[node] for node in led[given[name], port])
    return found


def external_ips(services: Iterable[Service], network: IPNetwork) -> set[IPAddress]:
    """Return the externalIPs that are routed to the balancer."""
    found = {IPAddress(text) for service in services for text in service["spec"].get("externalIPs") or ()}
    return {address for address in found if address in network}


def ready_endpoints(
    endpoints: Iterable[dict[str, Any]], nodes: Mapping[str, IPAddress]
) -> dict[str, tuple[Ready, ...]]:
    """Return the ready endpoints of each Service by its key, from Endpoints objects.

    Args:
        endpoints: The objects.
        nodes: The nodes' addresses, by name.

    """
    found = {}
    for one in endpoints:
        found[key(one)] = tuple(
            Ready(IPAddress(address["ip"]), subset["ports"][0]["port"], nodes[address["nodeName"]])
            for subset in one.get("subsets") or ()
            for address in subset.get("addresses") or ()
            if address.get("nodeName") in nodes and subset.get("ports")
        )
    return found


def status(service: Service, address: IPAddress, balancer: LoadBalancer) -> dict[str, str]:
    """Return the entry for `status.loadBalancer.ingress`, in the form that the annotation or the balancer declares."""
    wanted = BalancerStatus(annotation(service, STATUS_ANNOTATION) or balancer.status)
    if wanted is BalancerStatus.HOSTNAME:
        return {"hostname": hostname(service["metadata"]["name"])}
    return {"ip": str(address)} | ({"ipMode": "Proxy"} if wanted is BalancerStatus.PROXY else {})
