"""The enums of a topology: every closed set of values, spelled as in Kubernetes where it has a name for them."""

from __future__ import annotations

from enum import StrEnum


class ProxyKind(StrEnum):
    """What serves Services on the nodes. Only `KUBE_PROXY` has rules; others are judged by the API's contract."""

    KUBE_PROXY = "kube-proxy"
    CILIUM = "cilium"
    CALICO_EBPF = "calico-ebpf"
    ANTREA = "antrea"
    OVN_KUBERNETES = "ovn-kubernetes"
    KUBE_ROUTER = "kube-router"
    OTHER = "other"


class ProxyMode(StrEnum):
    """How kube-proxy writes its rules (`--proxy-mode`)."""

    IPTABLES = "iptables"
    IPVS = "ipvs"
    NFTABLES = "nftables"


class DetectLocal(StrEnum):
    """How kube-proxy recognizes a pod's packet (`--detect-local-mode`); `NONE`: no cluster CIDR was given."""

    CLUSTER_CIDR = "ClusterCIDR"
    NODE_CIDR = "NodeCIDR"
    BRIDGE_INTERFACE = "BridgeInterface"
    INTERFACE_NAME_PREFIX = "InterfaceNamePrefix"
    NONE = "none"


class CniKind(StrEnum):
    """A preset of the pod network: the usual facts of a CNI (`presets/cni.py`). Explicit keys override it."""

    FLANNEL_VXLAN = "flannel-vxlan"
    FLANNEL_HOST_GW = "flannel-host-gw"
    K3S = "k3s"
    CALICO_VXLAN = "calico-vxlan"
    CALICO_IPIP = "calico-ipip"
    CALICO_BGP = "calico-bgp"
    KINDNET = "kindnet"
    CILIUM = "cilium"
    ANTREA = "antrea"
    OVN = "ovn"
    VPC_CNI = "vpc-cni"
    GKE = "gke"
    AZURE = "azure"
    AZURE_OVERLAY = "azure-overlay"
    TERWAY_ENIIP = "terway-eniip"
    CCE_TUNNEL = "cce-tunnel"
    CCE_VPC = "cce-vpc"
    TKE = "tke"
    TUNNEL = "tunnel"
    ROUTED = "routed"
    VPC_ROUTED = "vpc-routed"
    ENI = "eni"


class Overlay(StrEnum):
    """The tunnel in which pod packets travel between nodes."""

    NONE = "none"
    VXLAN = "vxlan"
    IPIP = "ipip"
    GENEVE = "geneve"
    WIREGUARD = "wireguard"


class PodAddresses(StrEnum):
    """The range of pod addresses: one of their own, or the nodes' network, which may contain nodes and hosts."""

    POD_RANGE = "pod-range"
    NODE_NETWORK = "node-network"


class PodRoutes(StrEnum):
    """Who routes pod addresses without an overlay: every node on one LAN, or the network between the nodes."""

    NODES = "nodes"
    NETWORK = "network"


class BridgeAddress(StrEnum):
    """How the address of a node's device towards its own pods is found."""

    POD_CIDR = "pod-cidr"
    PER_NODE = "per-node"
    NONE = "none"


class TunnelAddress(StrEnum):
    """How the address of a node's tunnel device is found. `BRIDGE`: the device towards the node's own pods is used."""

    POD_CIDR = "pod-cidr"
    PER_NODE = "per-node"
    BRIDGE = "bridge"
    NONE = "none"


class Policy(StrEnum):
    """The policy of a built-in chain of a node's filter table."""

    ACCEPT = "accept"
    DROP = "drop"


class Masquerade(StrEnum):
    """What the CNI rewrites to the node's address, besides kube-proxy.

    `egress`: a pod's packet that leaves the pod CIDR (flannel's M2, M4; ip-masq-agent); `flannel`: besides, what enters
    the pod CIDR from elsewhere (M1-M5).
    """

    NONE = "none"
    EGRESS = "egress"
    FLANNEL = "flannel"


class KubeletRules(StrEnum):
    """The iptables rules that kubelet writes.

    `all`: KUBE-MARK-DROP and KUBE-FIREWALL; `martians`: only the rule of KUBE-FIREWALL that drops martian packets to
    127.0.0.0/8; `none`: `makeIPTablesUtilChains: false`.
    """

    ALL = "all"
    MARTIANS = "martians"
    NONE = "none"


