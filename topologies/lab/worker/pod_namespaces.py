"""Enter the network namespace of a vantage from outside: of a pod, of a node, of an external host.

A program of this machine then runs where the vantage's connections begin, without going through the API server or SSH.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from topologies.common.subprocesses import run
from topologies.lab.sandbox import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from topologies.common.addresses import IPAddress
    from topologies.lab.sandbox import Sandbox
    from topologies.schema.topology import Topology, Vantage

LIST = 'for place in /run/netns/*; do echo "$place" $(nsenter --net="$place" ip -o -4 address show scope global); done'
LIST_S = 20.0


@dataclass(frozen=True, slots=True)
class Entrances:
    """How to enter the network namespace of each vantage. `pods`: the addresses of the run's pods."""

    sandbox: Sandbox
    topology: Topology
    pods: Mapping[str, IPAddress]
    listed: dict[str, dict[str, str]] = field(default_factory=dict)
    """By node: address -> file of the network namespace. Filled at the first use."""

    def enter_command(self, vantage: Vantage, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` in the network namespace of a vantage.

        Raises:
            SandboxError: There is no such host, or no namespace with the pod's address.

        """
        host = vantage.node or vantage.external or ""
        pod = vantage.backend or vantage.name
        address = str(self.pods.get(pod, ""))
        if vantage.on_host_network or vantage.external or address == str(self.topology.node(host).address):
            return self.sandbox.enter_command(host, argv)
        if host not in self.listed:
            self.listed[host] = parse(run(self.sandbox.enter_command(host, ["sh", "-c", LIST]), timeout=LIST_S))
        if not (place := self.listed[host].get(address)):
            known = ", ".join(self.listed[host]) or "none"
            message = (
                f"network namespace of pod {pod} on {host}: got {known}, want {address or 'its address'}. Try again"
            )
            raise SandboxError(message)
        return self.sandbox.enter_command(host, ["nsenter", f"--net={place}", "--", *argv])


def parse(printed: str) -> dict[str, str]:
    """Return address -> file of the network namespace, from the output of LIST."""
    found = {}
    for line in printed.splitlines():
        place, *words = line.split()
        for word, address in pairwise(words):
            if word == "inet":
                found[address.partition("/")[0]] = place
    return found
