"""Compute from a list of Services what the load balancer does: addresses, pools, nft rules, status. Pure.

A balancer in line keeps the client's address. Packets from the nodes' side that go back there are masqueraded, unless
the topology declares that the balancer keeps their address. On one LAN the reply would go directly to the client, from
an address that the client did not connect to. With full NAT everything is masqueraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topologies.cluster.lb_targets import to_annotation
from topologies.cluster.manifests import ADDRESS_ANNOTATION, SHARES_ANNOTATION, STATUS_ANNOTATION
from topologies.cluster_state.snapshot import hostname
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema.enums import BalancerStatus, EmptyPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from topologies.schema.topology import Listener, LoadBalancer

Service = dict[str, Any]
Given = dict[str, IPAddress]
Names = dict[IPAddress, str]
TABLE = "hairpin"
OWN_PORTS = 20001  # the port of the host's answer for its first own listener; the others follow


@dataclass(frozen=True, slots=True)
class ForwardingRule:
    """Ports of a load-balanced address and their target: a NodePort of the nodes in the pool, or a port of the host."""

    address: IPAddress
    protocol: str
    port: int
    node_port: int = 0
    pool: tuple[IPAddress, ...] = ()
    until: int = 0
    own_port: int = 0

    @property
    def match(self) -> str:
        """The nft expression that matches its packets."""
        ports = f"{self.port}-{self.until}" if self.until else str(self.port)
        return f"ip daddr {self.address} {self.protocol} dport {ports}"


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
    services: Iterable[Service],
    given: Given,
    nodes: tuple[IPAddress, ...],
    healthy: Callable[[IPAddress, int], bool],
    balancer: LoadBalancer,
) -> list[ForwardingRule]:
    """Return the forwarding rules for all ports of all Services, and for the listeners that no Service declares.

    With externalTrafficPolicy: Local the pool is the nodes whose healthCheckNodePort answers 200, unless the balancer
    registers all nodes.

    Args:
        services: All Services of the cluster.
        given: The address of each Service that has one.
        nodes: The nodes' addresses.
        healthy: Returns whether the health check at a port of a node succeeds.
        balancer: The topology's.

    """
    known = {key(service): service for service in services}
    pools = {name: _pool(service, nodes, healthy, balancer) for name, service in known.items()}
    made: dict[tuple[IPAddress, str, int], ForwardingRule] = {}
    for name, address in given.items():
        for one in _declared(known[name], address, pools[name]):
            made[one.address, one.protocol, one.port] = one
    for name, address in given.items():
        for number, listener in enumerate(balancer.listeners):
            namespace, _, plain = name.partition("/")
            if listener.service in {None, plain} and (address, "tcp", listener.port) not in made:
                target = known.get(f"{namespace}/{listener.leads_to}")
                if listening := _listening(listener, address, OWN_PORTS + number, target, pools):
                    made[address, "tcp", listener.port] = listening
    return sorted(made.values(), key=lambda one: (one.address, one.protocol, one.port))


def _pool(
    service: Service,
    nodes: tuple[IPAddress, ...],
    healthy: Callable[[IPAddress, int], bool],
    balancer: LoadBalancer,
) -> tuple[IPAddress, ...]:
    spec = service["spec"]
    port = spec.get("healthCheckNodePort") if spec.get("externalTrafficPolicy") == "Local" else None
    if not port or not balancer.avoids_empty_nodes:
        return nodes
    return tuple(node for node in nodes if healthy(node, port))


def _declared(service: Service, address: IPAddress, pool: tuple[IPAddress, ...]) -> Iterator[ForwardingRule]:
    for port in service["spec"]["ports"]:
        if port.get("nodePort"):
            yield ForwardingRule(address, port.get("protocol", "TCP").lower(), port["port"], port["nodePort"], pool)


def _listening(
    listener: Listener,
    address: IPAddress,
    own_port: int,
    target: Service | None,
    pools: dict[str, tuple[IPAddress, ...]],
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
    return ForwardingRule(address, "tcp", listener.port, node_port, pools[key(target)], until) if node_port else None


def own_listeners(balancer: LoadBalancer) -> dict[str, int]:
    """Return the listeners that the host answers itself: the host's port for each, by the listener's name."""
    return {one.name: OWN_PORTS + number for number, one in enumerate(balancer.listeners) if not one.leads_to}


def pools(services: Iterable[Service], given: Given, made: Iterable[ForwardingRule], names: Names) -> dict[str, str]:
    """Return the pool of each Service's first port, in the form of `topologies.cluster.lb_targets.ANNOTATION`."""
    led = {(one.address, one.port): one.pool for one in made}
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


