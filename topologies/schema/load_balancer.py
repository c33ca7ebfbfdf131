"""The declared load balancer and its listeners.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from topologies.schema import limits
from topologies.schema.enums import BalancerStatus, EmptyPool, LoadBalancerKind, Registers
from topologies.schema.network import Model
from topologies.schema.scalars import Address, Name, Network, Port, ServiceName

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class LoadBalancer(Model):
    """How the load balancer treats a packet."""

    kind: LoadBalancerKind = LoadBalancerKind.NONE
    """`none`; `inline`: on the path, keeps client addresses, selects nodes by health check; `full-nat`: every client
    gets the balancer's address. With `none`, Services of type LoadBalancer stay without an address."""
    address: Address | None = None
    """The balancer's own address on the nodes' network."""
    addresses: Network | None = None
    """The range of addresses that the balancer hands out. If it is not known, predictions assume 203.0.113.0/24."""
    undeclared_port: Port = 7777
    """A port that no Service declares, which is probed too."""
    listens: bool = False
    """Whether the balancer itself answers at `undeclared_port`."""
    listeners: Annotated[tuple[Listener, ...], Field(max_length=limits.LISTENERS)] = ()
    """Listeners that no Service of this cluster declares."""
    empty_pool: EmptyPool = EmptyPool.REFUSE
    """What a balancer without a healthy backend does."""
    registers: Registers = Registers.ENDPOINTS
    """Which nodes the balancer uses for `externalTrafficPolicy: Local`: those with ready endpoints, or all."""
    status: BalancerStatus = BalancerStatus.IP
    """What `status.loadBalancer` contains: an IP, a hostname only, or an IP with ipMode Proxy (1.29 or newer)."""
    masquerade_inside: bool = True
    """Whether packets from the nodes' side that go back there get the balancer's address."""
    excludes_source: bool = False
    """Whether the balancer never selects the backend that has the packet's source address (Tencent CLB)."""

    @cached_property
    def listeners_by_name(self) -> Mapping[str, Listener]:
        """The listeners that no Service declares, by name."""
        return {listener.name: listener for listener in self.listeners}
