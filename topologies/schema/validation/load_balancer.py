"""Rules about the load balancer: facts that exclude each other, what they name, and the size of its range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.schema.complaints import Complaint, duplicates, offer
from topologies.schema.enums import AddressIs, AnnouncedBy, ArrivesAt, BalancerStatus, OtherPorts, ServiceType
from topologies.schema.scalars import ASSUMED_POOL, POINT_TO_POINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.common.addresses import IPNetwork
    from topologies.schema.topology import Topology

IP_MODE = (1, 29)


def leader(topology: Topology) -> Iterator[Complaint]:
    """Check that the leader is a node, and that the balancer has one."""
    balancer, path = topology.load_balancer, "load_balancer.leader"
    if balancer.leader is None:
        return
    if balancer.announced_by is not AnnouncedBy.LEADER:
        want = f"announced_by: leader beside it, not {balancer.announced_by}"
        yield Complaint(path, balancer.leader, want)
    if balancer.leader not in topology.nodes_by_name:
        yield Complaint(path, balancer.leader, offer(balancer.leader, topology.nodes_by_name, "a node: "))


def kind(topology: Topology) -> Iterator[Complaint]:
    """Check that facts of a balancer are not declared beside `kind: none`."""
    balancer = topology.load_balancer
    declared = {
        "arrives_at": balancer.arrives_at is not ArrivesAt.NODE_PORT,
        "leader": balancer.leader is not None,
        "address_is": balancer.address_is is not AddressIs.OWN,
    }
    if not balancer.exists:
        for key in (key for key, is_declared in declared.items() if is_declared):
            want = "a kind other than none beside it, such as custom"
            yield Complaint(f"load_balancer.{key}", str(getattr(balancer, key)), want)


def addresses(topology: Topology) -> Iterator[Complaint]:
    """Check what only an address of the balancer's own can have, and that nodes announce one of their own."""
    balancer = topology.load_balancer
    if balancer.address_is is not AddressIs.NODE:
        return
    if balancer.arrives_at is not ArrivesAt.ADDRESS:
        want = "address: with address_is node, packets go straight to the node that has it"
        yield Complaint("load_balancer.arrives_at", str(balancer.arrives_at), want)
    pool = balancer.addresses
    if pool and not any(node.address in pool for node in topology.nodes):
        want = "a range that contains the address of a node: address_is is node"
        yield Complaint("load_balancer.addresses", str(pool), want)


def ports(topology: Topology) -> Iterator[Complaint]:
    """Check that the Services that a node announces at its own address have different ports."""
    if topology.load_balancer.address_is is not AddressIs.NODE:
        return
    taken: dict[tuple[str, int], str] = {}
    for index, service in enumerate(topology.workload.services):
        if service.type is not ServiceType.LOAD_BALANCER:
            continue
        for node in topology.announcing_nodes(service):
            other = taken.setdefault((node.name, service.port), service.name)
            if other != service.name:
                want = (
                    f"another port: {other} has it at the address of {node.name}, as load_balancer.address_is is node"
                )
                yield Complaint(f"workload.services[{index}].port", str(service.port), want)
                break


def listeners(topology: Topology) -> Iterator[Complaint]:
    """Check that a host exists that can have the declared listeners."""
    balancer = topology.load_balancer
    if balancer.other_ports is not OtherPorts.NODES:
        return
    for key, got in (("listens", balancer.listens), ("listeners", bool(balancer.listeners))):
        if got:
            want = "none with other_ports: nodes, as only nodes receive packets to the address"
            yield Complaint(f"load_balancer.{key}", "true" if key == "listens" else "listeners", want)


def leading(topology: Topology) -> Iterator[Complaint]:
    """Check that only a balancer that translates leads a listener to a Service."""
    balancer = topology.load_balancer
    if balancer.arrives_at is ArrivesAt.ADDRESS:
        for index, one in enumerate(balancer.listeners):
            if one.leads_to:
                want = "none with arrives_at: address: the port is not translated to the Service's"
                yield Complaint(f"load_balancer.listeners[{index}].leads_to", one.leads_to, want)


