"""Cross-reference rules of a topology: what no single field can know. Each rule yields its complaints.

A rule names the sections it reads. It runs if those are sound, whatever else is wrong in the file. The rules of the
workload are in `workload.py`, most of the load balancer's in `load_balancer.py`.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from topologies.common.addresses import IPNetwork
from topologies.schema import facts, limits
from topologies.schema.complaints import Complaint, duplicates, offer
from topologies.schema.enums import AddressIs, BalancerStatus, DetectLocal, Overlay, ProxyMode, ServiceType
from topologies.schema.scalars import ASSUMED_POOL, POINT_TO_POINT, PRIMARY, names_registry
from topologies.schema.validation import load_balancer, workload
from topologies.schema.validation.pod_ranges import find_missing_ranges, find_small_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Proxy, Topology, Version

__all__ = ["Complaint", "complaints"]

IP_MODE = (1, 29)
PRIMARY_SINCE = (1, 30)  # kubernetes#123105
BY_INTERFACE = (1, 24)  # kubernetes#95400
OLDEST, NEWEST, NFTABLES = (1, 20), (1, 36, 999_999), (1, 29)


class FileRule(NamedTuple):
    """A rule and the sections it reads."""

    check: Callable[[Topology], Iterator[Complaint]]
    reads: tuple[str, ...]


def complaints(topology: Topology, bad: frozenset[str] = frozenset()) -> list[Complaint]:
    """Return everything found by the rules that read none of the bad sections, in the order of the file."""
    found: list[Complaint] = []
    for rule in RULES:
        if not any(section in bad or section.partition(".")[0] in bad for section in rule.reads):
            found.extend(islice(rule.check(topology), limits.OF_A_RULE))
    if not found and not bad:
        found.extend(Complaint(*one) for one in find_small_ranges(topology))
    return found


def _nodes(topology: Topology) -> Iterator[Complaint]:
    if not topology.nodes:
        yield Complaint("nodes", "none", "at least one worker")
    yield from _node_names(topology)
    addresses = [node.address for node in topology.nodes]
    others = [one for node in topology.nodes for one in (node.secondary_address, node.public_address) if one]
    yield from duplicates("nodes[].address", addresses)
    yield from duplicates("nodes[].secondary_address, .public_address", [*dict.fromkeys(addresses), *others])
    devices = [one for node in topology.nodes for one in (node.bridge_address, node.tunnel_address) if one]
    yield from duplicates("nodes[].bridge_address, .tunnel_address", [*dict.fromkeys([*addresses, *others]), *devices])
    yield from _labels(topology)


def _node_names(topology: Topology) -> Iterator[Complaint]:
    """Check that a name means one node, whether it is an alias or the API's name."""
    aliased = any(node.metadata_name for node in topology.nodes)
    yield from duplicates("nodes[].as" if aliased else "nodes[].name", (node.name for node in topology.nodes))
    if not aliased:
        return
    yield from duplicates("nodes[].name", (node.api_name for node in topology.nodes))
    owners = {node.api_name: node.name for node in topology.nodes}
    for index, node in enumerate(topology.nodes):
        if owners.get(node.name, node.name) != node.name:
            want = f"an alias that is not another node's name: {node.name} is the metadata.name of {owners[node.name]}"
            yield Complaint(f"nodes[{index}].as", node.name, want)


def _labels(topology: Topology) -> Iterator[Complaint]:
    """Check that node names are unambiguous in cell ids, where suffixes such as `-cni0` name an address of a node."""
    names = {node.name for node in topology.nodes}
    for index, node in enumerate(topology.nodes):
        base, _, suffix = node.name.rpartition("-")
        if node.name == "loopback" or (suffix in {"cni0", "vtep", "secondary", "public"} and base in names):
            want = "a name that cell ids do not use for an address of another node"
            yield Complaint(f"nodes[{index}].name", node.name, want)


