"""Which address a node uses towards a place, and which addresses are its own. Plain facts, no rule decides here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from probes.oracle.environment import Environment
    from probes.oracle.flow import Flow
    from topologies.model import Node


def towards_endpoint(flow: Flow) -> IPv4Address:
    """The address of the processing node's device towards the chosen endpoint.

    What MASQUERADE, and a process of that node, use: cni0 to a pod here, the vxlan device to a pod elsewhere on an
    overlay, else the primary one; without a bridge the host's side of a pod has no address, and the primary one is
    taken.
    """
    node, endpoint = flow.node, flow.chosen
    if endpoint.host_network:
        return node.address
    if endpoint.node == node.name:
        return (flow.environment.bridged and node.cni0) or node.address
    return towards_pods_elsewhere(node, flow.environment)


def towards_pods_elsewhere(node: Node, environment: Environment) -> IPv4Address:
    """The node's address on the way to another node's pod network."""
    return (environment.overlay and node.vtep) or node.address


def owned(node: Node, environment: Environment) -> frozenset[IPv4Address]:
    """The node's own addresses, as far as a topology declares them."""
    cni0 = node.cni0 if environment.bridged else None
    vtep = node.vtep if environment.overlay else None
    return frozenset(address for address in (node.address, node.secondary_address, cni0, vtep) if address)


def from_pod_network(flow: Flow, address: IPv4Address) -> bool:
    """Whether an address is in the cluster's pod CIDR; a vxlan device's and a bridge's are."""
    return address in flow.environment.pod_cidr


def masqueraded_leaving(flow: Flow) -> bool:
    """Whether the CNI rewrites a packet of this source that leaves the pod network (flannel's M4)."""
    return flow.environment.masquerades_leaving and from_pod_network(flow, flow.packet.source)
