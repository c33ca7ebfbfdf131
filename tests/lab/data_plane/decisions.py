"""Which endpoints serve which clients at each frontend, and what the others get. Pure.

The contract leaves these choices free. In each this data plane differs from kube-proxy's modes:

- Row 5: a ClusterIP is not served to clients from outside the node. kube-proxy serves clients with a route.
- Rows 22 and 37: a client's source is kept wherever the reply returns by itself: to endpoints on this node, and for
  pods and processes of this node. kube-proxy masquerades externalTrafficPolicy: Cluster.
- Row 3: an endpoint that reaches itself appears with the address that it connected to, not with the node's.
- Rows 24 and 25: a NodePort is served at the node's addresses in its status only. At others it is dropped, at
  127.0.0.1 no process listens.
- Rows 29, 32, 45, 72, 94 and 95: without a local endpoint a Local policy refuses. kube-proxy drops.
- Row 91: without any endpoint a frontend drops. Only a pod that asks a ClusterIP is refused (rows 6 and 7).
- Row 33: with externalTrafficPolicy: Local a pod gets local endpoints only at its own node's NodePort. kube-proxy
  short-circuits pods to all endpoints. Processes of the node get all of them (row 34).
- Row 49: internalTrafficPolicy: Local applies to pods and processes of this node at every frontend.
- Row 97: loadBalancerSourceRanges are not applied on nodes.
- Row 19: affinity holds for all ports and frontends of a Service together, except those with local endpoints only.
- No row: a hash of the connection selects an endpoint, not chance, so that all nodes select the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.lab.data_plane.services import Kind, ServicePort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.lab.data_plane.services import ServiceEndpoint


class Client(StrEnum):
    """Where a connection begins, seen from one node."""

    POD = "pod"
    NODE = "node"
    OUTSIDE = "outside"
    """Hosts outside the cluster, other nodes, and pods of other nodes."""


class Unserved(StrEnum):
    """What a client gets without an endpoint."""

    REFUSE = "refuse"
    DROP = "drop"


class SourceNat(StrEnum):
    """Whose source is replaced by the node's address."""

    NONE = "none"
    REMOTE = "remote"
    """That of connections to endpoints on other nodes."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ThisNode:
    """The node that decides. `addresses`: those in its status."""

    name: str
    addresses: tuple[str, ...]
    pod_cidr: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one kind of client gets at one frontend of a port."""

    port: ServicePort
    kind: Kind
    address: str
    number: int
    client: Client
    endpoints: tuple[ServiceEndpoint, ...]
    unserved: Unserved
    is_local: bool = False
    """Only endpoints of this node serve."""
    source_nat: SourceNat = SourceNat.NONE

    @property
    def affinity_s(self) -> int:
        """The affinity timeout; 0 without affinity."""
        return self.port.affinity_s


def decide_all(ports: Iterable[ServicePort], node: ThisNode) -> Iterator[Decision]:
    """Yield the decision of each frontend for each kind of client."""
    for port in ports:
        for kind, address, number in port.frontends(node.addresses):
            for client in Client:
                if kind is not Kind.CLUSTER_IP or client is not Client.OUTSIDE:
                    yield decide(port, kind, client, node, address=address, number=number)


def decide(  # noqa: PLR0913 - a frontend has three parts
    port: ServicePort, kind: Kind, client: Client, node: ThisNode, *, address: str, number: int
) -> Decision:
    """Return which endpoints serve a kind of client at a frontend."""
    is_local = wants_local(port, kind, client)
    return Decision(
        port,
        kind,
        address,
        number,
        client,
        select(port, node.name if is_local else ""),
        choose_unserved(port, kind, client, is_local=is_local),
        is_local,
        SourceNat.REMOTE if client is Client.OUTSIDE else SourceNat.NONE,
    )


def select(port: ServicePort, node: str = "") -> tuple[ServiceEndpoint, ...]:
    """Return the endpoints that serve: those of one node, or all. Terminating ones serve if no other does (51 to 55).

    A Local policy has precedence over trafficDistribution (row 66).
    """
    pool = [one for one in port.endpoints if not node or one.node == node]
    ready = [one for one in pool if not one.terminating]
    near = [one for one in ready if node or not one.distant]
    return tuple(near or ready or pool)


def wants_local(port: ServicePort, kind: Kind, client: Client) -> bool:
    """Return whether only endpoints of this node may serve."""
    if client is not Client.OUTSIDE and port.internal_local:
        return True  # rows 44 to 47, 94 and 95; at other frontends than a ClusterIP row 49
    if kind is Kind.CLUSTER_IP or not port.external_local:
        return False  # rows 50 and 48
    if client is Client.OUTSIDE:
        return True  # rows 28 and 29
    return kind is Kind.NODE_PORT and client is Client.POD  # rows 35, 96 and 34; row 33


def choose_unserved(port: ServicePort, kind: Kind, client: Client, *, is_local: bool) -> Unserved:
    """Return what a client gets if no endpoint may serve."""
    if port.endpoints and is_local:
        return Unserved.REFUSE
    is_promised = kind is Kind.CLUSTER_IP and client is Client.POD
    return Unserved.REFUSE if is_promised else Unserved.DROP
