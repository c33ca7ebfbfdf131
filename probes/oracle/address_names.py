"""Formats an address for reports: `198.18.1.11 (primary of n1)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology

Named = tuple["IPAddress | None", str]


def name(address: IPAddress, topology: Topology, snapshot: Snapshot) -> str:
    """Return the address with its owner: a node, pod, external host, Service or load balancer.

    Returns the address alone if no owner is known. For a hostNetwork pod the owner is its node, because both have the
    same address.
    """
    owner = owners(topology, snapshot).get(address)
    return f"{address} ({owner})" if owner else str(address)


def owners(topology: Topology, snapshot: Snapshot) -> dict[IPAddress, str]:
    """Return the owner of each known address (`primary of n1`). Call it once a run: it walks the whole cluster."""
    found: dict[IPAddress, str] = {}
    for address, owner in _known(topology, snapshot):
        if address is not None:
            found.setdefault(address, owner)
    return found


def _known(topology: Topology, snapshot: Snapshot) -> Iterator[Named]:
    yield from _of_nodes(topology)
    for pod, own in snapshot.pods.items():
        yield own, pod
    for external in topology.external:
        yield external.address, external.name
    yield topology.load_balancer.address, "load balancer"
    yield from _of_services(snapshot)


def _of_nodes(topology: Topology) -> Iterator[Named]:
    for node in topology.nodes:
        yield node.address, f"primary of {node.name}"
        yield node.secondary_address, f"secondary of {node.name}"
        yield node.public_address, f"public of {node.name}"
        yield node.cni0, f"cni0 of {node.name}"
        if topology.cni.overlay:
            yield node.vtep, f"vtep of {node.name}"


def _of_services(snapshot: Snapshot) -> Iterator[Named]:
    for service in snapshot.services.values():
        yield service.balanced_at, f"LB IP of {service.name}"
        yield service.cluster_ip, f"ClusterIP of {service.name}"
        for external_ip in service.external_ips:
            yield external_ip, f"externalIP of {service.name}"
