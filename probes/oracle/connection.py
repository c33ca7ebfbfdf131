"""The state of one connection while the rules process it: packet, target, endpoint, or how it ends without one."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from probes.observation import Outcome
from probes.oracle.address_holders import Holders, NodeAddress, find_holders
from probes.oracle.expectation import Path
from probes.oracle.unlisted_addresses import find_balancer_address, find_unlisted
from topologies.frontends import At, FrontendKind
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from probes.oracle.environment import Environment
    from probes.oracle.modes.mode_chains import ModeChains
    from probes.oracle.rule import Decision
    from probes.oracle.unknown_facts import FactChoices
    from probes.oracle.unlisted_addresses import Placeholders
    from topologies.cluster_state.balancer_nodes import BalancerNodes
    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node, Topology


class Origin(StrEnum):
    """The client's kind. `NODE` is a host-network process, hostNetwork pods included."""

    POD = "pod"
    NODE = "node"
    EXTERNAL = "external"


class EndpointPool(StrEnum):
    """The endpoints that kube-proxy may select: `ALL`, or those `LOCAL` to the processing node."""

    ALL = "all"
    LOCAL = "local"


class Disposition(StrEnum):
    """What happens to a packet for which kube-proxy selects no endpoint."""

    REJECTED = "rejected"
    """An ICMP port unreachable refuses it."""
    CLOSED = "closed"
    """A TCP RST refuses it."""
    HELD = "held"
    """kube-proxy may hold a socket there, which accepts and never answers. Without a socket the port is closed."""
    HANGS = "hangs"
    """kube-proxy holds a socket there, which accepts and never answers."""
    PROXIED = "proxied"
    """kube-proxy's own process accepts it and connects to an endpoint."""
    HOST = "host"
    """The node itself receives it, for a process that listens there."""
    DROPPED = "dropped"
    """It is dropped."""
    ASTRAY = "astray"
    """No host owns the destination address."""
    UNSERVED = "unserved"
    """It reaches a host or pod that does not serve: refused, unreachable or timeout."""
    UNNAMED = "unnamed"
    """No packet is sent: the DNS server answers that the name does not exist."""
    LEAVES = "leaves"
    """No rule of kube-proxy translates it, and it goes to the owner of the address."""
    LEAVES_MASQUERADED = "leaves-masqueraded"
    """As LEAVES, with the source masqueraded."""

    @property
    def leaves(self) -> bool:
        return self in {Disposition.LEAVES, Disposition.LEAVES_MASQUERADED}

    def paths(self) -> tuple[Path, ...]:
        """Return the results that the client may observe, each with its share."""
        outcomes = ENDINGS[self]
        icmp = self is Disposition.REJECTED
        return tuple(Path(outcome, share=1 / len(outcomes), by_icmp=icmp) for outcome in outcomes)


ENDINGS = {
    Disposition.REJECTED: (Outcome.REFUSED,),
    Disposition.CLOSED: (Outcome.REFUSED,),
    Disposition.HELD: (Outcome.REFUSED, Outcome.HANG),
    Disposition.HANGS: (Outcome.HANG,),
    Disposition.DROPPED: (Outcome.TIMEOUT,),
    Disposition.ASTRAY: (Outcome.UNREACHABLE, Outcome.TIMEOUT),
    Disposition.UNSERVED: (Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMEOUT),
    Disposition.UNNAMED: (Outcome.NO_NAME,),
}

Selection = EndpointPool | Disposition  # which endpoints a packet may get, or how it ends