def targets(topology: Topology) -> Iterator[Complaint]:
    """Check that the balancer can send what it is declared to send."""
    balancer = topology.load_balancer
    hidden = topology.cni.overlaid and not topology.external_routes_to_pods
    if balancer.arrives_at is ArrivesAt.POD and hidden:
        want = "a pod network without overlay, or external_routes_to_pods: true: the balancer needs a route to the pods"
        yield Complaint("load_balancer.arrives_at", "pod", want)
    if balancer.proxy_protocol and balancer.arrives_at is ArrivesAt.ADDRESS:
        want = "false with arrives_at: address: only a balancer that ends connections sends a header"
        yield Complaint("load_balancer.proxy_protocol", "true", want)
    if balancer.hairpin and balancer.excludes_source:
        want = "false beside excludes_source: true, which never returns a packet to its node"
        yield Complaint("load_balancer.hairpin", "true", want)


def listener_services(topology: Topology) -> Iterator[Complaint]:
    """Check that listeners name Services that the balancer serves."""
    services = topology.workload.services
    balanced = sorted(one.name for one in services if one.type is ServiceType.LOAD_BALANCER)
    for index, listener in enumerate(topology.load_balancer.listeners):
        path = f"load_balancer.listeners[{index}]"
        for field in ("service", "leads_to"):
            if (name := getattr(listener, field)) and name not in balanced:
                yield Complaint(f"{path}.{field}", name, offer(name, balanced, "a Service of type LoadBalancer: "))


def listener_ports(topology: Topology) -> Iterator[Complaint]:
    """Check the ports and names of the listeners."""
    for index, listener in enumerate(topology.load_balancer.listeners):
        path = f"load_balancer.listeners[{index}]"
        if listener.until is not None and listener.until < listener.port:
            yield Complaint(f"{path}.until", str(listener.until), f"a port from {listener.port} on")
        if listener.name == "undeclared":
            yield Complaint(f"{path}.name", listener.name, "another name: cell ids use it for undeclared_port")
    names = (listener.name for listener in topology.load_balancer.listeners)
    yield from duplicates("load_balancer.listeners[].name", names)


def ip_mode(topology: Topology) -> Iterator[Complaint]:
    """Check that the API has ipMode, if a status has it. An older kube-proxy ignores it (rule R0.3)."""
    declared = [("load_balancer.status", topology.load_balancer.status)]
    declared += [
        (f"workload.services[{index}].load_balancer_status", service.load_balancer_status)
        for index, service in enumerate(topology.workload.services)
        if service.load_balancer_status
    ]
    for path, status in declared:
        if status is BalancerStatus.PROXY and topology.kubernetes < IP_MODE:
            yield Complaint(path, f"proxy with kubernetes {topology.kubernetes}", "1.29 or newer (KEP-1860)")


def pool_size(topology: Topology) -> Iterator[Complaint]:
    """Check that the pool has an address for every Service that does not share another's."""
    pool = topology.load_balancer.addresses or ASSUMED_POOL
    if not topology.load_balancer.exists or topology.load_balancer.address_is is AddressIs.NODE:
        return
    owners = [
        one for one in topology.workload.services if one.type is ServiceType.LOAD_BALANCER and not one.shares_address_of
    ]
    if len(owners) > (usable := _len_usable(pool)):
        want = f"at least {len(owners)} addresses, one a Service of type LoadBalancer"
        yield Complaint("load_balancer.addresses", f"{pool} with {usable} usable addresses", want)


def _len_usable(pool: IPNetwork) -> int:
    """Return how many addresses of a pool a balancer hands out: not the first and last of one with more than two."""
    return pool.num_addresses if pool.prefixlen >= POINT_TO_POINT else pool.num_addresses - 2