def _external(topology: Topology) -> Iterator[Complaint]:
    yield from duplicates("external[].name", (host.name for host in topology.external))
    yield from duplicates("external[].address", (host.address for host in topology.external))
    nodes = {node.address for node in topology.nodes}
    for index, host in enumerate(topology.external):
        if host.address in nodes:
            yield Complaint(f"external[{index}].address", str(host.address), "a host that is no node")


def _pod_ranges(topology: Topology) -> Iterator[Complaint]:
    """Check that each node's range is its own part of the cluster CIDR."""
    ranged = [(node.pod_cidr, index) for index, node in enumerate(topology.nodes) if node.pod_cidr]
    for cidr, index in ranged:
        if not cidr.subnet_of(topology.cni.pod_cidr):
            yield Complaint(f"nodes[{index}].pod_cidr", str(cidr), f"a part of cni.pod_cidr {topology.cni.pod_cidr}")
    ordered = sorted(ranged)
    for (before, other), (cidr, index) in pairwise(ordered):
        if cidr.overlaps(before):
            want = f"no overlap with nodes[{other}].pod_cidr {before}"
            yield Complaint(f"nodes[{index}].pod_cidr", str(cidr), want)


def _missing_ranges(topology: Topology) -> Iterator[Complaint]:
    yield from (Complaint(*one) for one in find_missing_ranges(topology))


def _not_pods(topology: Topology) -> Iterator[Complaint]:
    """Check that nodes and hosts are outside the pods' range, unless pods have addresses of the nodes' network."""
    if topology.cni.shares_node_network:
        return
    for path, address in _addresses(topology):
        if address in topology.cni.pod_cidr:
            want = (
                f"an address outside cni.pod_cidr {topology.cni.pod_cidr}: "
                "only with cni.kind eni or cni.pod_addresses: node-network are they one network"
            )
            yield Complaint(path, str(address), want)


def _not_services(topology: Topology) -> Iterator[Complaint]:
    for path, address in (*_addresses(topology), *_devices(topology)):
        if address in topology.service_cidr:
            yield Complaint(path, str(address), f"an address outside service_cidr {topology.service_cidr}")
    pool = topology.load_balancer.addresses
    if pool and pool.overlaps(topology.service_cidr):
        yield Complaint("load_balancer.addresses", str(pool), f"no overlap with service_cidr {topology.service_cidr}")


def _addresses(topology: Topology) -> Iterator[tuple[str, IPAddress]]:
    for index, node in enumerate(topology.nodes):
        yield f"nodes[{index}].address", node.address
        for field in ("secondary_address", "public_address"):
            if address := getattr(node, field):
                yield f"nodes[{index}].{field}", address
    for index, host in enumerate(topology.external):
        yield f"external[{index}].address", host.address


def _devices(topology: Topology) -> Iterator[tuple[str, IPAddress]]:
    for index, node in enumerate(topology.nodes):
        for field in ("bridge_address", "tunnel_address"):
            if address := getattr(node, field):
                yield f"nodes[{index}].{field}", address


def _ranges_apart(topology: Topology) -> Iterator[Complaint]:
    if topology.service_cidr.overlaps(topology.cni.pod_cidr):
        want = f"no overlap with cni.pod_cidr {topology.cni.pod_cidr}"
        yield Complaint("service_cidr", str(topology.service_cidr), want)


def _listeners(topology: Topology) -> Iterator[Complaint]:
    services = topology.workload.services
    balanced = sorted(one.name for one in services if one.type is ServiceType.LOAD_BALANCER)
    for index, listener in enumerate(topology.load_balancer.listeners):
        path = f"load_balancer.listeners[{index}]"
        for field in ("service", "leads_to"):
            if (name := getattr(listener, field)) and name not in balanced:
                yield Complaint(f"{path}.{field}", name, offer(name, balanced, "a Service of type LoadBalancer: "))


