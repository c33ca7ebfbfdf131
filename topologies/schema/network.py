"""The declared nodes, hosts outside, kube-proxy and the nodes' kernels.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from topologies.schema import limits
from topologies.schema.enums import DetectLocal, KubeletRules, Masquerade, Policy, ProxyKind, ProxyMode
from topologies.schema.scalars import (
    PRIMARY,
    Accepted,
    Address,
    KubernetesVersion,
    Name,
    Network,
    NodeName,
    NodePortAddress,
    Port,
    SomeText,
    Version,
    Whole,
)

KEYS_OF_EVERY_KIND = frozenset({"kind", "node_port_addresses"})  # of section `proxy`
OWNERSHIP_CLEANUP = (1, 27)  # KEP-3178: the gate IPTablesOwnershipCleanup of kubelet is on by default


class Model(BaseModel):
    """A frozen mapping. An unknown key is an error: a typo must never be a silent default.

    A lookup table that a model needs is a `cached_property`. Equality and hash ignore it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __copy__(self) -> Self:
        """Copy the fields only: `model_copy(update=...)` must not keep a table of the old values."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


class Proxy(Model):
    """kube-proxy: mode and the flags that change what a client or a backend sees. Or what serves in its place."""

    kind: ProxyKind = ProxyKind.KUBE_PROXY
    """What serves Services: `kube-proxy`, `cilium`, `calico-ebpf`, `antrea`, `ovn-kubernetes`, `kube-router`, `other`.
    Anything but kube-proxy is judged by the API's contract, and no other key of this section except
    `node_port_addresses` applies ([contract.md](contract.md))."""
    mode: ProxyMode = ProxyMode.IPTABLES
    """`--proxy-mode`."""
    version: KubernetesVersion | None = None
    """kube-proxy's version, if it differs from `kubernetes`."""
    detect_local: DetectLocal = DetectLocal.CLUSTER_CIDR
    """`--detect-local-mode`, or `none` if kube-proxy has no cluster CIDR. Default with `cni.pod_addresses:
    node-network` and no `pod_cidr`, and for `cni.kind: vpc-cni`: `none`."""
    masquerade_all: bool = False
    """`--masquerade-all`."""
    node_port_addresses: Annotated[
        tuple[NodePortAddress, ...],
        Field(max_length=limits.LISTENERS),
        Accepted("a list of IPv4 ranges and the words primary, localhost, all"),
    ] = ()
    """`--nodeport-addresses`: ranges, or `[primary]` (kube-proxy 1.31 or newer). From 1.37 on a list may mix ranges and
    the words `primary` (the InternalIP), `localhost` (127.0.0.0/8) and `all` (0.0.0.0/0). Empty means every address of
    the node, in nftables mode the InternalIP from 1.30 on."""
    localhost_nodeports: bool = True
    """`--iptables-localhost-nodeports`."""
    localhost_nodeport_proxy: bool = False
    """Feature gate `KubeProxyNFTablesLocalhostNodePorts` (KEP-6032, nftables mode, 1.37 or newer): kube-proxy's own
    process serves NodePorts at 127.0.0.1 if `node_port_addresses` has a loopback range, and refuses them if not."""
    allow_external_ips: bool = True
    """Feature gate `AllowServiceExternalIPs` (KEP-5707, 1.36 or newer): `false` means that kube-proxy has no rules for
    externalIPs."""

    @property
    def is_kube_proxy(self) -> bool:
        """Whether kube-proxy's rules apply."""
        return self.kind is ProxyKind.KUBE_PROXY

    @model_serializer(mode="wrap")
    def _without_keys_that_do_not_apply(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys of kube-proxy if another implementation serves, and the kind if kube-proxy does."""
        written: dict[str, Any] = handler(self)
        if self.is_kube_proxy:
            return {key: value for key, value in written.items() if key != "kind"}
        return {key: value for key, value in written.items() if key in KEYS_OF_EVERY_KIND}

    @property
    def names_primary(self) -> bool:
        """Whether NodePorts are served at a node's InternalIP by the flag's word `primary`."""
        return PRIMARY in self.node_port_addresses


def _masquerade(value: object) -> object:
    """Read `true` as flannel's rules and `false` as none."""
    return {True: Masquerade.FLANNEL, False: Masquerade.NONE}[value] if isinstance(value, bool) else value


MasqueradeRules = Annotated[Masquerade, BeforeValidator(_masquerade)]


class NodeCni(Model):
    """What the CNI and the firewall do on one node, if it differs from `cni`."""

    masquerade: MasqueradeRules = Masquerade.NONE
    """As `cni.masquerade`, on this node."""
    forward_policy: Policy = Policy.ACCEPT
    """As `cni.forward_policy`, on this node."""
    input_policy: Policy = Policy.ACCEPT
    """As `cni.input_policy`, on this node."""


def _kubelet_rules(value: object) -> object:
    """Read `true` as all rules and `false` as none."""
    return {True: KubeletRules.ALL, False: KubeletRules.NONE}[value] if isinstance(value, bool) else value


def kubelet_rules_by(version: Version) -> KubeletRules:
    """Return the rules that kubelet of a version writes by default (syncIPTablesRules in kubelet_network_linux.go)."""
    return KubeletRules.MARTIANS if version >= OWNERSHIP_CLEANUP else KubeletRules.ALL


class Kernel(Model):
    """What the nodes' kernels do to a packet, besides kube-proxy's rules."""

    rp_filter: Annotated[Whole, Field(ge=0, le=2)] = 0
    """`net.ipv4.conf.*.rp_filter`: 0, 1 (strict) or 2 (loose)."""
    bridge_nf_call_iptables: bool = True
    """`net.bridge.bridge-nf-call-iptables`."""
    hairpin: bool = True
    """Hairpin mode of the bridge's ports."""
    kubelet_rules: Annotated[KubeletRules, BeforeValidator(_kubelet_rules)] | None = None
    """The iptables rules that kubelet writes: `all` (KUBE-MARK-DROP and KUBE-FIREWALL), `martians` (only the rule of
    KUBE-FIREWALL against martian packets to 127.0.0.0/8), `none`. `true` is `all`, `false` is `none`. Default by
    kubelet's version: `all` up to 1.26, `martians` from 1.27 on (KEP-3178)."""


class Ssh(Model):
    """How a host is reached by SSH. Host keys are always verified; no password is ever read from a file."""

    user: SomeText = "root"
    """User name."""
    port: Port = 22
    """TCP port of sshd."""
    host: SomeText | None = None
    """Host name or address. Default: the host's `address`."""
    key: SomeText | None = None
    """File of the private key. Default: the agent's keys and the usual files."""
    known_hosts: SomeText | None = None
    """File of the host keys. Default: `~/.ssh/known_hosts`."""


def _dump_declared(part: Model | None) -> dict[str, Any] | None:
    """Return the declared keys only: a node's section has no defaults of its own."""
    return part.model_dump(mode="json", exclude_unset=True) if part else None


DeclaredKeys = PlainSerializer(_dump_declared)


class Node(Model):
    """A worker."""

    name: NodeName
    """`metadata.name`; also the node's name in cell ids and reports, unless `as` gives another."""
    address: Address
    """InternalIP."""
    metadata_name: NodeName | None = None
    """`metadata.name`, if `name` is an alias. `{name: X, as: n1}` is short for `{name: n1, metadata_name: X}`."""
    public_address: Address | None = None
    """An address that the network translates 1:1 to `address`, on no device of the node (an EIP)."""
    secondary_address: Address | None = None
    """The address of the node's second network card."""
    pod_cidr: Network | None = None
    """`spec.podCIDR`: gives the addresses of the node's bridge (`.1`) and tunnel device (`.0`), if the network derives
    them from it."""
    bridge_address: Address | None = None
    """The address of the node's bridge, or of another device towards its own pods (cilium_host, ovn0). Default: derived
    as `cni.bridge_address` declares."""
    tunnel_address: Address | None = None
    """The address of the node's tunnel device (flannel.1, vxlan.calico, tunl0). Default: derived as
    `cni.tunnel_address` declares."""
    ssh: Ssh | None = None
    """If given, the node is also a client by SSH."""
    kubelet_version: KubernetesVersion | None = None
    """kubelet's version (`status.nodeInfo.kubeletVersion`), if it differs from `kubernetes`."""
    proxy: Annotated[Proxy | None, DeclaredKeys] = None
    """The keys of `proxy` that differ on this node."""
    kernel: Annotated[Kernel | None, DeclaredKeys] = None
    """The keys of `kernel` that differ on this node."""
    cni: Annotated[NodeCni | None, DeclaredKeys] = None
    """The keys of `cni` that differ on this node."""
    zone: SomeText | None = None
    """Label `topology.kubernetes.io/zone`. This and the keys below make classes of nodes; one node of each is asked."""
    os: SomeText | None = None
    """`status.nodeInfo.operatingSystem`. A node that is not `linux` runs no pods of the workload and is not asked."""
    arch: SomeText | None = None
    """`status.nodeInfo.architecture`, such as `amd64`."""
    instance_type: SomeText | None = None
    """Label `node.kubernetes.io/instance-type`."""
    kernel_version: SomeText | None = None
    """`status.nodeInfo.kernelVersion`."""

    @property
    def api_name(self) -> str:
        """`metadata.name`: what the API calls this node."""
        return self.metadata_name or self.name

    @property
    def has_own_facts(self) -> bool:
        """Whether a fact of this node may differ from the cluster's."""
        return bool(self.proxy or self.kernel or self.cni or self.kubelet_version)

    @property
    def is_linux(self) -> bool:
        """Whether it runs Linux, as far as it is declared. The rules are those of kube-proxy on Linux."""
        return self.os in {None, "linux"}

    @property
    def full_name(self) -> str:
        """The name for messages: with the API's beside an alias, `n1 (ip-10-0-1-2.ec2.internal)`."""
        return f"{self.name} ({self.metadata_name})" if self.api_name != self.name else self.name


class External(Model):
    """A host outside the cluster, asked from by SSH."""

    name: Name
    """Any name."""
    address: Address
    """The address from which the host reaches the nodes."""
    ssh: Ssh = Ssh()
    """How the host is reached by SSH."""
