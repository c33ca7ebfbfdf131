"""Count what kube-proxy has written on a worker: chains, rules, ipsets, virtual servers, addresses, nftables tables.

`parse` is pure. What a tool could not list is in `unread` with its reason: it is not known, and not zero. Chains that
the kubelet makes by itself are left out. Its own KUBE-MARK-MASQ and KUBE-POSTROUTING (until 1.27) count, because they
are kube-proxy's, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.common.subprocesses import run

if TYPE_CHECKING:
    from topologies.lab.sandbox import Sandbox

LISTINGS = {
    "chains": "iptables-save",
    "ipsets": "ipset list -n",
    "virtual servers": "ipvsadm -Ln",
    "addresses": "ip -o -4 address show",
    "nftables tables": "nft list tables",
}
MARK = "@@remains"
SCRIPT = "".join(
    f"echo; echo '{MARK} {name}'; {command} 2>&1; echo; echo '{MARK} ended' $?\n" for name, command in LISTINGS.items()
)
READ_S = 20.0
KUBELETS = frozenset({"KUBE-FIREWALL", "KUBE-MARK-DROP", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"})
CHAIN = re.compile(r"^:(KUBE-\S+) ")
RULE = re.compile(r"^-A (\S+) .*")
VIRTUAL = re.compile(r"^(?:TCP|UDP|SCTP) +\S+:\d+ ")
IPVS_DEVICE = "kube-ipvs0"
SHOWN = 160  # characters of a reason


@dataclass(frozen=True, slots=True)
class Remains:
    """What is on a worker. `chains`: `TABLE NAME`; `rules`: in these chains; `unread`: listing -> why it failed."""

    chains: tuple[str, ...] = ()
    rules: int = 0
    ipsets: tuple[str, ...] = ()
    virtual_servers: int = 0
    addresses: int = 0
    nft_tables: tuple[str, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)


def read_remains(sandbox: Sandbox, node: str) -> Remains:
    """Return what is on a worker now.

    Raises:
        ProcessError: The worker cannot be entered.

    """
    return parse(run(sandbox.enter_command(node, ["sh", "-c", SCRIPT]), timeout=READ_S))


def parse(printed: str) -> Remains:
    """Return what the output of SCRIPT lists."""
    listings, unread = split(printed)
    chains, rules = count_chains(listings.get("chains", []))
    return Remains(
        chains=chains,
        rules=rules,
        ipsets=tuple(sorted(name for name in listings.get("ipsets", []) if name.startswith("KUBE-"))),
        virtual_servers=sum(bool(VIRTUAL.match(line)) for line in listings.get("virtual servers", [])),
        addresses=sum(f" {IPVS_DEVICE} " in line for line in listings.get("addresses", [])),
        nft_tables=tuple(line.removeprefix("table ") for line in listings.get("nftables tables", []) if "kube" in line),
        unread=unread,
    )


def split(printed: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the lines of each listing that succeeded, and the reasons of those that failed or are missing."""
    found: dict[str, list[str]] = {}
    unread = dict.fromkeys(LISTINGS, "it was not run")
    name, lines = "", list[str]()
    for line in printed.splitlines():
        if line.startswith(f"{MARK} ended "):
            if line.endswith(" 0"):
                found[name] = lines
                unread.pop(name, None)
            else:
                unread[name] = " ".join(filter(None, lines))[:SHOWN] or line.removeprefix(f"{MARK} ")
        elif line.startswith(f"{MARK} "):
            name, lines = line.removeprefix(f"{MARK} "), []
        else:
            lines.append(line)
    return found, unread


def count_chains(lines: list[str]) -> tuple[tuple[str, ...], int]:
    """Return kube-proxy's chains in a listing of iptables-save, as `TABLE NAME`, and the number of their rules."""
    chains, rules, table = list[str](), 0, ""
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif (chain := CHAIN.match(line)) and chain[1] not in KUBELETS:
            chains.append(f"{table} {chain[1]}")
        elif (rule := RULE.match(line)) and rule[1].startswith("KUBE-") and rule[1] not in KUBELETS:
            rules += 1
    return tuple(sorted(chains)), rules
