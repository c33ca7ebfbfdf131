"""Ask the nodes' health ports from a pod of the run, if these rights do not allow requests through the API server.

`nodes/proxy` lets an account reach every port of every kubelet, so many clusters do not grant it. A pod of the run
reaches the same NodePorts, by the nodes' addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.asking.vantages.base import TransportError

if TYPE_CHECKING:
    from probes.asking.vantages.base import Prober
    from topologies.schema.topology import Topology

ANSWER_S = 1.5  # as the API server has for the same request
TIMEOUT_S = 10.0
SUCCESS = b"200"


@dataclass(frozen=True)
class NodeHealth:
    """The health ports of a topology's nodes, asked from one pod."""

    topology: Topology
    prober: Prober

    def __call__(self, node: str, port: int) -> bool:
        """Return whether /healthz of that port of the declared node answers with success."""
        url = f"http://{self.topology.node(node).address}:{port}/healthz"
        head = ["curl", "-q", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*"]
        try:
            done = self.prober.run([*head, "--max-time", f"{ANSWER_S:g}", url], "", TIMEOUT_S)
        except TransportError:
            return False
        return done.stdout.strip() == SUCCESS
