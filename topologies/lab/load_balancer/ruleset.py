"""Make the load balancer's nft rules from its forwarding rules. Pure.

A balancer in line keeps the client's address. Packets from the nodes' side that go back there are masqueraded, unless
the topology declares that the balancer keeps their address. On one LAN the reply would go directly to the client, from
an address that the client did not connect to. With full NAT everything is masqueraded.

With session affinity a hash of the client's address selects the node or pod. Packets that are not translated get the
mark of the node, and the host routes them by their mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.lab.load_balancer.config import mark_nodes
from topologies.schema.enums import ArrivesAt, EmptyPool, OtherPorts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from topologies.common.addresses import IPAddress, IPNetwork
    from topologies.lab.load_balancer.config import ForwardingRule
    from topologies.schema.topology import LoadBalancer

    NodeRanges = tuple[IPAddress, tuple[IPNetwork, ...]]  # a node's address and the ranges of its pods

TABLE = "hairpin"
BY_CLIENT = "jhash ip saddr mod {} seed 0x1"  # a fixed seed: new rules select the same member for a client
IN_TURN = "numgen inc mod {}"
REFUSE = "meta l4proto tcp reject with tcp reset"


def ruleset(
    made: Iterable[ForwardingRule],
    balancer: LoadBalancer,
    external: IPNetwork,
    nodes: Iterable[NodeRanges] = (),
) -> str:
    """Return the whole nft table, which one transaction replaces.

    An empty pool has no DNAT rule: the address is local to the balancer without a listener, so connections are refused.
    With `empty_pool: drop` they are dropped.

    Args:
        made: The forwarding rules.
        balancer: The topology's.
        external: The externalIPs, which are forwarded untranslated.
        nodes: The nodes with their own and their pods' ranges.

    """
    made, nodes = tuple(made), tuple(nodes)
    addresses = sorted({one.address for one in made})
    chains = {
        "ranges": ("filter", "prerouting", "mangle", [*_ranges(made), *_marks(made, nodes)]),
        "prerouting": (
            "nat",
            "prerouting",
            "dstnat",
            list(_translations(made, addresses, balancer)),
        ),
        "forward": ("filter", "forward", "filter", list(_untranslated(made, addresses, balancer))),
        "postrouting": ("nat", "postrouting", "srcnat", list(_masquerades(made, balancer, external, nodes))),
        "input": ("filter", "input", "filter", list(_received(made, addresses, balancer))),
    }
    lines = [f"table ip {TABLE}", f"delete table ip {TABLE}", f"table ip {TABLE} {{"]
    for name, (kind, hook, priority, rules) in chains.items():
        lines.append(f"  chain {name} {{\n    type {kind} hook {hook} priority {priority};")
        lines += [*(f"    {rule}" for rule in rules), "  }"]
    return "\n".join([*lines, "}\n"])


def is_routed(balancer: LoadBalancer) -> bool:
    """Return whether nodes receive packets to a load-balanced address unchanged, so that the host does not own it."""
    return balancer.arrives_at is ArrivesAt.ADDRESS or balancer.other_ports is OtherPorts.NODES


def _ranges(made: tuple[ForwardingRule, ...]) -> list[str]:
    return [f"{one.match} ip saddr != {{ {', '.join(one.ranges)} }} drop" for one in made if one.ranges]


def _marks(made: tuple[ForwardingRule, ...], nodes: tuple[NodeRanges, ...]) -> Iterator[str]:
    """Yield the rules that select the node of a packet that is not translated, if it follows the client's address."""
    marks = mark_nodes(node for node, _ in nodes)
    for one in made:
        if one.unchanged and one.by_client and one.nodes:
            yield f"{one.match} meta mark set {_member([marks[node] for node in one.nodes], BY_CLIENT)}"


def _translations(
    made: tuple[ForwardingRule, ...], addresses: list[IPAddress], balancer: LoadBalancer
) -> Iterator[str]:
    """Yield the DNAT rules, and those for the balancer's own answer at addresses that the host does not own."""
    if balancer.listens and is_routed(balancer):
        for address in addresses:
            yield f"ip daddr {address} tcp dport {balancer.undeclared_port} redirect to :{balancer.undeclared_port}"
    for one in made:
        if not one.unchanged:
            yield from _dnat_rules(one, excludes=balancer.excludes_source)


