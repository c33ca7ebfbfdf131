"""What the load balancer does with a list of Services: addresses, pools, nft rules, status. Pure.

In line, packets keep the client's address. What came in from the nodes' side and goes back there is masqueraded unless
the balancer keeps that too: on one LAN the reply would otherwise go straight to the client, from an address it never
asked. With full NAT everything is masqueraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topologies.cluster.lb_targets import written
from topologies.cluster.manifests import ADDRESS_ANNOTATION, SHARES_ANNOTATION, STATUS_ANNOTATION
from topologies.cluster_state.snapshot import hostname
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema.enums import BalancerStatus, EmptyPool, LoadBalancerKind, Registers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from topologies.schema.topology import Listener, LoadBalancer

Service = dict[str, Any]
Given = dict[str, IPAddress]
Names = dict[IPAddress, str]
TABLE = "hairpin"
OWN_PORTS = 20001  # where the host answers for its first listener of its own


@dataclass(frozen=True, slots=True)
class ForwardingRule:
    """Ports of a balanced address and where they lead: a NodePort of the nodes in the pool, or a port of the host's."""

    address: IPAddress
    protocol: str
    port: int
    node_port: int = 0
    pool: tuple[IPAddress, ...] = ()
    until: int = 0
    own_port: int = 0

    @property
    def match(self) -> str:
        """How nft tells its packets."""
        ports = f"{self.port}-{self.until}" if self.until else str(self.port)
        return f"ip daddr {self.address} {self.protocol} dport {ports}"


def key(service: Service) -> str:
    """namespace/name."""
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def annotation(service: Service, name: str) -> str:
    """An annotation's value, or an empty string."""
    return str((service["metadata"].get("annotations") or {}).get(name, ""))


def balanced(service: Service) -> bool:
    """Whether it is of type LoadBalancer and not being deleted."""
    return service["spec"].get("type") == "LoadBalancer" and "deletionTimestamp" not in service["metadata"]


def ingress(service: Service) -> list[dict[str, str]]:
    """What its status tells."""
    return service.get("status", {}).get("loadBalancer", {}).get("ingress") or []


def held(service: Service) -> list[IPAddress]:
    """The addresses it has already, by its status or, beside a hostname, by its annotation."""
    told = [entry["ip"] for entry in ingress(service) if "ip" in entry]
    beside = annotation(service, ADDRESS_ANNOTATION)
    return [IPAddress(text) for text in (*told, *([beside] if beside else []))]


def assign(services: Iterable[Service], network: IPNetwork) -> Given:
    """An address each: the one it has, else the one it wishes for, else the lowest free; the oldest Service first.

    One that shares has the address of the Service it names, and none while that has none.
    """
    ordered = sorted(filter(balanced, services), key=lambda one: (one["metadata"]["creationTimestamp"], key(one)))
    own = [service for service in ordered if not annotation(service, SHARES_ANNOTATION)]
    given: Given = {}
    for service in own:
        for address in held(service):
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
    wish = service["spec"].get("loadBalancerIP")
    wished = [IPAddress(wish)] if wish else []
    return next((one for one in (*wished, *network.hosts()) if one in network and one not in taken), None)


def frontends(
    services: Iterable[Service],
    given: Given,
    nodes: tuple[IPAddress, ...],
    healthy: Callable[[IPAddress, int], bool],
    balancer: LoadBalancer,
) -> list[ForwardingRule]:
    """All ports of all balanced Services, and the listeners that belong to none.

    The pool of a Local Service is the nodes whose healthCheckNodePort says 200, unless the balancer registers all.
    """
    known = {key(service): service for service in services}
    pools = {name: _pool(service, nodes, healthy, balancer.registers) for name, service in known.items()}
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
    registers: Registers,
) -> tuple[IPAddress, ...]:
    spec = service["spec"]
    port = spec.get("healthCheckNodePort") if spec.get("externalTrafficPolicy") == "Local" else None
    if not port or registers is Registers.ALL:
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
    """The listener at one address: the host's own answer, or as the Service's first port; None without that Service."""
    until = listener.until or 0
    if not listener.leads_to:
        return ForwardingRule(address, "tcp", listener.port, until=until, own_port=own_port)
    if target is None or not balanced(target):
        return None
    node_port = target["spec"]["ports"][0].get("nodePort", 0)
    return ForwardingRule(address, "tcp", listener.port, node_port, pools[key(target)], until) if node_port else None


