"""The declared cluster, frozen: what `load.py` makes of a topology file and everything else reads.

Addresses are `ipaddress` objects, versions compare as tuples. Nothing here talks to a cluster or to pytest.
Names follow the Kubernetes API (`externalTrafficPolicy` is spelled `external_traffic_policy`) and design.md section 2.
"""

from __future__ import annotations

import re
from datetime import date  # noqa: TC003 - pydantic resolves field types at run time
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from topologies.kinds import (
    BalancerStatus,
    CniKind,
    DetectLocal,
    EmptyPool,
    Kernels,
    LoadBalancerKind,
    Masquerade,
    ProxyMode,
    Registers,
    ServiceType,
    SessionAffinity,
    TrafficPolicy,
    VantageKind,
)

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
Name = Annotated[str, Field(pattern=DNS_LABEL)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Version(NamedTuple):
    """A Kubernetes release, `1.20.2`; compares as a tuple, so `version >= (1, 24)` reads as it should."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `1.24`, `v1.24.3` or `1.24.3-eks-1`; ValueError says what was wanted."""
        match = re.match(r"^v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+].*)?$", str(text))
        if not match:
            message = f"got {text!r}, want a Kubernetes version such as '1.24.3'"
            raise ValueError(message)
        return cls(*(int(part or 0) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def _version(value: object) -> Version:
    if isinstance(value, float):
        message = f"got the number {value}, want a quoted version: YAML reads 1.20 as 1.2"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a complaint
    return value if isinstance(value, Version) else Version.parse(value)


KubernetesVersion = Annotated[Version, BeforeValidator(_version), PlainSerializer(str, return_type=str)]


class Model(BaseModel):
    """Frozen, and a key nobody knows is an error: a typo must never be a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Proxy(Model):
    """kube-proxy: mode and the flags that change what a client or a backend sees."""

    mode: ProxyMode = ProxyMode.IPTABLES
    version: KubernetesVersion | None = None
    detect_local: DetectLocal = DetectLocal.CLUSTER_CIDR
    masquerade_all: bool = False
    node_port_addresses: tuple[IPv4Network, ...] = ()
    localhost_nodeports: bool = True


def _masquerade(value: object) -> object:
    """`true` and `false` are flannel's rules and none."""
    return {True: Masquerade.FLANNEL, False: Masquerade.NONE}[value] if isinstance(value, bool) else value


class Cni(Model):
    """The pod network.

    `anti_spoof`: the network between the nodes drops what does not carry its sending node's own address (a cloud's
    source check), pods' addresses of a routed or ENI network excepted.
    """

    kind: CniKind
    pod_cidr: IPv4Network = IPv4Network("10.244.0.0/16")
    masquerade: Annotated[Masquerade, BeforeValidator(_masquerade)]
    anti_spoof: bool = False

    @model_validator(mode="before")
    @classmethod
    def _masquerade_as_usual(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        if isinstance(value, dict) and "masquerade" not in value:
            usual = Masquerade.FLANNEL if value.get("kind") == CniKind.FLANNEL_VXLAN else Masquerade.NONE
            return {**value, "masquerade": usual}
        return value

    @property
    def overlay(self) -> bool:
        """Pod packets between nodes travel inside a tunnel."""
        return self.kind in {CniKind.FLANNEL_VXLAN, CniKind.TUNNEL}

    @property
    def bridged(self) -> bool:
        """A node's pods hang on a bridge that has an address, cni0; else the host's side of a pod has none."""
        return self.kind is not CniKind.ENI


class Kernel(Model):
    """What the nodes' kernels do to a packet, besides kube-proxy's rules."""

    rp_filter: Annotated[int, Field(ge=0, le=2)] = 0
    bridge_nf_call_iptables: bool = True
    hairpin: bool = True
    kubelet_rules: bool = True


class Ssh(Model):
    """How a host is reached by SSH. Host keys are always verified; no password is ever read from a file."""

    user: str = "root"
    port: Port = 22
    host: str | None = None
    key: str | None = None
    known_hosts: str | None = None


class Node(Model):
    """A worker. `pod_cidr` tells the addresses of its bridge (first host) and its vxlan device (the network).

    `public_address`: translated 1:1 to `address` by the network, on no device of the node (an EIP);
    `secondary_address`: that of a second network card.
    """

    name: Name
    address: IPv4Address
    public_address: IPv4Address | None = None
    secondary_address: IPv4Address | None = None
    pod_cidr: IPv4Network | None = None
    ssh: Ssh | None = None

    @property
    def cni0(self) -> IPv4Address | None:
        """The bridge's gateway address, `x.y.N.1`."""
        return self.pod_cidr[1] if self.pod_cidr else None

    @property
    def vtep(self) -> IPv4Address | None:
        """The vxlan device's address, `x.y.N.0` (flannel.1)."""
        return self.pod_cidr.network_address if self.pod_cidr else None


class External(Model):
    """A host outside the cluster, asked from by SSH."""

    name: Name
    address: IPv4Address
    ssh: Ssh = Ssh()


class Listener(Model):
    """A listener of the balancer that no Service of this cluster declares: an Ingress', another cluster's, a range.

    It is on every balanced address, or on that of `service` only, at ports `port` ... `until`. `leads_to` names the
    Service (of this cluster) it forwards to as its own port does; without it the balancer host answers itself, under
    the listener's name.
    """

    name: Name
    port: Port
    until: Port | None = None
    service: Name | None = None
    leads_to: Name | None = None


class LoadBalancer(Model):
    """How the load balancer treats a packet. `inline`: on the path, client address kept, pool by health check.

    `undeclared_port`: a port of the address that no Service declares; the balancer itself answers there if `listens`.
    `masquerade_inside`: what came from the nodes' side and goes back to it gets the balancer's address, or a pod or
    node that asks keeps its own (vendors' client address preservation; then a node may be sent its own packet).
    `excludes_source`: never picks the backend whose address is the packet's source (Tencent's CLB).
    """

    kind: LoadBalancerKind = LoadBalancerKind.NONE
    address: IPv4Address | None = None
    addresses: IPv4Network | None = None
    undeclared_port: Port = 7777
    listens: bool = False
    listeners: tuple[Listener, ...] = ()
    empty_pool: EmptyPool = EmptyPool.REFUSE
    registers: Registers = Registers.ENDPOINTS
    status: BalancerStatus = BalancerStatus.IP
    masquerade_inside: bool = True
    excludes_source: bool = False


class Backend(Model):
    """An echo pod (agnhost netexec), pinned to a node. Services select it by `app`."""

    name: Name
    app: Name
    node: Name
    host_network: bool = False
    port: Port = 8080


class Service(Model):
    """A Service in front of the echo pods of one app. `port`: the one it declares; NodePorts are the API's to give.

    `load_balancer_status`: as the balancer's, unless this Service says otherwise (ACK's hostname annotation, CCE's
    pass-through). `shares_address_of`: the Service whose balancer address this one has too, on another port.
    `load_balancer_source_ranges`: who may ask that address (`spec.loadBalancerSourceRanges`); empty: everybody.
    """

    name: Name
    app: Name
    type: ServiceType = ServiceType.CLUSTER_IP
    port: Port = 80
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    internal_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    session_affinity: SessionAffinity = SessionAffinity.NONE
    external_ips: tuple[IPv4Address, ...] = ()
    load_balancer_status: BalancerStatus | None = None
    shares_address_of: Name | None = None
    load_balancer_source_ranges: tuple[IPv4Network, ...] = ()


class Vantage(Model):
    """`node` is the node it runs on (None for an external host); `backend` names the echo pod that asks itself."""

    name: Name
    kind: VantageKind
    node: Name | None = None
    backend: Name | None = None
    external: Name | None = None

    @property
    def on_host_network(self) -> bool:
        """A process of the node itself: a hostNetwork pod or an SSH session."""
        return self.kind in {VantageKind.NODE, VantageKind.SSH}

    @property
    def host(self) -> str:
        """Whose client ports it uses: those of its node, its external host, or its own pod."""
        return (self.node if self.on_host_network else self.external) or self.name


class Workload(Model):
    """What a run deploys: echo pods, the Services in front of them, and where it asks from."""

    backends: tuple[Backend, ...]
    services: tuple[Service, ...]
    vantages: tuple[Vantage, ...]


class Deviation(Model):
    """A known departure of this cluster: the cells it shows in, what is seen there instead, why, and until when.

    `cells` is an `fnmatch` pattern over cell ids. A deviation that no longer shows, or shows otherwise,
    fails; past `expires` the rules hold again.
    """

    cells: str
    outcome: str
    sources: tuple[str, ...] = ()
    reason: str
    expires: date


class Lab(Model):
    """Present when our own lab realises the topology (`python -m topologies.lab up`)."""

    iptables: Annotated[str, Field(pattern="^(nft|legacy)$")] = "nft"
    icmp_ratelimit: Annotated[int, Field(ge=0)] = 1000
    kernel: Kernels = Kernels.AUTO


class Patience(Model):
    """How long an answer may take here, in seconds, where the command line says nothing: a slow lab is no fault.

    `together`: from how many vantages at a time the samples are asked, where all at once would be too much; 0: all.
    """

    connect: Annotated[float, Field(gt=0)] = 2.0
    settle: Annotated[float, Field(gt=0)] = 60.0
    together: Annotated[int, Field(ge=0)] = 0


class Images(Model):
    """One image serves echo and prober: agnhost with a shell and curl. The default is the one the lab makes itself."""

    agnhost: str = "hairpin.local/agnhost:1"
    pull_policy: str = "IfNotPresent"


class Topology(Model):
    """A cluster as declared: the one input of the plan and, with a snapshot, of the oracle."""

    name: Name
    about: str = ""
    kubernetes: KubernetesVersion
    nodes: tuple[Node, ...]
    control_plane: IPv4Address | None = None
    cni: Cni
    proxy: Proxy = Proxy()
    kernel: Kernel = Kernel()
    load_balancer: LoadBalancer = LoadBalancer()
    service_cidr: IPv4Network = IPv4Network("10.96.0.0/16")
    external: tuple[External, ...] = ()
    external_routes_to_pods: bool = False
    workload: Workload
    deviations: tuple[Deviation, ...] = ()
    images: Images = Images()
    patience: Patience = Patience()
    lab: Lab | None = None

    @property
    def proxy_version(self) -> Version:
        """kube-proxy's own version where it differs from the cluster's."""
        return self.proxy.version or self.kubernetes

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if it is not declared (load.py has checked every reference)."""
        return {node.name: node for node in self.nodes}[name]

    def service(self, name: str) -> Service:
        """The Service of that name; KeyError if it is not declared."""
        return {service.name: service for service in self.workload.services}[name]

    def balancer_status(self, service: Service) -> BalancerStatus:
        """What the API tells of a Service's balancer: as the balancer does, unless the Service says otherwise."""
        return service.load_balancer_status or self.load_balancer.status

    def backends_of(self, service: Service) -> tuple[Backend, ...]:
        """The echo pods a Service selects, in declared order."""
        return tuple(backend for backend in self.workload.backends if backend.app == service.app)
