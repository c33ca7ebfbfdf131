"""Decisions as one nft transaction, which replaces all rules and keeps the clients of session affinity. Pure.

Connections that no endpoint serves are refused or dropped before they are translated. Everything else is one DNAT rule
for each frontend and kind of client.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.lab.data_plane.decisions import Client, SourceNat, Unserved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.lab.data_plane.decisions import Decision, ThisNode
    from tests.lab.data_plane.services import ServiceEndpoint

TABLE = "ip data-plane"
MARKS = {SourceNat.REMOTE: 0x20000, SourceNat.ALL: 0x40000}  # of packets whose source is replaced
CLEAR = 0xFFFFFFFF ^ sum(MARKS.values())
BASE = {
    "screen-arriving": "type filter hook prerouting priority -110",
    "screen-leaving": "type filter hook output priority -110",
    "translate-arriving": "type nat hook prerouting priority dstnat",
    "translate-leaving": "type nat hook output priority -100",
    "replace-source": "type nat hook postrouting priority 95",  # before the CNI's rules
}
REFUSE = {"tcp": "reject with tcp reset"}
REFUSE_OTHERS = "reject with icmp type port-unreachable"
CONNECTION = "jhash ip saddr . {0} sport . ip daddr . {0} dport mod {1} seed 0x1"
CLIENT = "jhash ip saddr mod {} seed 0x1"


def ruleset(decisions: Iterable[Decision], node: ThisNode, stale: Iterable[str] = ()) -> str:
    """Return the transaction. `stale`: sets of an earlier one that this one may not have."""
    decisions = tuple(decisions)
    sets = affinity_sets(decisions)
    chains = [*BASE, *(f"{part}-{client}" for part in ("screen", "translate") for client in Client)]
    lines = [f"add table {TABLE}", f"flush table {TABLE}"]
    lines += [f"delete set {TABLE} {name}" for name in sorted(set(stale) - sets.keys())]
    lines.append(f"table {TABLE} {{")
    for name, timeout_s in sets.items():
        lines.append(f"  set {name} {{ type ipv4_addr; flags dynamic,timeout; timeout {timeout_s}s; size 65536; }}")
    lines += [f"  chain {name} {{ {BASE[name] + ';' if name in BASE else ''} }}" for name in reversed(chains)]
    lines += ["}", *(f"add rule {TABLE} {rule}" for rule in _rules(decisions, node))]
    return "\n".join(lines) + "\n"


def affinity_sets(decisions: Iterable[Decision]) -> dict[str, int]:
    """Return the sets of clients of each endpoint with session affinity: name -> timeout in seconds."""
    return {
        _set_name(one, endpoint): one.affinity_s for one in decisions if one.affinity_s for endpoint in one.endpoints
    }


def _set_name(one: Decision, endpoint: ServiceEndpoint) -> str:
    scope = "local" if one.is_local else "cluster"
    text = f"{one.port.service} {one.affinity_s} {endpoint.address} {scope}"
    return f"clients-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _rules(decisions: Sequence[Decision], node: ThisNode) -> Iterator[str]:
    for part in ("screen", "translate"):
        new = "ct state new " if part == "screen" else ""
        yield f"{part}-arriving {new}ip saddr {node.pod_cidr} goto {part}-{Client.POD}"
        yield f"{part}-arriving {new}goto {part}-{Client.OUTSIDE}"
        yield f"{part}-leaving {new}goto {part}-{Client.NODE}"
    for one in decisions:
        if one.endpoints:
            yield from (f"translate-{one.client} {_match(one)} {action}" for action in _translations(one))
        else:
            yield f"screen-{one.client} {_match(one)} {_unserved(one)}"
    yield from _other_addresses(decisions, node)
    yield from _sources(decisions, node)


def _match(one: Decision) -> str:
    return f"ip daddr {one.address} {one.port.protocol} dport {one.number}"


def _unserved(one: Decision) -> str:
    return REFUSE.get(one.port.protocol, REFUSE_OTHERS) if one.unserved is Unserved.REFUSE else "drop"


def _translations(one: Decision) -> Iterator[str]:
    """Yield the actions of a frontend's rules: for known clients of an endpoint first, then by hash."""
    mark = f"meta mark set meta mark or {MARKS[one.source_nat]:#x} " if one.source_nat in MARKS else ""
    members = [f"{endpoint.address}:{endpoint.port}" for endpoint in one.endpoints]
    if not one.affinity_s:
        chosen = CONNECTION.format(one.port.protocol, len(members))
        pool = ", ".join(f"{number} : {member.replace(':', ' . ')}" for number, member in enumerate(members))
        yield f"{mark}dnat ip to {chosen} map {{ {pool} }}" if len(members) > 1 else f"{mark}dnat to {members[0]}"
        return
    names = [_set_name(one, endpoint) for endpoint in one.endpoints]
    for name, member in zip(names, members, strict=True):
        yield f"ip saddr @{name} update @{name} {{ ip saddr }} {mark}dnat to {member}"
    for number, (name, member) in enumerate(zip(names, members, strict=True)):
        chosen = f"{CLIENT.format(len(members))} == {number} " if len(members) > 1 else ""
        yield f"{chosen}update @{name} {{ ip saddr }} {mark}dnat to {member}"


def _other_addresses(decisions: Iterable[Decision], node: ThisNode) -> Iterator[str]:
    """Yield the rules that drop NodePorts at addresses of the node that are not in its status, except 127.0.0.1."""
    ports = sorted({(one.port.protocol, one.port.node_port) for one in decisions if one.port.node_port})
    own = ", ".join(node.addresses)
    for protocol, number in ports:
        others = f"fib daddr type local ip daddr != {{ {own}, 127.0.0.0/8 }} {protocol} dport {number} drop"
        yield from (f"screen-{client} {others}" for client in Client)


def _sources(decisions: Iterable[Decision], node: ThisNode) -> Iterator[str]:
    """Yield the rules that replace sources."""
    own = sorted({endpoint.address for one in decisions for endpoint in one.endpoints if endpoint.node == node.name})
    if pods := [address for address in own if address not in node.addresses]:
        pairs = ", ".join(f"{address} . {address}" for address in pods)
        yield f"replace-source ct status dnat ip saddr . ip daddr {{ {pairs} }} snat to ct original ip daddr"
    for source_nat, mark in MARKS.items():
        remote = f"ip daddr != {node.pod_cidr} " if source_nat is SourceNat.REMOTE else ""
        marked = f"meta mark and {mark:#x} == {mark:#x} meta mark set meta mark and {CLEAR:#x}"
        yield f"replace-source {remote}{marked} masquerade"