@dataclass(frozen=True, slots=True)
class Packet:
    """A SYN as it arrives at `node` (empty: outside the cluster). `client_node` is the node of its client, if any."""

    origin: Origin
    source: IPAddress
    node: str = ""
    client_node: str = ""


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """The cluster, as one or more cells are predicted for it."""

    topology: Topology
    snapshot: Snapshot
    environments: Mapping[str, Environment]
    """The facts of each node by its name, and with an empty name those of the cluster."""
    balancer: Balancer
    chains: Mapping[str, ModeChains]
    """The rules of each node's kube-proxy mode, by the same names."""
    balancer_nodes: BalancerNodes
    """The nodes that the load balancer may use, also those that are not declared."""
    choices: FactChoices | None = None
    """The unknown facts. None: all facts are known."""
    holders: Holders = field(init=False, repr=False, compare=False)
    unlisted: Placeholders = field(init=False, repr=False, compare=False)
    """The placeholders for addresses of devices that are not known."""
    balancer_address: IPAddress = field(init=False, repr=False, compare=False)
    """The load balancer's own address on the nodes' network."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "holders", find_holders(self.topology, self.snapshot))
        object.__setattr__(self, "unlisted", find_unlisted(self.topology, self.snapshot, self.holders))
        found = find_balancer_address(self.topology, self.snapshot, self.holders)
        object.__setattr__(self, "balancer_address", found)

    def chains_between(self, node: str, other: str) -> ModeChains:
        """Return the rules for packets between two nodes: those of IPVS mode if one node has it, else of the first.

        In IPVS mode kube-ipvs0 of either node may have the other's address. Rules of IPVS mode check the node's mode.
        """
        if node == other or self.environments[node].mode is ProxyMode.IPVS:
            return self.chains[node]
        return self.chains[other if self.environments[other].mode is ProxyMode.IPVS else node]


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection at one step. The steps fill in the fields from `candidates` on."""

    cluster: ClusterModel
    state: ServiceState
    kind: FrontendKind
    target: IPAddress
    """The destination address that the client uses."""
    packet: Packet
    port: int = 0
    """The destination port that the client uses."""
    at: At = At.PRIMARY
    """Which address of the node `target` is, for a NodePort."""
    target_node: str = ""
    """The node that has `target`, for a NodePort."""
    declared: bool = True
    """Whether the Service declares the port."""
    candidates: tuple[Endpoint, ...] = ()
    """The endpoints from which the usable ones are selected."""
    endpoint: Endpoint | None = None
    """The selected endpoint."""
    marked: bool = False
    """Whether kube-proxy marked the packet for masquerade."""
    seen: IPAddress | None = None
    """The source address that the endpoint sees."""
    returned: bool = False
    """Whether the load balancer forwarded the packet."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What distinguishes this connection from others of the same cluster."""
        return (self.state.name, *_VALUES(self))

    @property
    def place(self) -> str:
        """The node that processes the packet now; outside the cluster the node that is asked, if any."""
        return self.packet.node or self.target_node

    @property
    def environment(self) -> Environment:
        """The facts of the node that processes the packet now."""
        return self.cluster.environments[self.place]

    def environment_of(self, node: str) -> Environment:
        """Return the facts of another node: the client's, the asked one, or the endpoint's."""
        return self.cluster.environments[node]

    @property
    def chains(self) -> ModeChains:
        """The rules of the node that processes the packet now."""
        return self.cluster.chains[self.place]

    @property
    def node(self) -> Node:
        """The processing node, whose rules the packet traverses."""
        return self.cluster.topology.node(self.packet.node)

    @property
    def client_node(self) -> Node:
        return self.cluster.topology.node(self.packet.client_node)

    @property
    def reached(self) -> IPAddress:
        """The address of the processing node at which the packet arrives, after 1:1 NAT of a public address."""
        return self.node.address if self.at is At.PUBLIC else self.target

    @property
    def chosen(self) -> Endpoint:
        """The selected endpoint; LookupError in a step before the selection."""
        if self.endpoint is None:
            message = f"no endpoint was picked yet for {self.state.name}"
            raise LookupError(message)
        return self.endpoint

    @property
    def local(self) -> bool:
        """Whether a host-network process of the processing node sent it (`addrtype --src-type LOCAL`)."""
        return self.packet.origin is Origin.NODE and self.packet.client_node == self.packet.node

    @property
    def pod_here(self) -> bool:
        """Whether a pod of the processing node sent it."""
        return self.packet.origin is Origin.POD and self.packet.client_node == self.packet.node

    @property
    def virtual(self) -> bool:
        """Whether the target is a load balancer IP or externalIP."""
        return self.kind in {FrontendKind.LOAD_BALANCER, FrontendKind.EXTERNAL_IP}

    @property
    def holder(self) -> NodeAddress | None:
        """The node that owns the target, if the target is a load balancer IP or externalIP."""
        return self.cluster.holders.nodes.get(self.target) if self.virtual else None

    @property
    def is_frontend(self) -> bool:
        """Whether the Service has the target. It has not after 1:1 NAT of a public address."""
        state = self.state
        return self.target in (state.external_ips if self.kind is FrontendKind.EXTERNAL_IP else state.balanced)

    @property
    def at_own_address(self) -> bool:
        """Whether the target is a load balancer IP or externalIP on an interface of the processing node."""
        return self.virtual and self.cluster.holders.has(self.packet.node, self.target)

    @property
    def off_node(self) -> bool:
        """Whether the target is a load balancer IP or externalIP on no interface of the processing node.

        A packet to it that no rule translates leaves the node.
        """
        return self.virtual and not self.at_own_address

    def with_source(self, source: IPAddress) -> Connection:
        """Return a copy whose packet has another source address."""
        return replace(self, packet=replace(self.packet, source=source))


_VALUES: Callable[[Connection], tuple[object, ...]] = attrgetter(
    *(one.name for one in fields(Connection) if one.name not in {"cluster", "state"})
)


@dataclass(frozen=True, slots=True)
class NextHop:
    """One next hop of a packet, or one way in which it ends, with its probability."""

    next: Connection | tuple[Path, ...]
    decisions: tuple[Decision[Any], ...] = ()
    """The load balancer's decisions."""
    share: float = 1.0
    selected: str = ""
    """The node that the load balancer selected for this connection alone, or the node of the selected pod."""


class Balancer(Protocol):
    """A load balancer that processes packets."""

    def receive(self, conn: Connection) -> Iterator[NextHop]:
        """Yield the next hops of a packet that reached the load balancer. Their shares add up to 1."""
        ...
