"""The presets of `load_balancer.kind`: what each known load balancer does, as orthogonal facts, with the source.

A preset gives the defaults of the facts that differ from those of `LoadBalancer`. A key in the topology file overrides
its fact. Rules read the facts, not the kind. `[mem]` marks what is not confirmed by a source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.schema.enums import (
    AddressIs,
    AnnouncedBy,
    ArrivesAt,
    BalancerAffinity,
    BalancerStatus,
    EmptyPool,
    LoadBalancerKind,
    OtherPorts,
)
from topologies.schema.presets.preset import Preset, find, list_facts

if TYPE_CHECKING:
    from collections.abc import Mapping


ROUTED_TO_NODES = {
    "arrives_at": ArrivesAt.ADDRESS,
    "masquerade_inside": False,
    "other_ports": OtherPorts.NODES,
}
PASS_THROUGH = {
    "arrives_at": ArrivesAt.ADDRESS,
    "announced_by": AnnouncedBy.ALL,
    "health_checks": True,
    "masquerade_inside": False,
    "source_ranges": True,
    "session_affinity": BalancerAffinity.CLIENT_IP,
    "other_ports": OtherPorts.DROP,
}
IN_VPC = {"masquerade_inside": False}
PRESETS: Mapping[str, Preset] = {
    LoadBalancerKind.NONE: Preset(
        {},
        "Nothing serves Services of type LoadBalancer.",
        "Kubernetes docs: Service",
    ),
    LoadBalancerKind.CUSTOM: Preset(
        {},
        "A balancer that the other keys describe. Default without `kind` beside `arrives_at`, `announced_by` or "
        "`address_is`.",
        "this file",
    ),
    LoadBalancerKind.INLINE: Preset(
        {},
        "On the path of the packets: translates to NodePorts, keeps outside clients, selects nodes by health check.",
        "the built-in lab: topologies/lab/load_balancer/config.py",
    ),
    LoadBalancerKind.FULL_NAT: Preset(
        {"keeps_client": False},
        "As `inline`, and every client gets the balancer's address.",
        "the built-in lab: topologies/lab/load_balancer/config.py",
    ),
    LoadBalancerKind.METALLB_L2: Preset(
        {**ROUTED_TO_NODES, "announced_by": AnnouncedBy.LEADER, "empty_pool": EmptyPool.WITHDRAW},
        "MetalLB in layer 2 mode: one node answers ARP for the address; with `Local` it is one with an endpoint.",
        "metallb.universe.tf/concepts/layer2, /usage; metallb speaker/layer2_controller.go ShouldAnnounce",
    ),
    LoadBalancerKind.METALLB_BGP: Preset(
        {**ROUTED_TO_NODES, "announced_by": AnnouncedBy.ENDPOINTS, "empty_pool": EmptyPool.WITHDRAW},
        "MetalLB in BGP mode: every node announces the address; with `Local` those with an endpoint.",
        "metallb.universe.tf/usage; metallb speaker/bgp_controller.go ShouldAnnounce",
    ),
    LoadBalancerKind.KUBE_VIP: Preset(
        {**ROUTED_TO_NODES, "announced_by": AnnouncedBy.LEADER, "health_checks": False},
        "kube-vip in ARP mode: one node answers ARP for all Services, with an endpoint or not.",
        "kube-vip.io docs/usage/kubernetes-services (externalTrafficPolicy), docs/modes/arp (docs/documented.md, "
        "kube-vip)",
    ),
    LoadBalancerKind.KUBE_VIP_ELECTION: Preset(
        {**ROUTED_TO_NODES, "announced_by": AnnouncedBy.LEADER},
        "kube-vip in ARP mode with `svc_election` (`enableServicesElection`): one node answers ARP for a Service; with "
        "`Local` it is one with an endpoint.",
        "kube-vip.io docs/usage/kubernetes-services (externalTrafficPolicy; docs/documented.md, kube-vip); kube-vip "
        "#1553: whether a Service without an endpoint is announced depends on the release",
        ("empty_pool",),
    ),
    LoadBalancerKind.SERVICELB: Preset(
        {**ROUTED_TO_NODES, "announced_by": AnnouncedBy.ENDPOINTS, "address_is": AddressIs.NODE},
        "k3s ServiceLB: status has the nodes' own addresses. With `Local`, those of nodes with an endpoint.",
        "docs.k3s.io/networking/networking-services; k3s pkg/cloudprovider/servicelb.go getStatus (docs/documented.md, "
        "servicelb)",
    ),
    LoadBalancerKind.NLB_INSTANCE: Preset(
        {
            **IN_VPC,
            "announced_by": AnnouncedBy.ALL,
            "health_checks": True,
            "source_ranges": True,
            "status": BalancerStatus.HOSTNAME,
            "empty_pool": EmptyPool.ALL,
            "other_ports": OtherPorts.DROP,
        },
        "AWS Network Load Balancer with instance targets: keeps clients, in-cluster clients too.",
        "docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html (preservation), "
        "…/load-balancer-troubleshooting.html#loopback-timeout; aws-load-balancer-controller "
        "docs/guide/service/nlb.md. [mem]: fail open without a healthy target, no answer at other ports",
    ),
    LoadBalancerKind.NLB_IP: Preset(
        {
            **IN_VPC,
            "arrives_at": ArrivesAt.POD,
            "keeps_client": False,
            "status": BalancerStatus.HOSTNAME,
            "empty_pool": EmptyPool.DROP,
            "other_ports": OtherPorts.DROP,
        },
        "AWS Network Load Balancer with IP targets: straight to the pods, from the balancer's address (TCP).",
        "docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html (IP type, TCP: "
        "preservation disabled); aws-load-balancer-controller docs/guide/service/annotations.md "
        "(loadBalancerSourceRanges ignored without preservation). [mem]: no answer without targets and at other ports",
    ),
    LoadBalancerKind.AZURE: Preset(
        {**PASS_THROUGH, "empty_pool": EmptyPool.DROP},
        "Azure Load Balancer as AKS configures it: floating IP, so packets arrive with the balancer's address.",
        "cloud-provider-azure topics/loadbalancer (source ranges: rules of the network security group), #1729 "
        "(floating IP unless annotated); pkg/provider/azure_loadbalancer.go (ClientIP: load distribution SourceIP); "
        "docs/documented.md, azure. [mem]: drops at other ports and without a healthy node",
    ),
    LoadBalancerKind.AZURE_NO_FLOATING: Preset(
        {**PASS_THROUGH, "arrives_at": ArrivesAt.NODE_PORT, "empty_pool": EmptyPool.DROP},
        "Azure Load Balancer with `azure-disable-load-balancer-floating-ip`: packets arrive at NodePorts.",
        "cloud-provider-azure #1729; microsoft/Azure-ILB-hairpin (a backend cannot reach itself). [mem] as `azure`",
    ),
    LoadBalancerKind.GCP: Preset(
        {**PASS_THROUGH, "empty_pool": EmptyPool.ALL},
        "Google passthrough Network Load Balancer (GKE): packets arrive unchanged, with direct server return.",
        "docs.cloud.google.com/load-balancing/docs/network/networklb-backend-service; "
        "cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters; cloud-provider-gcp "
        "providers/gce/gce_loadbalancer.go translateAffinityType (ClientIP: CLIENT_IP); docs/documented.md, gke. "
        "[mem]: all backends as last resort, firewall rules for source ranges, drops at other ports",
    ),
    LoadBalancerKind.ACK_CLB: Preset(
        IN_VPC,
        "Alibaba CLB with nodes as backends (flannel): keeps clients, in-cluster clients too.",
        "Alibaba Cloud docs: ACK Service FAQ and kube-proxy analysis (docs/documented.md, ack)",
    ),
    LoadBalancerKind.ACK_CLB_ENI: Preset(
        {**IN_VPC, "arrives_at": ArrivesAt.POD},
        "Alibaba CLB with pods as backends (terway): straight to the pods, keeps clients.",
        "Alibaba Cloud docs: ACK terway, backend type eni (docs/documented.md, ack). [mem]: keeps clients",
    ),
    LoadBalancerKind.TKE_CLB: Preset(
        {**IN_VPC, "excludes_source": True, "status": BalancerStatus.HOSTNAME},
        "Tencent internal CLB: keeps clients and never selects the backend that the packet comes from.",
        "Tencent Cloud docs: TKE CLB loopback (docs/documented.md, tke)",
    ),
    LoadBalancerKind.CCE_ELB_SHARED: Preset(
        IN_VPC,
        "Huawei shared ELB in CCE: keeps clients, in-cluster clients too.",
        "Huawei Cloud docs: CCE, ELB address not reachable from inside the cluster (docs/documented.md, cce). "
        "[mem]: TCP keeps clients by default",
    ),
    LoadBalancerKind.CCE_ELB_DEDICATED: Preset(
        IN_VPC,
        "Huawei dedicated ELB in CCE: keeps clients; with `Local` in-cluster traffic goes to it (pass-through).",
        "Huawei Cloud docs: CCE, ELB address not reachable from inside the cluster (docs/documented.md, cce)",
    ),
    LoadBalancerKind.BGP_CLUSTER_IPS: Preset(
        {
            **ROUTED_TO_NODES,
            "announced_by": AnnouncedBy.ENDPOINTS,
            "empty_pool": EmptyPool.ALL,
            "advertises_cluster_ips": True,
        },
        "Nodes announce ClusterIPs and load balancer addresses by BGP (Calico, kube-router).",
        "docs.tigera.io/calico: Advertise Kubernetes service IP addresses; kube-router docs/bgp.md",
    ),
    LoadBalancerKind.UNKNOWN_CLOUD: Preset(
        {},
        "A balancer of which nothing is known: each result may be that of any balancer.",
        "nothing",
        (
            *("arrives_at", "announced_by", "leader", "health_checks", "keeps_client", "masquerade_inside"),
            *("excludes_source", "hairpin", "source_ranges", "session_affinity", "other_ports"),
            *("empty_pool", "listens"),
        ),
    ),
}
ALIASES = {
    "l2": LoadBalancerKind.METALLB_L2,
    "metallb": LoadBalancerKind.METALLB_L2,
    "bgp": LoadBalancerKind.METALLB_BGP,
    "kube-vip-arp": LoadBalancerKind.KUBE_VIP,
    "klipper": LoadBalancerKind.SERVICELB,
    "klipper-lb": LoadBalancerKind.SERVICELB,
    "k3s": LoadBalancerKind.SERVICELB,
    "aks": LoadBalancerKind.AZURE,
    "gke": LoadBalancerKind.GCP,
}
"""Other names of presets, as people write them."""
FACTS = list_facts(PRESETS)
"""The facts that a preset may give."""
OF_CUSTOM = ("arrives_at", "announced_by", "address_is")
"""The keys beside which an absent `kind` is `custom`."""


def kind_of(given: Mapping[str, Any]) -> object:
    """Return the kind that these contents of `load_balancer` declare, aliases replaced."""
    kind = given.get("kind")
    if kind is None:
        return LoadBalancerKind.CUSTOM if any(given.get(key) is not None for key in OF_CUSTOM) else "none"
    return ALIASES.get(kind, kind) if isinstance(kind, str) else kind


def list_open_facts(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the facts of these contents that their preset does not know: the leader too, if there is one."""
    leader = ("leader",) if complete(given)["announced_by"] == AnnouncedBy.LEADER else ()
    return (*find(PRESETS, kind_of(given)).unknown, *leader)


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of `load_balancer` with the facts of their preset. A given fact is kept."""
    kind = kind_of(given)
    full = {**find(PRESETS, kind).facts, **given, "kind": kind}
    if "announced_by" not in full:
        full["announced_by"] = AnnouncedBy.ALL if full.get("health_checks") is False else AnnouncedBy.ENDPOINTS
    return full
