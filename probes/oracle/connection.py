"""A connection on its way: the packet, where it is, what it asks for, and the ways it may end without an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from probes.observation import Outcome
from probes.oracle.address_holders import Holders, NodeAddress, find_holders
from probes.oracle.expectation import Path
from topologies.frontends import At, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.oracle.environment import Environment
    from topologies.cluster_state.snapshot import Endpoint, ServiceState, Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node, Topology, Version


class Origin(StrEnum):
    """Whose packet it is. `NODE`: a process on a node's own network, hostNetwork pods included."""

    POD = "pod"
    NODE = "node"
    EXTERNAL = "external"


class Pool(StrEnum):
    """Which of a Service's endpoints kube-proxy may pick: `ALL`, or those `LOCAL` to the processing node."""

    ALL = "all"
    LOCAL = "local"


class Fate(StrEnum):
    """How a packet goes on without an endpoint.

    `HELD`: a port that kube-proxy may hold open and never answers at; `HANGS`: one that it does hold open; `HOST`:
    the node's own, for whoever listens there; `ASTRAY`: nobody owns the address where it goes; `UNSERVED`: an echo pod
    that does not serve promises nothing; `LEAVES`: past kube-proxy's rules, towards whoever owns the address.
    """

    REJECTED = "rejected"
    CLOSED = "closed"
    HELD = "held"
    HANGS = "hangs"
    HOST = "host"
    DROPPED = "dropped"
    ASTRAY = "astray"
    UNSERVED = "unserved"
    LEAVES = "leaves"
    LEAVES_MASQUERADED = "leaves-masqueraded"

    @property
    def leaves(self) -> bool:
        return self in {Fate.LEAVES, Fate.LEAVES_MASQUERADED}

    def paths(self) -> tuple[Path, ...]:
        """What the client gets: REJECT is an ICMP refusal, a closed port an RST, a drop a timeout."""
        outcomes = ENDINGS[self]
        icmp = self is Fate.REJECTED
        return tuple(Path(outcome, share=1 / len(outcomes), by_icmp=icmp) for outcome in outcomes)


ENDINGS = {
    Fate.REJECTED: (Outcome.REFUSED,),
    Fate.CLOSED: (Outcome.REFUSED,),
    Fate.HELD: (Outcome.REFUSED, Outcome.HANG),
    Fate.HANGS: (Outcome.HANG,),
    Fate.DROPPED: (Outcome.TIMEOUT,),
    Fate.ASTRAY: (Outcome.UNREACHABLE, Outcome.TIMEOUT),
    Fate.UNSERVED: (Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMEOUT),
}


@dataclass(frozen=True, slots=True)
class Packet:
    """A SYN as it stands at `node` (empty: outside the cluster). `home`: the node its client runs on, if any."""

    origin: Origin
    source: IPAddress
    node: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """All that does not change while one cell is predicted."""

    topology: Topology
    snapshot: Snapshot
    environment: Environment
    balancer: Balancer
    holders: Holders = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holders", find_holders(self.topology, self.snapshot))


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection at one step.

    `target` and `port`: where it was asked; `candidates`, `endpoint`, `marked` and `seen` (the source its endpoint
    sees) are filled in step by step; `returned`: it has been through the load balancer.
    """

    world: World
    state: ServiceState
    kind: FrontendKind
    target: IPAddress
    packet: Packet
    port: int = 0
    at: At = At.PRIMARY
    asked_node: str = ""
    declared: bool = True
    candidates: tuple[Endpoint, ...] = ()
    endpoint: Endpoint | None = None
    marked: bool = False
    seen: IPAddress | None = None
    returned: bool = False

    @property
    def environment(self) -> Environment:
        return self.world.environment

    @property
    def version(self) -> Version:
        return self.world.environment.version

    @property
    def node(self) -> Node:
        """The node whose rules see the packet (P in datapath-rules.md)."""
        return self.world.topology.node(self.packet.node)

    @property
    def home(self) -> Node:
        return self.world.topology.node(self.packet.home)

    @property
    def reached(self) -> IPAddress:
        """The address of the processing node that the packet comes to: a public one was translated on the way."""
        return self.node.address if self.at is At.PUBLIC else self.target

    @property
    def chosen(self) -> Endpoint:
        """The endpoint of a step that comes after one was picked."""
        if self.endpoint is None:
            message = f"no endpoint was picked yet for {self.state.name}"
            raise LookupError(message)
        return self.endpoint

    @property
    def local(self) -> bool:
        """Sent by a process of the processing node itself (`addrtype --src-type LOCAL`)."""
        return self.packet.origin is Origin.NODE and self.packet.home == self.packet.node

    @property
    def pod_here(self) -> bool:
        """Sent by a pod of the processing node."""
        return self.packet.origin is Origin.POD and self.packet.home == self.packet.node

    @property
    def virtual(self) -> bool:
        """Asked at an address that only kube-proxy's rules or a balancer serve, and that is open to the outside."""
        return self.kind in {FrontendKind.LOAD_BALANCER, FrontendKind.EXTERNAL_IP}

    @property
    def holder(self) -> NodeAddress | None:
        """The node that has the LB address or externalIP that is asked, if one has it."""
        return self.world.holders.nodes.get(self.target) if self.virtual else None

    @property
    def is_frontend(self) -> bool:
        """Asked at an address of this kind that the Service has: a public address was translated on the way."""
        state = self.state
        return self.target in (state.external_ips if self.kind is FrontendKind.EXTERNAL_IP else {state.balanced_at})

    @property
    def at_own_address(self) -> bool:
        """Asked at an LB address or externalIP that is on a device of the processing node."""
        return self.virtual and self.world.holders.has(self.packet.node, self.target)

    @property
    def off_node(self) -> bool:
        """Asked at an LB address or externalIP that is on no device of the processing node.

        A packet that no rule translates leaves the node.
        """
        return self.virtual and not self.at_own_address

    def with_source(self, source: IPAddress) -> Flow:
        """The same, its packet from another address."""
        return replace(self, packet=replace(self.packet, source=source))


@dataclass(frozen=True, slots=True)
class Onward:
    """One way a packet goes on, or how it ends there: with what probability, and by which rules."""

    next: Flow | tuple[Path, ...]
    rules: tuple[str, ...] = ()
    share: float = 1.0


class Balancer(Protocol):
    """The load balancer as a host of the world: what becomes of a packet that reaches it, shares adding up to 1."""

    def receive(self, flow: Flow) -> Iterator[Onward]:
        """The ways on from the balancer for a packet whose source is what it sees, each decided as asked for."""
        ...
