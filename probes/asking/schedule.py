"""When a cell's turn comes in ipvs mode, so that the kernel takes none of its connections for another. Pure.

The kernel's ipvs finds the connection an answer belongs to by client address, client port and endpoint alone, the
newest first (net/netfilter/ipvs/ip_vs_conn.c ip_vs_conn_out_get), on every node that the answer passes and for 120 s
after the last packet. Whoever asks another node's NodePort leaves such a record there under his node's address, and a
masqueraded connection from that node, whose port the node draws, is lost if it draws the same one to the same endpoint:
one cell in every fourth run, in any order (docs/observations.md). So what leaves records comes after what could meet
them, and where pods are masqueraded on their way, few of such connections are under way at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerStatus, Masquerade, ProxyMode

if TYPE_CHECKING:
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

AT_ONCE = 24  # connections whose ports their node draws: of two with one port, the older must be over


def turn(topology: Topology, cell: Cell) -> int:
    """0: at once. 1 to 3: after all with less, where a node's address comes to another node, by NodePort or balancer.

    1: a masqueraded pod's, to a node without an endpoint of the Service; 2: to a node with an endpoint, from one
    without; 3: from one with an endpoint.
    """
    frontend, home = cell.frontend, cell.vantage.node
    if topology.proxy.mode is not ProxyMode.IPVS or home is None or not frontend.declared:
        return 0
    if not (cell.vantage.on_host_network or masquerades(topology)):
        return 0  # under the pod's own address, which nobody else has
    service = topology.service(frontend.service)
    beside = {backend.node for backend in topology.backends_of(service)}
    balanced = frontend.kind is FrontendKind.LOAD_BALANCER
    passed = balanced and topology.balancer_status(service) is not BalancerStatus.IP
    elsewhere = ({node.name for node in topology.nodes} if passed else {frontend.node}) - {None, home}
    if elsewhere & beside:
        return 3 if home in beside else 2
    return 1 if elsewhere and not cell.vantage.on_host_network else 0


def masquerades(topology: Topology) -> bool:
    """Whether a pod shares its node's address on the way to another node."""
    return topology.cni.masquerade is not Masquerade.NONE
