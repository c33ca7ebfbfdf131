"""Cross-reference rules of a topology: what no single field can know. Each rule yields its complaints.

A rule names the sections it reads. It runs if those are sound, whatever else is wrong in the file. Most rules are in
the module of their section.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from topologies.schema import facts, limits
from topologies.schema.complaints import Complaint, offer
from topologies.schema.enums import Overlay
from topologies.schema.scalars import names_registry
from topologies.schema.validation import load_balancer, nodes, proxy, workload
from topologies.schema.validation.pod_ranges import find_small_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from topologies.schema.topology import Topology

__all__ = ["Complaint", "complaints"]


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


def _lab_dns(topology: Topology) -> Iterator[Complaint]:
    """Check that the lab's API server can give Service kube-dns the declared address."""
    address, pool = topology.cluster_dns_address, topology.service_cidr
    if topology.lab and address and (address not in pool or address in {pool[0], pool[1], pool[-1]}):
        yield Complaint("cluster_dns.address", str(address), f"a free address of service_cidr {pool}, such as its 10th")


LB = "load_balancer"
RULES = (
    FileRule(nodes.nodes, ("nodes",)),
    FileRule(nodes.external, ("nodes", "external")),
    FileRule(nodes.pod_ranges, ("nodes", "cni")),
    FileRule(nodes.missing_ranges, ("nodes", "cni", "proxy")),
    FileRule(nodes.not_pods, ("nodes", "external", "cni")),
    FileRule(nodes.not_services, ("nodes", "external", "service_cidr", LB)),
    FileRule(nodes.ranges_apart, ("service_cidr", "cni")),
    FileRule(workload.names, ("workload.backends", "workload.services", "workload.vantages")),
    FileRule(workload.backends, ("nodes", "workload.backends")),
    FileRule(workload.rooms, ("nodes", "workload.backends", "workload.vantages")),
    FileRule(workload.services, ("workload.services",)),
    FileRule(workload.service_range, ("service_cidr", "workload.services")),
    FileRule(workload.vantages, ("nodes", "external", "workload.backends", "workload.vantages")),
    FileRule(workload.size, ("nodes", LB, "workload.backends", "workload.services", "workload.vantages")),
    FileRule(load_balancer.listener_services, (LB, "workload.services")),
    FileRule(load_balancer.listener_ports, (LB,)),
    FileRule(load_balancer.pool_size, (LB, "workload.services")),
    FileRule(load_balancer.leader, ("nodes", LB)),
    FileRule(load_balancer.kind, (LB,)),
    FileRule(load_balancer.addresses, ("nodes", LB)),
    FileRule(load_balancer.listeners, (LB,)),
    FileRule(load_balancer.ports, ("nodes", LB, "workload.services", "workload.backends")),
    FileRule(load_balancer.leading, (LB,)),
    FileRule(load_balancer.targets, ("cni", LB, "external_routes_to_pods")),
    FileRule(load_balancer.ip_mode, (LB, "kubernetes", "proxy", "workload.services")),
    FileRule(proxy.proxy, ("kubernetes", "proxy")),
    FileRule(proxy.node_proxies, ("kubernetes", "proxy", "nodes")),
    FileRule(_unknown, ("unknown", "nodes")),
    FileRule(_image, ("images", "lab")),
    FileRule(_lab_overlay, ("cni", "lab")),
    FileRule(_lab_dns, ("cluster_dns", "lab", "service_cidr")),
    FileRule(workload.deviations, ("deviations",)),
)