def _untranslated(
    made: tuple[ForwardingRule, ...], addresses: list[IPAddress], balancer: LoadBalancer
) -> Iterator[str]:
    """Yield the rules for packets to routed addresses that the balancer refuses or drops.

    A packet without a target is not translated, so its route leads to a node.
    """
    if not is_routed(balancer):
        return
    for one in made:
        targets = one.nodes if one.unchanged else one.pool
        if not targets and not one.own_port:
            yield f"{one.match} {'drop' if balancer.empty_pool is EmptyPool.DROP else REFUSE}"
    if balancer.other_ports is OtherPorts.NODES:
        return
    for one in made:
        yield f"{one.match} accept"
    for address in addresses:
        yield f"ip daddr {address} {'drop' if balancer.other_ports is OtherPorts.DROP else REFUSE}"


def _masquerades(
    made: tuple[ForwardingRule, ...], balancer: LoadBalancer, external: IPNetwork, nodes: Iterable[NodeRanges]
) -> Iterator[str]:
    routed = ", ".join(sorted({str(one.address) for one in made if one.unchanged}))
    if balancer.hairpin:
        yield from _hairpins(routed, nodes)
    if not balancer.keeps_client:
        yield "ct status dnat masquerade"
        if routed:
            yield f"ip daddr {{ {routed} }} masquerade"
    elif balancer.masquerade_inside:
        inside = 'iifname "in0" oifname "in0"'
        yield from (f"{inside} ct status dnat masquerade", f"{inside} ip daddr {external} masquerade")


def _hairpins(routed: str, nodes: Iterable[NodeRanges]) -> Iterator[str]:
    """Yield the rules for packets that return to the client's own node. `routed`: the addresses routed unchanged."""
    for node, ranges in nodes:
        own = ", ".join(map(str, (node, *ranges)))
        yield f"ip saddr {{ {own} }} ip daddr {{ {own} }} ct status dnat masquerade"
        if routed:
            yield f"ip saddr {{ {own} }} ip daddr {{ {routed} }} rt ip nexthop {node} masquerade"


def _received(made: tuple[ForwardingRule, ...], addresses: list[IPAddress], balancer: LoadBalancer) -> Iterator[str]:
    """Yield the rules for packets that the host itself receives: those without a target or listener."""
    for one in made:
        yield from _drop_rules(one, balancer)
    if balancer.other_ports is not OtherPorts.DROP or is_routed(balancer):
        return
    for one in made:
        yield f"{one.match} accept"
    for address in addresses:
        if balancer.listens:
            yield f"ip daddr {address} tcp dport {balancer.undeclared_port} accept"
        yield f"ip daddr {address} drop"


def _dnat_rules(one: ForwardingRule, *, excludes: bool) -> Iterator[str]:
    """Yield the DNAT rules of a forwarding rule. `excludes`: a client in the pool is never sent to itself."""
    if one.own_port:
        yield f"{one.match} redirect to :{one.own_port}"
    selector = BY_CLIENT if one.by_client else IN_TURN
    for client in one.pool if excludes else ():
        others = tuple(node for node in one.pool if node != client)
        leads = f"dnat to {_member(others, selector)} : {one.node_port}" if others else "accept"
        yield f"ip saddr {client} {one.match} {leads}"
    if one.pool:
        yield f"{one.match} dnat to {_member(one.pool, selector)} : {one.node_port}"


def _drop_rules(one: ForwardingRule, balancer: LoadBalancer) -> Iterator[str]:
    """Yield the rules that drop packets without a target, if the balancer drops them instead of refusing."""
    if balancer.empty_pool is not EmptyPool.DROP or one.own_port:
        return
    if not one.pool:
        yield f"{one.match} drop"
    elif balancer.excludes_source and len(one.pool) == 1:
        yield f"ip saddr {one.pool[0]} {one.match} drop"


def _member(pool: Sequence[object], selector: str) -> str:
    members = ", ".join(f"{number} : {one}" for number, one in enumerate(pool))
    return f"{selector.format(len(pool))} map {{ {members} }}"
