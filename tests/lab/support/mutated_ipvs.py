"""Break one thing in a lab whose kube-proxy uses IPVS. The rest is `mutated.py`.

Runs inside a lab: `python -m tests.lab.support.mutated_ipvs TOPOLOGY MUTATION`.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probes.oracle.connection import Disposition
from probes.oracle.predict import POOLS
from tests.lab.support.mutated import FlippedPolicy, There, Whole, main
from topologies.frontends import FrontendKind
from topologies.schema.enums import Masquerade

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from probes.session import Answers
    from tests.lab.support.mutated import Mutation
    from topologies.schema.topology import Topology


@dataclass(frozen=True)
class Unserved(Whole):
    """What serves a Service's ClusterIP on one node."""

    service: str
    node: str

    def address(self, there: There) -> str:
        return str(there.cluster.snapshot().services[self.service].cluster_ip)

    def here(self, conn: Connection) -> bool:
        asked = (conn.state.name, conn.kind, conn.packet.node)
        return asked == (self.service, FrontendKind.CLUSTER_IP, self.node)


@dataclass(frozen=True)
class FlushedServer(Unserved):
    """The virtual server is gone; the address is still bound, so a closed port of the node's own answers."""

    def server(self, there: There) -> str:
        return f"{self.address(there)}:80"

    def break_it(self, there: There, known: Answers) -> None:
        there.on(self.node, "ipvsadm", "-D", "-t", self.server(there))

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        return Disposition.CLOSED if name in POOLS and self.here(conn) and conn.declared else answer

    def kept(self, there: There) -> bool:
        return self.server(there) not in there.on(self.node, "ipvsadm", "-Ln")


@dataclass(frozen=True)
class UnboundAddress(Unserved):
    """The address is gone from kube-ipvs0: what is forwarded passes IPVS by, which looks at INPUT and OUTPUT only.

    A process of the node itself notices nothing: its packet passes OUTPUT wherever it is routed to.
    """

    def bound(self, there: There) -> bool:
        return f" {self.address(there)}/32 " in there.on(self.node, "ip", "-o", "address", "show", "kube-ipvs0")

    def break_it(self, there: There, known: Answers) -> None:
        there.on(self.node, "ip", "address", "delete", f"{self.address(there)}/32", "dev", "kube-ipvs0")

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        passed_by = not (conn.local and conn.declared)
        return Disposition.ASTRAY if name in POOLS and self.here(conn) and passed_by else answer

    def kept(self, there: There) -> bool:
        return not self.bound(there)


class NoCniMasquerade(Whole):
    """Flannel's masquerade rules are gone from every node."""

    def found(self, there: There, node: str) -> list[str]:
        ours = str(there.topology.cni.pod_cidr)
        return there.rules(node, "POSTROUTING", ours, "-j MASQUERADE")

    def break_it(self, there: There, known: Answers) -> None:
        for node in there.topology.nodes:
            for line in self.found(there, node.name):
                there.on(node.name, "iptables", "-t", "nat", *shlex.split(line.replace("-A", "-D", 1)))

    def topology(self, topology: Topology) -> Topology:
        cni = topology.cni.model_copy(update={"masquerade": Masquerade.NONE})
        return topology.model_copy(update={"cni": cni})

    def kept(self, there: There) -> bool:
        return not any(self.found(there, node.name) for node in there.topology.nodes)


MUTATIONS: dict[str, Mutation] = {
    "none": Whole(),
    "virtual-server": FlushedServer("web", "n2"),
    "bound-address": UnboundAddress("web", "n2"),
    "policy": FlippedPolicy("web-np-local"),
    "cni-masquerade": NoCniMasquerade(),
}


if __name__ == "__main__":
    main(MUTATIONS, *sys.argv[1:])