def _listener_ports(topology: Topology) -> Iterator[Complaint]:
    for index, listener in enumerate(topology.load_balancer.listeners):
        path = f"load_balancer.listeners[{index}]"
        if listener.until is not None and listener.until < listener.port:
            yield Complaint(f"{path}.until", str(listener.until), f"a port from {listener.port} on")
        if listener.name == "undeclared":
            yield Complaint(f"{path}.name", listener.name, "another name: cell ids use it for undeclared_port")
    names = (listener.name for listener in topology.load_balancer.listeners)
    yield from duplicates("load_balancer.listeners[].name", names)


def _ip_mode(topology: Topology) -> Iterator[Complaint]:
    declared = [("load_balancer.status", topology.load_balancer.status)]
    declared += [
        (f"workload.services[{index}].load_balancer_status", service.load_balancer_status)
        for index, service in enumerate(topology.workload.services)
        if service.load_balancer_status
    ]
    for path, status in declared:
        if status is BalancerStatus.PROXY and topology.proxy_version < IP_MODE:
            yield Complaint(path, f"proxy with {topology.proxy_version}", "1.29 or newer (KEP-1860)")


def _proxy(topology: Topology) -> Iterator[Complaint]:
    path = "proxy.version" if topology.proxy.version else "kubernetes"
    yield from _kube_proxy(topology.proxy, topology.proxy_version, "proxy", path)


def _node_proxies(topology: Topology) -> Iterator[Complaint]:
    """Check each node's own kube-proxy with the keys that it takes from the cluster."""
    for index, node in enumerate(topology.nodes):
        if node.proxy is not None:
            place = f"nodes[{index}].proxy"
            version = topology.proxy_version_of(node.name)
            yield from _kube_proxy(topology.proxy_of(node.name), version, place, f"{place}.version")


def _kube_proxy(proxy: Proxy, version: Version, place: str, version_path: str) -> Iterator[Complaint]:
    if not OLDEST <= version <= NEWEST:
        yield Complaint(version_path, str(version), "1.20 … 1.36: no rule outside that range has been read")
    elif proxy.mode is ProxyMode.NFTABLES and version < NFTABLES:
        yield Complaint(f"{place}.mode", f"nftables with {version}", "1.29 or newer (KEP-3866)")
    by = proxy.detect_local
    if by in {DetectLocal.BRIDGE_INTERFACE, DetectLocal.INTERFACE_NAME_PREFIX} and OLDEST <= version < BY_INTERFACE:
        yield Complaint(f"{place}.detect_local", f"{by} with {version}", "1.24 or newer (kubernetes#95400)")
    yield from _node_port_addresses(proxy, version, f"{place}.node_port_addresses")


def _node_port_addresses(proxy: Proxy, version: Version, path: str) -> Iterator[Complaint]:
    """kube-proxy takes `primary` alone, never in a list with ranges (validateKubeProxyNodePortAddress)."""
    given = proxy.node_port_addresses
    if proxy.primary_only and len(given) > 1:
        got = ", ".join(map(str, given[:4]))
        yield Complaint(path, f"[{got}]", "[primary] alone, or ranges: kube-proxy refuses a mixed list")
    elif proxy.primary_only and version < PRIMARY_SINCE:
        yield Complaint(path, f"{PRIMARY} with {version}", "1.30 or newer (kubernetes#123105)")
    ranges = [one for one in given if isinstance(one, IPNetwork)]
    yield from duplicates(path, ranges)


def _unknown(topology: Topology) -> Iterator[Complaint]:
    """Check that every path in `unknown` is a fact, of the cluster or of a declared node."""
    for path in sorted(topology.unknown):
        node, _ = facts.split(path)
        if node and node not in topology.nodes_by_name:
            yield Complaint("unknown", path, offer(node, list(topology.nodes_by_name), "a fact of a node: "))
        elif not facts.find(path):
            yield Complaint("unknown", path, offer(path, facts.written_paths(), shown=len(facts.FACTS)))


