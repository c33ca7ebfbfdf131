"""The declared cluster, frozen: what `load.py` makes of a topology file and everything else reads.

Addresses are `ipaddress` objects, versions compare as tuples. Nothing here talks to a cluster or to pytest.
Names follow the Kubernetes API: `externalTrafficPolicy` is spelled `external_traffic_policy`.
Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field, PlainSerializer

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.schema import limits
from topologies.schema.cluster_dns import USUAL_INDEX, DeclaredDns
from topologies.schema.cni import Cni
from topologies.schema.enums import BalancerStatus, DeviantOutcome, Kernels, KubeletRules, PullPolicy, TrafficPolicy
from topologies.schema.load_balancer import Listener, LoadBalancer
from topologies.schema.network import External, Kernel, Model, Node, NodeCni, Proxy, Ssh, kubelet_rules_by
from topologies.schema.pods import PodSettings
from topologies.schema.scalars import (
    ALL_ADDRESSES,
    DNS_LABEL,
    LOCALHOST,
    PRIMARY,
    Accepted,
    Address,
    AnyAddress,
    Day,
    Image,
    KubernetesVersion,
    Name,
    Network,
    Seconds,
    SomeText,
    Text,
    Version,
    Whole,
)
from topologies.schema.workload import Backend, Service, Vantage, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DNS_LABEL",
    "Backend",
    "Cni",
    "Deviation",
    "External",
    "Images",
    "Kernel",
    "KubernetesVersion",
    "LabSettings",
    "Listener",
    "LoadBalancer",
    "Model",
    "Name",
    "Node",
    "NodeCni",
    "Patience",
    "Proxy",
    "Service",
    "Ssh",
    "Topology",
    "Vantage",
    "Version",
    "Workload",
]

MAX_RATELIMIT_MS = 2**31 - 1
NODES = f"a list of at most {limits.NODES} nodes, or a number from 1 to {limits.NUMBERED_NODES}"


class Deviation(Model):
    """A known departure of this cluster: the cells it shows in, what is seen there instead, why, and until when.

    If a deviation no longer occurs, or differs, its cells fail. After `expires` the rules apply again.
    """

    cells: SomeText
    """An `fnmatch` pattern over cell ids."""
    outcome: DeviantOutcome
    """What happens in these cells."""
    sources: Annotated[tuple[AnyAddress, ...], Field(max_length=limits.LISTENERS)] = ()
    """The client addresses that the backend sees, for outcome `ok`. Empty means those of the rules."""
    reason: SomeText
    """Why."""
    expires: Day
    """The last day of the deviation. The rules apply again after it."""


class LabSettings(Model):
    """Present when our own lab realises the topology (`hairpin lab up`)."""

    iptables: Literal["nft", "legacy"] = "nft"
    """Which iptables the nodes use."""
    icmp_ratelimit: Annotated[Whole, Field(ge=0, le=MAX_RATELIMIT_MS)] = 1000
    """`net.ipv4.icmp_ratelimit` of the nodes, in ms."""
    kernel: Kernels = Kernels.AUTO
    """`machine`; `guest`: a user-mode kernel; `auto`: the guest if the machine's kernel has no IPVS."""
    overlay: Literal["declared", "vxlan"] = "declared"
    """The tunnel of the lab: the one of `cni.overlay`, or `vxlan` in its place. The lab builds VXLAN tunnels only."""
    data_plane: Annotated[tuple[SomeText, ...], Field(max_length=limits.LISTENERS)] = ()
    """The command that the lab starts on each node in kube-proxy's place, if `proxy.kind` is not `kube-proxy`: words
    such as `[./my-proxy, --verbose]`. The lab appends `--kubeconfig=FILE` and `--hostname-override=NODE`."""


class Patience(Model):
    """How long an answer may take, in seconds, unless the command line sets it."""

    connect: Seconds = 2.0
    """Seconds for a TCP connection."""
    settle: Seconds = 60.0
    """Seconds for each settling step."""
    together: Annotated[Whole, Field(ge=0, le=limits.VANTAGES)] = 0
    """How many vantages ask for samples at a time. 0 means all."""


