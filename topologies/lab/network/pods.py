"""A lab node's devices for pods, and its routes to other nodes' pods: `pod_network(topology, node)`. Pure.

| facts of `cni` | the node has |
|---|---|
| `bridge` and an address | bridge cni0 with the address; pods' ports by the plugin `bridge` |
| `bridge` without an address | bridge cni0; pods' gateway is 169.254.1.1, by our own plugin |
| an address without a bridge | device pods0, and the address on each pod's host side, as the plugin `ptp` has it |
| neither | a route for each pod, whose host side has no address |
| `overlay` | a VXLAN device, with an address if `tunnel_address` gives one |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress, IPInterface, IPNetwork
from topologies.schema.enums import TunnelAddress

if TYPE_CHECKING:
    from topologies.schema.topology import Node, Topology

ETHERNET_MTU = 1500
VXLAN_MTU = 1450
BRIDGE = "cni0"
HOLDER = "pods0"  # holds the address towards pods of a node without a bridge
LINK_LOCAL_MAC = "0a:58:a9:fe:01:01"  # of a bridge without an address


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a host. Without `via` it is on-link at `device`; without both it is unreachable."""

    destination: IPNetwork
    via: IPAddress | None = None
    device: str | None = None
    onlink: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A remote VTEP: its MAC, the next hop that stands for it, its node's pods, and the node's address."""

    mac: str
    hop: IPAddress
    pods: IPNetwork
    underlay: IPAddress


@dataclass(frozen=True, slots=True)
class TunnelDevice:
    """A node's VXLAN device. `address` is None if it has none."""

    name: str
    mac: str
    address: IPAddress | None
    tunnels: tuple[Tunnel, ...]


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """A node's devices for pods. `gateway` is the address of the device towards its own pods, if it has one."""

    cidr: IPNetwork
    mtu: int
    bridge: bool = False
    gateway: IPInterface | None = None
    tunnel: TunnelDevice | None = None


def pod_cidr(topology: Topology, node: Node) -> IPNetwork:
    """Return a node's pod CIDR: as declared, or the /24 of its number (n1 has x.y.1.0/24)."""
    if node.pod_cidr:
        return node.pod_cidr
    number = topology.nodes.index(node) + 1
    return IPNetwork((int(topology.cni.pod_cidr.network_address) + (number << 8), 24))


def mtu(topology: Topology) -> int:
    """Return the MTU of pods' interfaces."""
    return VXLAN_MTU if topology.cni.overlaid else ETHERNET_MTU


def pod_network(topology: Topology, node: Node) -> PodNetwork:
    """Return the devices of a node."""
    cni, cidr = topology.cni, pod_cidr(topology, node)
    address = gateway_address(topology, node)
    prefix = cidr.prefixlen if cni.bridge else 32
    gateway = IPInterface((address, prefix)) if address else None
    return PodNetwork(cidr, mtu(topology), cni.bridge, gateway, _tunnel_device(topology, node))


def gateway_address(topology: Topology, node: Node) -> IPAddress | None:
    """Return the address of the node's device towards its own pods, or None."""
    cni = topology.cni
    return cni.bridge_address_of(node) or (pod_cidr(topology, node)[1] if cni.has_bridge_device else None)


def _tunnel_device(topology: Topology, node: Node) -> TunnelDevice | None:
    if not topology.cni.overlaid:
        return None
    derived = topology.cni.tunnel_address is TunnelAddress.POD_CIDR
    tunnels = tuple(
        Tunnel(_mac(topology, other), _hop(topology, other), pod_cidr(topology, other), other.address)
        for other in topology.nodes
        if other is not node
    )
    name = "flannel.1" if derived else "vxlan.calico"
    return TunnelDevice(name, _mac(topology, node), _source(topology, node), tunnels)


def _source(topology: Topology, node: Node) -> IPAddress | None:
    """Return the address of the tunnel device: its own, or the one towards own pods if packets leave as from there."""
    own = topology.cni.tunnel_address_of(node)
    shared = topology.cni.tunnel_address is TunnelAddress.BRIDGE
    return own or (gateway_address(topology, node) if shared else None)


def _hop(topology: Topology, node: Node) -> IPAddress:
    """Return the next hop for a node's pods: its tunnel device's address, or the network address of its pods."""
    return topology.cni.tunnel_address_of(node) or pod_cidr(topology, node).network_address


def _mac(topology: Topology, node: Node) -> str:
    return f"02:00:f1:00:00:{topology.nodes.index(node) + 1:02x}"


def routes_through(device: TunnelDevice) -> tuple[Route, ...]:
    """Return the routes to other nodes' pods and tunnel devices through the tunnel device."""
    beside = (one for one in device.tunnels if one.hop not in one.pods)
    return (
        *(Route(one.pods, one.hop, device.name, onlink=True) for one in device.tunnels),
        *(Route(IPNetwork(one.hop), device=device.name) for one in beside),
    )
