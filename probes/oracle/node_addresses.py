"""Which address a node uses towards a place, and which addresses are its own. Plain facts, no rule decides here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.connection import Origin
from topologies.frontends import UnresolvedError

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from probes.oracle.environment import Environment
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node


def towards_endpoint(flow: Flow) -> IPAddress:
    """The address of the processing node's device towards the chosen endpoint.

    What MASQUERADE, and a process of that node, use: cni0 to a pod here, the vxlan device to a pod elsewhere on an
    overlay, else the primary one; without a bridge the host's side of a pod has no address, and the primary one is
    taken.
    """
    node, endpoint = flow.node, flow.chosen
    if endpoint.host_network:
        return node.address
    if endpoint.node == node.name:
        return _device(node, node.cni0, "bridge") if flow.environment.bridged else node.address
    return towards_pods_elsewhere(node, flow.environment)


def towards_pods_elsewhere(node: Node, environment: Environment) -> IPAddress:
    """The node's address on the way to another node's pod network."""
    return _device(node, node.vtep, "vxlan device") if environment.overlay else node.address


def _device(node: Node, address: IPAddress | None, what: str) -> IPAddress:
    if address is None:
        message = f"node {node.name} declares no pod_cidr, so the address of its {what} is not known"
        raise UnresolvedError(message)
    return address


def owned(node: Node, environment: Environment) -> frozenset[IPAddress]:
    """The node's own addresses, as far as a topology declares them."""
    cni0 = node.cni0 if environment.bridged else None
    vtep = node.vtep if environment.overlay else None
    return frozenset(address for address in (node.address, node.secondary_address, cni0, vtep) if address)


def from_pod_network(flow: Flow, address: IPAddress) -> bool:
    """Return whether an address is a pod's, a bridge's or a vxlan device's.

    The cluster CIDR may hold hosts too, where pods have addresses of the nodes' network (`cni.kind: eni`).
    """
    holders = flow.world.holders
    return address in holders.pods or (address in flow.environment.pod_cidr and not holders.is_host(address))


def masqueraded_leaving(flow: Flow, towards: IPAddress) -> bool:
    """Return whether the CNI rewrites the packet's source: it is in the cluster CIDR, `towards` is not.

    These are flannel's M2 and M4, which match ranges (`-s`, `-d`) and do not know whose an address is.
    """
    pods = flow.environment.pod_cidr
    return flow.environment.masquerades_leaving and flow.packet.source in pods and towards not in pods


def leaves_as_node(flow: Flow) -> bool:
    """Whether the packet has an address of its node outside the pod network: a process's, or a masqueraded pod's."""
    return flow.packet.origin is Origin.NODE or masqueraded_leaving(flow, flow.target)