def status(service: Service, address: IPAddress, balancer: LoadBalancer) -> dict[str, str]:
    """Return the entry for `status.loadBalancer.ingress`, in the form that the annotation or the balancer declares."""
    wanted = BalancerStatus(annotation(service, STATUS_ANNOTATION) or balancer.status)
    if wanted is BalancerStatus.HOSTNAME:
        return {"hostname": hostname(service["metadata"]["name"])}
    return {"ip": str(address)} | ({"ipMode": "Proxy"} if wanted is BalancerStatus.PROXY else {})


def ruleset(made: Iterable[ForwardingRule], balancer: LoadBalancer, external: IPNetwork) -> str:
    """Return the whole nft table, which one transaction replaces.

    An empty pool has no DNAT rule: the address is local to the balancer without a listener, so connections are refused.
    With `empty_pool: drop` they are dropped.

    Args:
        made: The forwarding rules.
        balancer: The topology's.
        external: The externalIPs, which are forwarded untranslated.

    """
    made = tuple(made)
    chosen = [f"    {rule}" for one in made for rule in _dnat_rules(one, excludes=balancer.excludes_source)]
    dropped = [f"    {rule}" for one in made for rule in _drop_rules(one, balancer)]
    return "\n".join(
        [
            f"table ip {TABLE}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            "  chain prerouting {\n    type nat hook prerouting priority dstnat;",
            *chosen,
            "  }",
            "  chain postrouting {\n    type nat hook postrouting priority srcnat;",
            *(f"    {rule}" for rule in _masquerades(balancer, external)),
            "  }",
            "  chain input {\n    type filter hook input priority filter;",
            *dropped,
            "  }",
            "}\n",
        ]
    )


def _masquerades(balancer: LoadBalancer, external: IPNetwork) -> list[str]:
    if not balancer.keeps_client:
        return ["ct status dnat masquerade"]
    if not balancer.masquerade_inside:
        return []
    inside = 'iifname "in0" oifname "in0"'
    return [f"{inside} ct status dnat masquerade", f"{inside} ip daddr {external} masquerade"]


def _dnat_rules(one: ForwardingRule, *, excludes: bool) -> Iterator[str]:
    """Yield the DNAT rules of a forwarding rule. `excludes`: a client in the pool is never sent to itself."""
    if one.own_port:
        yield f"{one.match} redirect to :{one.own_port}"
    for client in one.pool if excludes else ():
        others = tuple(node for node in one.pool if node != client)
        leads = f"dnat to {_random_member(others)} : {one.node_port}" if others else "accept"
        yield f"ip saddr {client} {one.match} {leads}"
    if one.pool:
        yield f"{one.match} dnat to {_random_member(one.pool)} : {one.node_port}"


def _drop_rules(one: ForwardingRule, balancer: LoadBalancer) -> Iterator[str]:
    """Yield the rules that drop packets without a target, if the balancer drops them instead of refusing."""
    if balancer.empty_pool is not EmptyPool.DROP or one.own_port:
        return
    if not one.pool:
        yield f"{one.match} drop"
    elif balancer.excludes_source and len(one.pool) == 1:
        yield f"ip saddr {one.pool[0]} {one.match} drop"


def _random_member(pool: tuple[IPAddress, ...]) -> str:
    members = ", ".join(f"{number} : {address}" for number, address in enumerate(pool))
    return f"numgen inc mod {len(pool)} map {{ {members} }}"
