"""Whether nodes forward pods' packets and accept connections: from pods to closed ports of other pods and nodes. Pure.

A refusal by RST shows that the packet and its reply passed every FORWARD or INPUT chain on the way. A timeout shows
nothing: a policy, a NetworkPolicy or a firewall may have dropped it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.discovery.findings import Finding, list_names, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from topologies.common.addresses import IPAddress

PORT = 9  # discard (RFC 863): pause containers and nodes have no listener there
CONNECT_S = 2
TIMEOUT_S = 20.0
TARGET = "@target "
MEASURED = "measured by the run"


@dataclass
class Refusals:
    """Pairs of nodes: from a pod of the first to a pod of the second, or to the second itself, a port was refused."""

    pods: set[tuple[str, str]] = field(default_factory=set)
    nodes: set[tuple[str, str]] = field(default_factory=set)


def script(targets: Iterable[IPAddress]) -> str:
    """Return the shell script that connects to a closed port of each address. `-v` has the system's reason."""
    curl = f"curl -q -s -v --noproxy '*' --connect-timeout {CONNECT_S}"
    return "\n".join(
        f"echo '{TARGET}{one}'; {curl} http://{one}:{PORT}/ 2>&1 | grep -i refused | head -c 200; echo"
        for one in targets
    )


def parse(output: bytes) -> frozenset[str]:
    """Return the addresses that refused a connection."""
    parts = output.decode(errors="replace").split(TARGET)[1:]
    return frozenset(part.split("\n", 1)[0].strip() for part in parts if re.search("refused", part, re.IGNORECASE))


def find_policies(refusals: Refusals, nodes: Mapping[str, object]) -> dict[str, Finding]:
    """Return the findings for the policies of FORWARD and INPUT: `accept` if every declared node was seen to."""
    forwards = {name for pair in refusals.pods for name in pair}
    accepts = {to for _, to in refusals.nodes}
    found = {}
    for key, seen, what in (("forward_policy", forwards, "another node's pod"), ("input_policy", accepts, "a node")):
        lacking = list_names(sorted(set(nodes) - seen))
        source = (
            f"a pod's connection to a closed port of {what} was refused, not dropped, on {list_names(sorted(seen))}"
        )
        silent = f"not readable without privileges; no refusal was seen on {lacking}; {MEASURED}"
        found[key] = unknown(silent) if lacking else Finding("accept", source)
    return found