class Images(Model):
    """One image serves echo and prober: agnhost with a shell and curl. The default is the one the lab makes itself."""

    agnhost: Image = "hairpin.local/agnhost:1"
    """An image with `/agnhost`, `sh`, `head`, `grep`, `tr` and curl ≥ 7.75. The default exists in the lab only."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """`imagePullPolicy`."""
    architectures: Annotated[tuple[SomeText, ...], Field(max_length=limits.LISTENERS)] = ()
    """The architectures that the image exists for, such as `[amd64, arm64]`. Empty means every one."""


M = TypeVar("M", bound=Model)


def _merge(whole: M, part: Model | None) -> M:
    """Return the cluster's section with the keys that a node declares."""
    if part is None or not part.model_fields_set:
        return whole
    return whole.model_copy(update={key: getattr(part, key) for key in part.model_fields_set})


class Topology(Model):
    """A cluster as declared: the one input of the plan and, with a snapshot, of the oracle."""

    name: Name
    """Part of the run folder's name."""
    about: Text = ""
    """A sentence for people."""
    kubernetes: KubernetesVersion
    """The cluster's version."""
    nodes: Annotated[tuple[Node, ...], Field(max_length=limits.NODES), Accepted(NODES)]
    """The workers, or a number: `4` makes n1 … n4 at 198.18.1.11 … with pods in 10.244.N.0/24 (at most 200)."""
    control_plane: Address | None = None
    """Address of the API server's host. The lab uses 198.18.1.10."""
    cni: Cni
    """The pod network."""
    proxy: Proxy = Proxy()
    """kube-proxy."""
    kernel: Kernel = Kernel()
    """The nodes' kernels."""
    load_balancer: LoadBalancer = LoadBalancer()
    """The load balancer."""
    service_cidr: Network = IPNetwork("10.96.0.0/16")
    """kube-apiserver's `--service-cluster-ip-range`."""
    cluster_dns: DeclaredDns = None
    """The cluster's DNS. If declared, pods also ask Services by name. `true` is the usual one, with the defaults."""
    external: Annotated[tuple[External, ...], Field(max_length=limits.EXTERNAL_HOSTS)] = ()
    """Hosts outside the cluster."""
    external_routes_to_pods: bool = False
    """Whether hosts outside have a route to pod addresses."""
    workload: Workload
    """Echo pods, Services and clients. Default: the standard workload."""
    unknown: Annotated[frozenset[str], PlainSerializer(sorted), Accepted("a list of paths of facts")] = frozenset()
    """The facts that are not known, such as `kernel.rp_filter` or `nodes.n2.proxy.version`. The value `unknown` at a
    fact's own key means the same."""
    deviations: Annotated[tuple[Deviation, ...], Field(max_length=limits.DEVIATIONS)] = ()
    """Known departures from the rules."""
    images: Images = Images()
    """The image of all pods."""
    pods: PodSettings = PodSettings()
    """Labels, resources and other settings of all pods."""
    patience: Patience = Patience()
    """Time limits."""
    lab: LabSettings | None = None
    """Present if the built-in lab realises this file."""

    @property
    def cluster_dns_address(self) -> IPAddress | None:
        """The address of the cluster's DNS server; None if no cluster DNS is declared."""
        if self.cluster_dns is None:
            return None
        return self.cluster_dns.address or self.service_cidr.network_address + USUAL_INDEX

    @property
    def proxy_version(self) -> Version:
        """kube-proxy's own version where it differs from the cluster's."""
        return self.proxy.version or self.kubernetes

    def proxy_version_of(self, node: str) -> Version:
        """Return the version of a node's kube-proxy."""
        return self.proxy_of(node).version or self.kubernetes

    def kubelet_version_of(self, node: str) -> Version:
        """Return the version of a node's kubelet, or the cluster's if the name is empty."""
        return (self.node(node).kubelet_version if node else None) or self.kubernetes

    def kubelet_rules_of(self, node: str) -> KubeletRules:
        """Return the iptables rules of a node's kubelet: the declared ones, or those that its version writes."""
        return self.kernel_of(node).kubelet_rules or kubelet_rules_by(self.kubelet_version_of(node))

    @cached_property
    def node_port_networks(self) -> tuple[IPNetwork, ...]:
        """Where kube-proxy serves NodePorts; empty: everywhere. `primary` is each node's InternalIP."""
        return self._node_port_networks(self.proxy)

    def node_port_networks_of(self, node: str) -> tuple[IPNetwork, ...]:
        """Return where a node's kube-proxy serves NodePorts; empty: everywhere."""
        proxy = self.proxy_of(node)
        return self.node_port_networks if proxy is self.proxy else self._node_port_networks(proxy)

    def _node_port_networks(self, proxy: Proxy) -> tuple[IPNetwork, ...]:
        words = {
            PRIMARY: tuple(IPNetwork(node.address) for node in self.nodes) if proxy.names_primary else (),
            LOCALHOST: (IPNetwork("127.0.0.0/8"),),
            ALL_ADDRESSES: (IPNetwork("0.0.0.0/0"),),
        }
        parts = (words[one] if isinstance(one, str) else (one,) for one in proxy.node_port_addresses)
        return tuple(one for part in parts for one in part)

    def proxy_of(self, node: str) -> Proxy:
        """Return the kube-proxy of a node, or the cluster's if the name is empty. KeyError if it is not declared."""
        return _merge(self.proxy, self.node(node).proxy if node else None)

    def kernel_of(self, node: str) -> Kernel:
        """Return the kernel of a node, or the cluster's if the name is empty. KeyError if it is not declared."""
        return _merge(self.kernel, self.node(node).kernel if node else None)

    def cni_of(self, node: str) -> Cni:
        """Return the CNI of a node, or the cluster's if the name is empty. KeyError if it is not declared."""
        return _merge(self.cni, self.node(node).cni if node else None)

    @cached_property
    def has_alike_nodes(self) -> bool:
        """Whether no node has a section of its own, and every fact is known."""
        return not self.unknown and not any(node.has_own_facts for node in self.nodes)

    @cached_property
    def nodes_by_name(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """Return the node of that name; KeyError if it is not declared (load.py has checked every reference)."""
        return self.nodes_by_name[name]

    @cached_property
    def _names_by_api_name(self) -> Mapping[str, str]:
        return {node.api_name: node.name for node in self.nodes}

    def node_name_of(self, api_name: str) -> str:
        """Return the declared name of the node that the API calls so; `api_name` itself if it is not declared."""
        return self._names_by_api_name.get(api_name, api_name)

    def full_node_name(self, name: str) -> str:
        """Return a node's name for messages, with the API's name beside an alias."""
        node = self.nodes_by_name.get(name)
        return node.full_name if node else name

    def why_no_pods_on(self, node: Node) -> str:
        """Return why no pod of the workload can run on a node; an empty string if one can."""
        if not node.is_linux:
            return f"it runs {node.os}"
        built = self.images.architectures
        return f"the image does not exist for {node.arch}" if built and node.arch and node.arch not in built else ""

    def service(self, name: str) -> Service:
        """Return the Service of that name; KeyError if it is not declared."""
        return self.workload.services_by_name[name]

    def balancer_status(self, service: Service) -> BalancerStatus:
        """Return what `status.loadBalancer` of a Service contains: the Service's own setting, else the balancer's."""
        return service.load_balancer_status or self.load_balancer.status

    def announcing_nodes(self, service: Service) -> tuple[Node, ...]:
        """Return the nodes whose own address is in the status of a Service, with `load_balancer.address_is: node`."""
        balancer, pool = self.load_balancer, self.load_balancer.addresses
        named = tuple(node for node in self.nodes if pool is None or node.address in pool)
        if service.external_traffic_policy is not TrafficPolicy.LOCAL or not balancer.avoids_empty_nodes:
            return named
        with_endpoint = self.endpoint_nodes(service)
        return tuple(node for node in named if node.name in with_endpoint)

    def backends_of(self, service: Service) -> tuple[Backend, ...]:
        """Return the echo pods that a Service selects, in declared order."""
        return self.workload.backends_by_app.get(service.app, ())

    def endpoint_nodes(self, service: Service) -> frozenset[str]:
        """Return the names of the nodes that run a ready endpoint of a Service."""
        if service.publish_not_ready_addresses:
            return frozenset(backend.node for backend in self.backends_of(service))
        return self.workload.ready_nodes_by_app.get(service.app, frozenset())

    @property
    def terminating_backends(self) -> tuple[Backend, ...]:
        """The backends that a run deletes and keeps running."""
        return tuple(backend for backend in self.workload.backends if backend.state.terminating)

    def not_ready_backends(self, service: Service) -> tuple[Backend, ...]:
        """Return the backends that a Service selects and that are no ready endpoint of it."""
        return tuple(backend for backend in self.backends_of(service) if not service.is_ready(backend))
