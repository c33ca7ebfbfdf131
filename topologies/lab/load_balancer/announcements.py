"""Compute the routes to addresses that nodes announce: load-balanced addresses and ClusterIPs. Pure.

The host is the gateway of the nodes and of the outside. A route by a node is what a router learns from ARP or BGP: it
sends the packets to the node, whose interfaces do not have the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress
from topologies.lab.load_balancer.config import elect, key
from topologies.lab.load_balancer.ruleset import is_routed
from topologies.schema.enums import EmptyPool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topologies.lab.load_balancer.config import ForwardingRule, Service, Targets
    from topologies.schema.topology import LoadBalancer

Routes = dict[IPAddress, tuple[IPAddress, ...]]  # the nodes to which packets to an address go


def announced(made: Iterable[ForwardingRule], targets: Targets, balancer: LoadBalancer) -> Routes:
    """Return the routes to load-balanced addresses that nodes receive unchanged.

    The first forwarding rule of an address decides. An address without a node is routed nowhere if it is withdrawn,
    and otherwise to all nodes: the host itself refuses or drops its packets.
    """
    if not is_routed(balancer):
        return {}
    routes: Routes = {}
    for one in made:
        nodes = one.nodes or (() if balancer.empty_pool is EmptyPool.WITHDRAW else targets.nodes)
        if nodes:
            routes.setdefault(one.address, nodes)
    return routes


def cluster_ips(services: Iterable[Service], targets: Targets, balancer: LoadBalancer) -> Routes:
    """Return the routes to the ClusterIPs that nodes announce: with `Local` by nodes with an endpoint, if there are."""
    if not balancer.advertises_cluster_ips:
        return {}
    routes: Routes = {}
    for service in services:
        if (text := service["spec"].get("clusterIP", "None")) != "None":
            ready = {one.node for one in targets.ready.get(key(service), ())}
            local = service["spec"].get("externalTrafficPolicy") == "Local" and balancer.avoids_empty_nodes
            nodes = tuple(node for node in targets.nodes if node in ready) if local and ready else targets.nodes
            routes[IPAddress(text)] = elect(nodes, targets, balancer)
    return routes