def own_listeners(balancer: LoadBalancer) -> dict[str, int]:
    """The listeners the host answers for itself, by name, and the port of its own where it does."""
    return {one.name: OWN_PORTS + number for number, one in enumerate(balancer.listeners) if not one.leads_to}


def pools(services: Iterable[Service], given: Given, made: Iterable[ForwardingRule], names: Names) -> dict[str, str]:
    """What every balanced Service's first port leads to, as `topologies.cluster.lb_targets.ANNOTATION` tells it."""
    led = {(one.address, one.port): one.pool for one in made}
    found = {}
    for service in services:
        name, port = key(service), service["spec"]["ports"][0]["port"]
        if name in given and (given[name], port) in led:
            found[name] = written(names[node] for node in led[given[name], port])
    return found


def external_ips(services: Iterable[Service], network: IPNetwork) -> set[IPAddress]:
    """The externalIPs that are routed to the balancer."""
    found = {IPAddress(text) for service in services for text in service["spec"].get("externalIPs") or ()}
    return {address for address in found if address in network}


def status(service: Service, address: IPAddress, balancer: LoadBalancer) -> dict[str, str]:
    """The entry of `status.loadBalancer.ingress`: as the Service's annotation wants it, else the balancer's way."""
    wanted = BalancerStatus(annotation(service, STATUS_ANNOTATION) or balancer.status)
    if wanted is BalancerStatus.HOSTNAME:
        return {"hostname": hostname(service["metadata"]["name"])}
    return {"ip": str(address)} | ({"ipMode": "Proxy"} if wanted is BalancerStatus.PROXY else {})


def ruleset(made: Iterable[ForwardingRule], balancer: LoadBalancer, external: IPNetwork) -> str:
    """The whole nft table, replaced in one transaction. `external`: the addresses that are handed on untranslated.

    An empty pool has no rule: the address is the balancer's own and nobody listens, so a connection is refused; with
    `drop` it is left unanswered.
    """
    made = tuple(made)
    chosen = [f"    {rule}" for one in made for rule in _choices(one, excludes=balancer.excludes_source)]
    dropped = [f"    {rule}" for one in made for rule in _silences(one, balancer)]
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
    if balancer.kind is LoadBalancerKind.FULL_NAT:
        return ["ct status dnat masquerade"]
    if not balancer.masquerade_inside:
        return []
    inside = 'iifname "in0" oifname "in0"'
    return [f"{inside} ct status dnat masquerade", f"{inside} ip daddr {external} masquerade"]


def _choices(one: ForwardingRule, *, excludes: bool) -> Iterator[str]:
    """Where its packets go; a client among the pool first, if it is not to get itself."""
    if one.own_port:
        yield f"{one.match} redirect to :{one.own_port}"
    for client in one.pool if excludes else ():
        others = tuple(node for node in one.pool if node != client)
        leads = f"dnat to {_choice(others)} : {one.node_port}" if others else "accept"
        yield f"ip saddr {client} {one.match} {leads}"
    if one.pool:
        yield f"{one.match} dnat to {_choice(one.pool)} : {one.node_port}"


def _silences(one: ForwardingRule, balancer: LoadBalancer) -> Iterator[str]:
    """What is left unanswered rather than refused, where nobody is left to take it."""
    if balancer.empty_pool is not EmptyPool.DROP or one.own_port:
        return
    if not one.pool:
        yield f"{one.match} drop"
    elif balancer.excludes_source and len(one.pool) == 1:
        yield f"ip saddr {one.pool[0]} {one.match} drop"


def _choice(pool: tuple[IPAddress, ...]) -> str:
    members = ", ".join(f"{number} : {address}" for number, address in enumerate(pool))
    return f"numgen inc mod {len(pool)} map {{ {members} }}"
