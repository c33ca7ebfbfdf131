"""What the load balancer does with a list of Services: addresses, pools, nft rules, routes. Pure.

Packets keep the client's address. Only what came in from the nodes' side and goes back there is masqueraded: the reply
would otherwise go straight to the client, on the same LAN, from an address it never asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from topologies.model import EmptyPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Service = dict[str, Any]
TABLE = "hairpin"


@dataclass(frozen=True, slots=True)
class Frontend:
    """A port of a balanced address and where it leads: NodePort of the nodes in the pool."""

    address: IPv4Address
    protocol: str
    port: int
    node_port: int
    pool: tuple[IPv4Address, ...]


def key(service: Service) -> str:
    """namespace/name."""
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def balanced(service: Service) -> bool:
    """Whether it is of type LoadBalancer and not being deleted."""
    return service["spec"].get("type") == "LoadBalancer" and "deletionTimestamp" not in service["metadata"]


def ingress(service: Service) -> list[str]:
    """The addresses its status tells."""
    entries = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry["ip"] for entry in entries if "ip" in entry]


def assign(services: Iterable[Service], network: IPv4Network) -> dict[str, IPv4Address]:
    """An address each: the one it has, else the one it wishes for, else the lowest free; the oldest Service first."""
    ordered = sorted(filter(balanced, services), key=lambda one: (one["metadata"]["creationTimestamp"], key(one)))
    given: dict[str, IPv4Address] = {}
    for service in ordered:
        for text in ingress(service):
            if IPv4Address(text) in network and IPv4Address(text) not in given.values():
                given[key(service)] = IPv4Address(text)
    for service in ordered:
        if key(service) not in given:
            wish = service["spec"].get("loadBalancerIP")
            taken = set(given.values())
            wished = [IPv4Address(wish)] if wish else []
            free = (address for address in (*wished, *network.hosts()) if address in network and address not in taken)
            if address := next(free, None):
                given[key(service)] = address
    return given


def frontends(
    services: Iterable[Service],
    given: dict[str, IPv4Address],
    nodes: tuple[IPv4Address, ...],
    healthy: Callable[[IPv4Address, int], bool],
) -> list[Frontend]:
    """All ports of all balanced Services; the pool of a Local one is the nodes whose healthCheckNodePort says 200."""
    made = []
    for service in services:
        if not (address := given.get(key(service))):
            continue
        spec = service["spec"]
        local = spec.get("externalTrafficPolicy") == "Local" and spec.get("healthCheckNodePort")
        pool = tuple(node for node in nodes if not local or healthy(node, spec["healthCheckNodePort"]))
        made += [
            Frontend(address, port.get("protocol", "TCP").lower(), port["port"], port["nodePort"], pool)
            for port in spec["ports"]
            if port.get("nodePort")
        ]
    return sorted(made, key=lambda one: (one.address, one.protocol, one.port))


def external_ips(services: Iterable[Service], network: IPv4Network) -> set[IPv4Address]:
    """The externalIPs that are routed to the balancer."""
    found = {IPv4Address(text) for service in services for text in service["spec"].get("externalIPs") or ()}
    return {address for address in found if address in network}


def ruleset(made: Iterable[Frontend], empty: EmptyPool) -> str:
    """The whole nft table, replaced in one transaction.

    An empty pool has no rule: the address is the balancer's own and nobody listens, so a connection is refused; with
    `drop` it is left unanswered.
    """
    made = tuple(made)
    chosen = [f"    {_match(one)} dnat to {_choice(one.pool)} : {one.node_port}" for one in made if one.pool]
    dropped = [f"    {_match(one)} drop" for one in made if not one.pool and empty is EmptyPool.DROP]
    return "\n".join(
        [
            f"table ip {TABLE}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            "  chain prerouting {\n    type nat hook prerouting priority dstnat;",
            *chosen,
            "  }",
            "  chain postrouting {\n    type nat hook postrouting priority srcnat;",
            '    iifname "in0" oifname "in0" masquerade',
            "  }",
            "  chain input {\n    type filter hook input priority filter;",
            *dropped,
            "  }",
            "}\n",
        ]
    )


def _match(one: Frontend) -> str:
    return f"ip daddr {one.address} {one.protocol} dport {one.port}"


def _choice(pool: tuple[IPv4Address, ...]) -> str:
    members = ", ".join(f"{number} : {address}" for number, address in enumerate(pool))
    return f"numgen inc mod {len(pool)} map {{ {members} }}"
