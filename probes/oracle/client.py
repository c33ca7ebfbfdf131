"""The client of a cell: its packet before any rule, and its own address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.connection import Origin, Packet
from topologies.frontends import UnresolvedError
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology, Vantage


def client_packet(vantage: Vantage, topology: Topology, snapshot: Snapshot) -> Packet:
    """Return the client's packet before any rule. A hostNetwork backend as client is a host-network process.

    Raises:
        UnresolvedError: The client is a pod without an address.

    """
    if vantage.kind is VantageKind.EXTERNAL:
        hosts = {external.name: external.address for external in topology.external}
        return Packet(Origin.EXTERNAL, hosts[vantage.external or ""])
    backends = {backend.name: backend for backend in topology.workload.backends}
    backend = backends.get(vantage.backend or "")
    node = vantage.node or (backend.node if backend else "")
    if vantage.on_host_network or (backend and backend.host_network):
        return Packet(Origin.NODE, topology.node(node).address, node=node, client_node=node)
    if (address := snapshot.pods.get(vantage.backend or vantage.name)) is None:
        message = f"pod {vantage.backend or vantage.name} has no address: it does not run"
        raise UnresolvedError(message)
    return Packet(Origin.POD, address, node=node, client_node=node)


def client_address(vantage: Vantage, topology: Topology, snapshot: Snapshot) -> IPAddress | None:
    """Return the client's own address, or None for a pod without an address."""
    try:
        return client_packet(vantage, topology, snapshot).source
    except UnresolvedError:
        return None
