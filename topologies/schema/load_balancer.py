"""The declared load balancer and its listeners.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from topologies.schema import limits
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
from topologies.schema.network import Model
from topologies.schema.presets import load_balancer as presets
from topologies.schema.scalars import Address, Name, Network, NodeName, Port, ServiceName, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SerializerFunctionWrapHandler


OlderAnnouncedBy = Literal["endpoints", "all"]


class Listener(Model):
    """A listener of the balancer that no Service of this cluster declares: an Ingress', another cluster's, a range."""

    name: Name
    """Any name; part of cell ids."""
    port: Port
    """First port."""
    until: Port | None = None
    """Last port. Default: `port`."""
    service: ServiceName | None = None
    """The Service on whose balancer address the listener is. Default: on every balanced address."""
    leads_to: ServiceName | None = None
    """The Service that the listener forwards to, as that Service's own port does. Default: the balancer answers."""


def _named(value: object) -> object:
    """Read an alias of a preset as the preset."""
    return presets.ALIASES.get(value, value) if isinstance(value, str) else value


class LoadBalancer(Model):
    """How the load balancer treats a packet. `kind` gives the defaults of the other keys."""

    kind: Annotated[LoadBalancerKind, BeforeValidator(_named)] = LoadBalancerKind.NONE
    """Gives the defaults of the keys below, see [The load balancer](#the-load-balancer). With `none`, Services of type
    LoadBalancer stay without an address. Default: `custom` beside `arrives_at`, `announced_by` or `address_is`."""
    arrives_at: ArrivesAt = ArrivesAt.NODE_PORT
    """Where the balancer's packets arrive: `node-port`: at a node's NodePort; `address`: at a node, still for the
    balancer's address (direct server return, or nodes announce the address); `pod`: at an endpoint."""
    announced_by: AnnouncedBy = AnnouncedBy.ENDPOINTS
    """Which nodes the balancer uses, or which announce its address: `all`; `endpoints`: with
    `externalTrafficPolicy: Local` those with a ready endpoint; `leader`: one node."""
    leader: NodeName | None = None
    """With `announced_by: leader`, the node. Default: not known, any node may be it."""
    health_checks: bool | None = None
    """Whether nodes without a ready endpoint are left out with `externalTrafficPolicy: Local`. Default: true, unless
    `announced_by` is `all`."""
    address_is: AddressIs = AddressIs.OWN
    """Whose the address in `status.loadBalancer` is: the balancer's `own`, or each `node`'s (k3s ServiceLB)."""
    keeps_client: bool = True
    """Whether the balancer preserves the client's source IP; if not, it uses its own `address`."""
    address: Address | None = None
    """The balancer's own address on the nodes' network. If it is not declared, it may be any address that is
    no other known address."""
    addresses: Network | None = None
    """The range of addresses that the balancer hands out. If it is not known, predictions assume 203.0.113.0/24.
    With `address_is: node`, only nodes with an address in this range announce it."""
    undeclared_port: Port = 7777
    """A port that no Service declares, which is probed too."""
    listens: bool = False
    """Whether the balancer itself answers at `undeclared_port`."""
    listeners: Annotated[tuple[Listener, ...], Field(max_length=limits.LISTENERS)] = ()
    """Listeners that no Service of this cluster declares."""
    other_ports: OtherPorts = OtherPorts.REFUSE
    """What happens at a port without a listener: `refuse`, `drop`, or `nodes` (a node receives it)."""
    empty_pool: EmptyPool = EmptyPool.REFUSE
    """What happens without a usable node or pod: `refuse`, `drop`, `all` (the balancer uses all nodes) or `withdraw`
    (nothing announces the address, also with `Cluster` if there is no endpoint)."""
    registers: OlderAnnouncedBy | None = None
    """The older name of `announced_by`."""
    status: BalancerStatus = BalancerStatus.IP
    """What `status.loadBalancer` contains: an IP, a hostname only, or an IP with ipMode Proxy (1.29 or newer)."""
    masquerade_inside: bool = True
    """Whether packets from the nodes' side that go back there get the balancer's address."""
    excludes_source: bool = False
    """Whether the balancer never selects the backend that has the packet's source address (Tencent CLB)."""
    hairpin: bool = False
    """Whether the balancer uses its own `address` as the source of packets that it sends back to the client's own
    node. If not, such connections time out."""
    source_ranges: bool = False
    """Whether the balancer enforces `loadBalancerSourceRanges`. kube-proxy enforces them at the address itself only."""
    session_affinity: BalancerAffinity = BalancerAffinity.NONE
    """What the balancer does for a Service with `sessionAffinity: ClientIP`: `none`: selects a node or pod for each
    connection; `client-ip`: sends all connections of a client address to the same one. A setting of the balancer for
    Services without it is not described."""
    proxy_protocol: bool = False
    """Whether the balancer sends a PROXY protocol header. The echo pods do not read it, so cells that pass the balancer
    are left out."""
    advertises_cluster_ips: bool = False
    """Whether hosts outside have routes to ClusterIPs, by the nodes that `announced_by` selects."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: object) -> object:
        """Add the facts of the preset, and read `registers` as `announced_by`."""
        if not isinstance(value, dict):
            return value
        older, newer = value.get("registers"), value.get("announced_by")
        if older in get_args(OlderAnnouncedBy):
            if newer not in (None, older):
                want = f"one of them: registers is the older name of announced_by, which is {newer}"
                raise refused(want, f"registers {older} and announced_by {newer}")
            value = {**value, "registers": None, "announced_by": older}
        return presets.complete(value)

    @model_serializer(mode="wrap")
    def _shorten(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the facts that `kind` gives, so that another kind may replace them."""
        usual = LoadBalancer.model_validate({"kind": self.kind})
        given = {name for name in presets.FACTS if getattr(self, name) == getattr(usual, name)}
        return {name: value for name, value in handler(self).items() if name not in given}

    @property
    def exists(self) -> bool:
        """Whether anything gives Services of type LoadBalancer an address."""
        return self.kind is not LoadBalancerKind.NONE

    @property
    def avoids_empty_nodes(self) -> bool:
        """Whether `externalTrafficPolicy: Local` reaches only nodes with a ready endpoint."""
        if self.health_checks is None:
            return self.announced_by is not AnnouncedBy.ALL
        return self.health_checks or self.announced_by is AnnouncedBy.ENDPOINTS

    @cached_property
    def listeners_by_name(self) -> Mapping[str, Listener]:
        """The listeners that no Service declares, by name."""
        return {listener.name: listener for listener in self.listeners}
