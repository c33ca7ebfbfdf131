"""Names addresses for people: `198.18.1.11 (primary of n1)`, in short `primary(n1)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from probes.oracle.unlisted_addresses import UnlistedAddress
from topologies.cluster_state.balancer_nodes import undeclared_nodes
from topologies.frontends import At

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Node, Topology

PRESERVED = "kept"  # the client's own address in run.json, in reports and in the promises of the suites


class AddressName(NamedTuple):
    """The owner of an address, and which of its addresses it is."""

    kind: str
    """`primary`, `cni0`, `LB IP`; the owner's own name if it has only one address."""
    owner: str = ""

    @property
    def short(self) -> str:
        """`primary(n1)` or `pod-n1`."""
        return f"{self.kind}({self.owner})" if self.owner else self.kind

    def __str__(self) -> str:
        """Return `primary of n1` or `pod-n1`."""
        return f"{self.kind} of {self.owner}" if self.owner else self.kind


UNLISTED = "unlisted"  # an address of a node that is no other known address
Named = tuple["IPAddress | None", AddressName]


@dataclass(frozen=True, slots=True)
class AddressNames:
    """The names of all addresses of a cluster: nodes, pods, external hosts, load balancer, Services.

    For a hostNetwork pod the owner is its node, because both have the same address.
    """

    names: dict[IPAddress, AddressName]

    @classmethod
    def of(cls, topology: Topology, snapshot: Snapshot) -> AddressNames:
        """Return the names in a cluster. If an address has several owners, the first one of the list above counts."""
        names: dict[IPAddress, AddressName] = {}
        for address, name in _known(topology, snapshot):
            if address is not None:
                names.setdefault(address, name)
        return cls(names)

    def describe(self, address: IPAddress, client: IPAddress | None = None) -> str:
        """Return `198.18.1.11 (primary of n1)`, or the address alone if no owner is known.

        Args:
            address: The address.
            client: The client's own address, which is `kept`.

        """
        if isinstance(address, UnlistedAddress):
            return f"an address of {address.node} that is no other known address ({address.device})"
        name = PRESERVED if address == client else self.names.get(address)
        return f"{address} ({name})" if name else str(address)

    def shorten(self, address: IPAddress, client: IPAddress | None = None) -> str:
        """Return `primary(n1)`, `pod-n1`, `kept` for the client's own address, or the address if it has no name."""
        if isinstance(address, UnlistedAddress):
            return AddressName(UNLISTED, address.node).short
        if address == client:
            return PRESERVED
        name = self.names.get(address)
        return name.short if name else str(address)


def _known(topology: Topology, snapshot: Snapshot) -> Iterator[Named]:
    yield from _of_nodes(topology, topology.nodes)
    yield from _of_nodes(topology, undeclared_nodes(topology, snapshot))
    for pod, address in snapshot.pods.items():
        yield address, AddressName(pod)
    for external in topology.external:
        yield external.address, AddressName(external.name)
    yield topology.load_balancer.address, AddressName("load balancer")
    yield from _of_services(snapshot)


def _of_nodes(topology: Topology, nodes: Iterable[Node]) -> Iterator[Named]:
    for node in nodes:
        yield node.address, AddressName("primary", node.name)
        yield node.secondary_address, AddressName("secondary", node.name)
        yield node.public_address, AddressName("public", node.name)
        yield topology.cni.bridge_address_of(node), AddressName(At.BRIDGE, node.name)
        yield topology.cni.tunnel_address_of(node), AddressName(At.TUNNEL, node.name)


def _of_services(snapshot: Snapshot) -> Iterator[Named]:
    for service in snapshot.services.values():
        for balanced in service.balanced:
            yield balanced, AddressName("LB IP", service.name)
        yield service.cluster_ip, AddressName("ClusterIP", service.name)
        for external_ip in service.external_ips:
            yield external_ip, AddressName("externalIP", service.name)