def _image(topology: Topology) -> Iterator[Complaint]:
    image = topology.images.agnhost
    if topology.lab is None and not names_registry(image):
        want = f"a reference that begins with its registry's host, such as registry.example/{image}"
        yield Complaint("images.agnhost", image, want)


def _lab_overlay(topology: Topology) -> Iterator[Complaint]:
    """Check that the lab can build the tunnel, or that the file permits VXLAN in its place."""
    overlay = topology.cni.overlay
    if topology.lab and topology.lab.overlay == "declared" and overlay not in {Overlay.NONE, Overlay.VXLAN}:
        want = "vxlan or none with lab; or lab.overlay: vxlan, which realises the same facts with VXLAN"
        yield Complaint("cni.overlay", overlay, want)


def _pool_size(topology: Topology) -> Iterator[Complaint]:
    """Check that the pool has an address for every Service that does not share another's."""
    pool = topology.load_balancer.addresses or ASSUMED_POOL
    if not topology.load_balancer.exists or topology.load_balancer.address_is is AddressIs.NODE:
        return
    owners = [
        one for one in topology.workload.services if one.type is ServiceType.LOAD_BALANCER and not one.shares_address_of
    ]
    if len(owners) > (usable := len_usable(pool)):
        want = f"at least {len(owners)} addresses, one a Service of type LoadBalancer"
        yield Complaint("load_balancer.addresses", f"{pool} with {usable} usable addresses", want)


def len_usable(pool: IPNetwork) -> int:
    """Return how many addresses of a pool a balancer hands out: not the first and last of one with more than two."""
    return pool.num_addresses if pool.prefixlen >= POINT_TO_POINT else pool.num_addresses - 2


LB, WORK = "load_balancer", "workload"
RULES = (
    FileRule(_nodes, ("nodes",)),
    FileRule(_external, ("nodes", "external")),
    FileRule(_pod_ranges, ("nodes", "cni")),
    FileRule(_missing_ranges, ("nodes", "cni", "proxy")),
    FileRule(_not_pods, ("nodes", "external", "cni")),
    FileRule(_not_services, ("nodes", "external", "service_cidr", LB)),
    FileRule(_ranges_apart, ("service_cidr", "cni")),
    FileRule(workload.names, ("workload.backends", "workload.services", "workload.vantages")),
    FileRule(workload.backends, ("nodes", "workload.backends")),
    FileRule(workload.rooms, ("nodes", "workload.backends", "workload.vantages")),
    FileRule(workload.services, ("workload.services",)),
    FileRule(workload.service_range, ("service_cidr", "workload.services")),
    FileRule(workload.vantages, ("nodes", "external", "workload.backends", "workload.vantages")),
    FileRule(workload.size, ("nodes", LB, "workload.backends", "workload.services", "workload.vantages")),
    FileRule(_listeners, (LB, "workload.services")),
    FileRule(_listener_ports, (LB,)),
    FileRule(_pool_size, (LB, "workload.services")),
    FileRule(load_balancer.leader, ("nodes", LB)),
    FileRule(load_balancer.kind, (LB,)),
    FileRule(load_balancer.addresses, ("nodes", LB)),
    FileRule(load_balancer.listeners, (LB,)),
    FileRule(load_balancer.ports, ("nodes", LB, "workload.services", "workload.backends")),
    FileRule(load_balancer.leading, (LB,)),
    FileRule(load_balancer.targets, ("cni", LB, "external_routes_to_pods")),
    FileRule(_ip_mode, (LB, "kubernetes", "proxy", "workload.services")),
    FileRule(_proxy, ("kubernetes", "proxy")),
    FileRule(_node_proxies, ("kubernetes", "proxy", "nodes")),
    FileRule(_unknown, ("unknown", "nodes")),
    FileRule(_image, ("images", "lab")),
    FileRule(_lab_overlay, ("cni", "lab")),
    FileRule(workload.deviations, ("deviations",)),
)
