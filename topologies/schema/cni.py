"""The declared pod network: orthogonal facts. `kind` is a preset of them (`presets/cni.py`).

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from topologies.common.addresses import IPNetwork
from topologies.schema import limits
from topologies.schema.enums import (
    BridgeAddress,
    CniKind,
    Masquerade,
    Overlay,
    PodAddresses,
    PodRoutes,
    Policy,
    TunnelAddress,
)
from topologies.schema.network import MasqueradeRules, Model
from topologies.schema.presets.cni import facts_of
from topologies.schema.scalars import Network

if TYPE_CHECKING:
    from topologies.common.addresses import IPAddress
    from topologies.schema.network import Node


class Cni(Model):
    """The pod network."""

    kind: CniKind
    """A preset: the usual values of the keys below, see [The pod network](#the-pod-network). Keys in the file override
    it."""
    pod_cidr: Network = IPNetwork("10.244.0.0/16")
    """The cluster CIDR."""
    bridge: bool = False
    """Whether a node's pods are ports of a Linux bridge, so that `kernel.bridge_nf_call_iptables` and `kernel.hairpin`
    matter."""
    bridge_address: BridgeAddress = BridgeAddress.NONE
    """The address of a node's device towards its own pods: `pod-cidr` (the first address of `nodes[].pod_cidr`),
    `per-node` (`nodes[].bridge_address`), `none` (the node uses its InternalIP). The device is the bridge, or without
    one the host side of each pod's interface, cilium_host or ovn0."""
    overlay: Overlay = Overlay.NONE
    """The tunnel in which pod packets travel between nodes."""
    tunnel_address: TunnelAddress = TunnelAddress.NONE
    """The address of a node's tunnel device: `pod-cidr` (the network address of `nodes[].pod_cidr`, as flannel),
    `per-node` (`nodes[].tunnel_address`, as Calico), `bridge` (packets to other nodes' pods leave by the device towards
    own pods), `none` (the node uses its InternalIP)."""
    pod_addresses: PodAddresses = PodAddresses.POD_RANGE
    """`pod-range`: pods have a range of their own. `node-network`: they have addresses of the nodes' network, so nodes
    and hosts may be inside `pod_cidr`."""
    pod_routes: PodRoutes = PodRoutes.NODES
    """Who routes pod addresses without an overlay: `nodes` (each node has routes to the others, on one LAN), `network`
    (nodes send every packet to their gateway, as in a VPC)."""
    masquerade: MasqueradeRules = Masquerade.NONE
    """What the CNI masquerades, besides kube-proxy: `flannel` (what enters or leaves the pod CIDR), `egress` (what
    leaves it), `none`. `true` is `flannel`, `false` is `none`."""
    masquerade_except: Annotated[tuple[Network, ...], Field(max_length=limits.LISTENERS)] = ()
    """Ranges besides `pod_cidr` to which the CNI does not masquerade (ip-masq-agent `nonMasqueradeCIDRs`)."""
    anti_spoof: bool = False
    """Whether the network between the nodes drops packets without their sending node's own address (a cloud's source
    check). Pod addresses of a network without overlay are still allowed."""
    forward_policy: Policy = Policy.ACCEPT
    """`drop`: a node drops packets that it forwards, unless a rule of kube-proxy accepts them (policy DROP of chain
    FORWARD, without the CNI's own rules)."""
    input_policy: Policy = Policy.ACCEPT
    """`drop`: a node drops new connections to its own processes from pods and other hosts (policy DROP of chain INPUT).
    SSH, the kubelet, tunnels and health checks of load balancers are accepted."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_preset(cls, value: object) -> object:
        """Add the preset's facts for the keys that are not given."""
        if not isinstance(value, dict) or any(not isinstance(key, str) for key in value):
            return value
        given: dict[str, Any] = value
        facts = {key: fact for key, fact in facts_of(given.get("kind")).items() if key not in given}
        return {**_devices(given, facts), **facts, **given}

    @property
    def overlaid(self) -> bool:
        """Whether pod packets between nodes travel in a tunnel."""
        return self.overlay is not Overlay.NONE

    @property
    def is_pod_cidr_known(self) -> bool:
        """Whether `pod_cidr` is the pods' range: it is declared, or the default of a network with per-node ranges."""
        return self.bridge_address is BridgeAddress.POD_CIDR or "pod_cidr" in self.model_fields_set

    @property
    def shares_node_network(self) -> bool:
        """Whether pods have addresses of the nodes' own network, so that nodes and hosts may be inside `pod_cidr`."""
        return self.pod_addresses is PodAddresses.NODE_NETWORK

    @property
    def has_bridge_device(self) -> bool:
        """Whether nodes have a device towards their own pods with an address of its own."""
        return self.bridge_address is not BridgeAddress.NONE

    @property
    def has_tunnel_device(self) -> bool:
        """Whether nodes have a tunnel device with an address of its own."""
        return self.overlaid and self.tunnel_address in {TunnelAddress.POD_CIDR, TunnelAddress.PER_NODE}

    def bridge_address_of(self, node: Node) -> IPAddress | None:
        """Return the address of the node's device towards its own pods; None if it has none or it is not declared."""
        if node.bridge_address or self.bridge_address is not BridgeAddress.POD_CIDR:
            return node.bridge_address
        return node.pod_cidr[1] if node.pod_cidr else None

    def tunnel_address_of(self, node: Node) -> IPAddress | None:
        """Return the address of the node's tunnel device; None if it has none or it is not declared."""
        if not self.overlaid:
            return None
        if node.tunnel_address or self.tunnel_address is not TunnelAddress.POD_CIDR:
            return node.tunnel_address
        return node.pod_cidr.network_address if node.pod_cidr else None


def _devices(given: dict[str, Any], facts: dict[str, object]) -> dict[str, object]:
    """Return how the devices' addresses are found, if the file adds or removes a device of the preset.

    A bridge or tunnel that the preset lacks has an address of the node's pod CIDR. One that the file removes has none.
    """
    preset = facts_of(given.get("kind"))
    found: dict[str, object] = {}
    for device, key, absent in (("bridge", "bridge_address", False), ("overlay", "tunnel_address", Overlay.NONE)):
        has, had = given.get(device, absent) != absent, preset.get(device, absent) != absent
        if device in given and key not in given and has != had:
            facts.pop(key, None)
            found[key] = BridgeAddress.POD_CIDR.value if has else BridgeAddress.NONE.value
    return found