class LoadBalancerKind(StrEnum):
    """A preset of the facts about a load balancer (`presets/load_balancer.py`). `NONE`: there is no balancer."""

    NONE = "none"
    INLINE = "inline"
    FULL_NAT = "full-nat"
    METALLB_L2 = "metallb-l2"
    METALLB_BGP = "metallb-bgp"
    KUBE_VIP = "kube-vip"
    KUBE_VIP_ELECTION = "kube-vip-election"
    SERVICELB = "servicelb"
    NLB_INSTANCE = "nlb-instance"
    NLB_IP = "nlb-ip"
    AZURE = "azure"
    AZURE_NO_FLOATING = "azure-no-floating"
    GCP = "gcp"
    ACK_CLB = "ack-clb"
    ACK_CLB_ENI = "ack-clb-eni"
    TKE_CLB = "tke-clb"
    CCE_ELB_SHARED = "cce-elb-shared"
    CCE_ELB_DEDICATED = "cce-elb-dedicated"
    BGP_CLUSTER_IPS = "bgp-cluster-ips"
    CUSTOM = "custom"
    UNKNOWN_CLOUD = "unknown-cloud"


class ArrivesAt(StrEnum):
    """Where a balanced packet arrives: at a node's NodePort, at a node with its own destination, or at a pod."""

    NODE_PORT = "node-port"
    ADDRESS = "address"
    POD = "pod"


class AnnouncedBy(StrEnum):
    """Which nodes a balancer uses, or which announce its addresses."""

    ALL = "all"
    ENDPOINTS = "endpoints"
    LEADER = "leader"


class AddressIs(StrEnum):
    """Whose the address in `status.loadBalancer` is: the balancer's own, or the nodes'."""

    OWN = "own"
    NODE = "node"


class OtherPorts(StrEnum):
    """What happens at a port of a balancer's address that no Service and no listener declares."""

    REFUSE = "refuse"
    DROP = "drop"
    NODES = "nodes"


class EmptyPool(StrEnum):
    """What a balancer does with a connection when no backend is healthy."""

    REFUSE = "refuse"
    DROP = "drop"
    ALL = "all"
    WITHDRAW = "withdraw"


class BalancerAffinity(StrEnum):
    """How a balancer selects a node or pod for a Service with sessionAffinity: ClientIP.

    `NONE`: for each connection; `CLIENT_IP`: one for all connections of a client address.
    """

    NONE = "none"
    CLIENT_IP = "client-ip"

    @property
    def other(self) -> BalancerAffinity:
        return BalancerAffinity.NONE if self is BalancerAffinity.CLIENT_IP else BalancerAffinity.CLIENT_IP


class BalancerStatus(StrEnum):
    """What `status.loadBalancer.ingress` contains: an IP, a hostname only, or an IP with ipMode Proxy (KEP-1860).

    Only with `ip` kube-proxy answers for the address itself; else in-cluster traffic really goes to the balancer.
    """

    IP = "ip"
    HOSTNAME = "hostname"
    PROXY = "proxy"


class TrafficPolicy(StrEnum):
    """externalTrafficPolicy and internalTrafficPolicy."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class ServiceType(StrEnum):
    """A Service's type, as the API spells it."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class EndpointState(StrEnum):
    """The state in which a run keeps a backend: whether its readiness probe succeeds, and whether it is deleted.

    A pod that is `TERMINATING` was Ready, is deleted, and serves until the run ends.
    """

    READY = "ready"
    UNREADY = "unready"
    TERMINATING = "terminating"
    TERMINATING_UNREADY = "terminating-unready"

    @property
    def serving(self) -> bool:
        """Whether the readiness probe succeeds: the condition `serving` of the endpoint."""
        return self in {EndpointState.READY, EndpointState.TERMINATING}

    @property
    def terminating(self) -> bool:
        """Whether the pod is deleted and still runs: the condition `terminating` of the endpoint."""
        return self in {EndpointState.TERMINATING, EndpointState.TERMINATING_UNREADY}


class SessionAffinity(StrEnum):
    """A Service's sessionAffinity."""

    NONE = "None"
    CLIENT_IP = "ClientIP"


class VantageKind(StrEnum):
    """Where a question is asked from. `backend`: the echo pod itself asks; `ssh`: a node, by SSH instead of exec."""

    POD = "pod"
    NODE = "node"
    BACKEND = "backend"
    SSH = "ssh"
    EXTERNAL = "external"


class Kernels(StrEnum):
    """Which kernel runs the lab's workers: the machine's, a guest's, or a guest's if the machine's lacks IPVS."""

    AUTO = "auto"
    MACHINE = "machine"
    GUEST = "guest"


class DeviantOutcome(StrEnum):
    """The outcome that a declared deviation has: every outcome of an attempt (probes.observation.Outcome)."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    HANG = "hang"
    WRONG_BACKEND = "wrong-backend"
    NO_NAME = "no-such-name"


class PullPolicy(StrEnum):
    """A container's imagePullPolicy."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"
