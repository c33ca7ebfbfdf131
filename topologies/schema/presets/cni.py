"""Presets of the pod network: the usual facts of each `cni.kind`, with their source. Data only.

A key that a preset does not list has the default of `Cni`. A key in the file overrides the preset. Facts without a
public source are marked "from memory". `python -m topologies.loading.key_tables` writes the table in docs/topology.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.schema.enums import (
    BridgeAddress,
    CniKind,
    Masquerade,
    Overlay,
    PodAddresses,
    PodRoutes,
    TunnelAddress,
)
from topologies.schema.presets.preset import Preset, find, list_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_MASQUERADED_BY_GKE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24"),
    *("192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
)


BRIDGED: Mapping[str, object] = {"bridge": True, "bridge_address": BridgeAddress.POD_CIDR}
VXLAN_ON_BRIDGE: Mapping[str, object] = {
    **BRIDGED,
    "overlay": Overlay.VXLAN,
    "tunnel_address": TunnelAddress.POD_CIDR,
}
FLANNEL: Mapping[str, object] = {"masquerade": Masquerade.FLANNEL}
EGRESS: Mapping[str, object] = {"masquerade": Masquerade.EGRESS}
BY_NETWORK: Mapping[str, object] = {"pod_routes": PodRoutes.NETWORK}
NODE_NETWORK: Mapping[str, object] = {**BY_NETWORK, "pod_addresses": PodAddresses.NODE_NETWORK}
GATEWAY_OF_NODE: Mapping[str, object] = {
    "bridge_address": BridgeAddress.PER_NODE,
    "tunnel_address": TunnelAddress.BRIDGE,
}
PER_NODE_TUNNEL: Mapping[str, object] = {**EGRESS, "tunnel_address": TunnelAddress.PER_NODE}

CALICO_SOURCES = "docs.tigera.io reference/resources/ippool (vxlanMode, ipipMode, natOutgoing)"
TUNNEL_OF_CALICO = f"{CALICO_SOURCES} and reference/resources/node"
PTP = "containernetworking plugins/main/ptp: each host side of a pod has the gateway's address"

PRESETS: Mapping[str, Preset] = {
    CniKind.FLANNEL_VXLAN: Preset(
        {**VXLAN_ON_BRIDGE, **FLANNEL},
        "flannel with its default backend",
        "flannel pkg/backend/vxlan (address of flannel.1), pkg/trafficmngr/iptables masqRules, "
        "Documentation/kube-flannel.yml (--ip-masq)",
    ),
    CniKind.FLANNEL_HOST_GW: Preset(
        {**BRIDGED, **FLANNEL},
        "flannel with backend host-gw",
        "flannel Documentation/backends.md, Documentation/kube-flannel.yml (--ip-masq)",
    ),
    CniKind.K3S: Preset(
        {**VXLAN_ON_BRIDGE, **FLANNEL},
        "k3s with its built-in flannel",
        "k3s docs, Basic Network Options (vxlan is the default backend; flannel-ipmasq from memory)",
    ),
    CniKind.CALICO_VXLAN: Preset(
        {**PER_NODE_TUNNEL, "overlay": Overlay.VXLAN},
        "Calico with vxlanMode Always; CrossSubnet between subnets",
        f"{TUNNEL_OF_CALICO} (ipv4VXLANTunnelAddr)",
    ),
    CniKind.CALICO_IPIP: Preset(
        {**PER_NODE_TUNNEL, "overlay": Overlay.IPIP},
        "Calico with ipipMode Always; CrossSubnet between subnets",
        f"{TUNNEL_OF_CALICO} (bgp.ipv4IPIPTunnelAddr)",
    ),
    CniKind.CALICO_BGP: Preset(
        {**EGRESS},
        "Calico without encapsulation; CrossSubnet inside one subnet",
        CALICO_SOURCES,
    ),
    CniKind.KINDNET: Preset(
        {**EGRESS, "bridge_address": BridgeAddress.POD_CIDR},
        "kind",
        f"kind images/kindnetd/cmd/kindnetd (cni.go: ptp; masq.go: all but the pod subnets); {PTP}",
    ),
    CniKind.CILIUM: Preset(
        {**EGRESS, **GATEWAY_OF_NODE, "overlay": Overlay.VXLAN},
        "Cilium with kubeProxyReplacement=false and tunnel routing; ClusterIPs of pods are Cilium's all the same",
        "Cilium Documentation/network/concepts/routing.rst, masquerading.rst; cilium_host from memory",
    ),
    CniKind.ANTREA: Preset(
        {
            **EGRESS,
            "bridge_address": BridgeAddress.POD_CIDR,
            "overlay": Overlay.GENEVE,
            "tunnel_address": TunnelAddress.BRIDGE,
        },
        "Antrea in encap mode, where kube-proxy serves NodePorts (no proxyAll); antrea-gw0 is the bridge's device",
        "Antrea docs/design/architecture.md (antrea-gw0 has the first address of the node's pod CIDR), "
        "docs/antrea-proxy.md",
    ),
    CniKind.OVN: Preset(
        {**EGRESS, **GATEWAY_OF_NODE, "overlay": Overlay.GENEVE},
        "Kube-OVN with kube-proxy; ovn0 is the bridge's device, with an address of the join subnet",
        "Kube-OVN docs, reference architecture and subnets (join subnet, natOutgoing); from memory: path of packets",
    ),
    CniKind.VPC_CNI: Preset(
        {**NODE_NETWORK, **EGRESS},
        "Amazon EKS; `cni.pod_cidr` is the VPC's range. With AWS_VPC_K8S_CNI_EXTERNALSNAT: `masquerade: none`; "
        "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS: `masquerade_except`",
        "EKS user guide, external-snat; amazon-vpc-cni-k8s README",
    ),
    CniKind.GKE: Preset(
        {
            **BY_NETWORK,
            **EGRESS,
            "bridge_address": BridgeAddress.POD_CIDR,
            "masquerade_except": NOT_MASQUERADED_BY_GKE,
        },
        "GKE, VPC-native cluster with kube-proxy (no Dataplane V2), ip-masq-agent with its default ranges",
        f"GKE docs, alias-ips and ip-masquerade-agent (default non-masquerade ranges); {PTP} (from memory)",
    ),
    CniKind.AZURE: Preset(
        {**NODE_NETWORK, **EGRESS},
        "AKS, Azure CNI node subnet or pod subnet, transparent mode; `cni.pod_cidr` is the virtual network's range. "
        "Bridge mode: `bridge: true` with `bridge_address: none`",
        "azure-container-networking docs/cni.md (modes transparent and bridge); AKS docs, azure-ip-masq-agent "
        "(virtual network not masqueraded, from memory)",
    ),
    CniKind.AZURE_OVERLAY: Preset(
        {**BY_NETWORK, **EGRESS},
        "AKS, Azure CNI Overlay: the network routes pod ranges, no node has a tunnel",
        "AKS docs, concepts-network-azure-cni-overlay (no route tables or encapsulation; node address outside)",
    ),
    CniKind.TERWAY_ENIIP: Preset(
        {**NODE_NETWORK},
        "ACK terway, shared ENI",
        "terway docs/design.md (policy routes and veth); masquerade none measured on ACK's own table",
    ),
    CniKind.CCE_TUNNEL: Preset(
        {**VXLAN_ON_BRIDGE, **EGRESS},
        "Huawei CCE container tunnel",
        "CCE user guide, container tunnel network; topologies/library/cce-tunnel.yaml (device addresses assumed)",
    ),
    CniKind.CCE_VPC: Preset(
        {**BRIDGED, **BY_NETWORK},
        "Huawei CCE VPC network",
        "CCE user guide, VPC network (VPC routes to each node's pods); topologies/library/cce-vpc.yaml",
    ),
    CniKind.TKE: Preset(
        {**BRIDGED, **BY_NETWORK},
        "Tencent TKE GlobalRouter",
        "TKE docs, GlobalRouter mode; topologies/library/tke-router.yaml",
    ),
    CniKind.TUNNEL: Preset({**VXLAN_ON_BRIDGE}, "a VXLAN tunnel and a bridge, without masquerade", "docs/topology.md"),
    CniKind.ROUTED: Preset({**BRIDGED}, "a bridge, and a route for each node's pods on every node", "docs/topology.md"),
    CniKind.VPC_ROUTED: Preset(
        {**BRIDGED, **BY_NETWORK},
        "a bridge; the network routes each node's pods (ACK flannel, with `masquerade: flannel`)",
        "docs/topology.md; ACK docs, Flannel (alloc backend)",
    ),
    CniKind.ENI: Preset(
        {**NODE_NETWORK}, "a pod has an address of the nodes' network, and there is no bridge", "docs/topology.md"
    ),
}
FACTS = list_facts(PRESETS)
"""The facts that a preset may give."""
WITHOUT_CLUSTER_CIDR = frozenset({CniKind.VPC_CNI})
"""Kinds whose kube-proxy usually has no cluster CIDR (EKS: `clusterCIDR: ""` in ConfigMap kube-proxy-config)."""

RANGES_OF_NODE_OBJECT = frozenset(
    {*(CniKind.FLANNEL_VXLAN, CniKind.FLANNEL_HOST_GW, CniKind.K3S), *(CniKind.KINDNET, CniKind.ANTREA, CniKind.GKE)}
)
"""Kinds whose pods have addresses of the node object's spec.podCIDR. The others may have ranges of their own."""


def facts_of(kind: object) -> Mapping[str, object]:
    """Return the facts of a preset; none for a value that is no kind."""
    return find(PRESETS, kind).facts
