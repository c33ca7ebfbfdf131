"""The hosts of a lab with their links, addresses, routes and sysctls: `fabric(topology)`. Pure.

    cp, n1 ... nN --- [nodes] --- in0 lb out0 --- wan0 rt lan0 --- [outside] --- ext ...

The load balancer is in line: it is the nodes' default gateway. In a VPC, or if the balancer also keeps the address of
clients among the nodes, it is their only neighbour: all packets of a node pass it, as they pass a cloud's router. The
router's default route is unreachable, so a packet to any other address is refused inside. All ranges are in
198.18.0.0/15 (RFC 2544), which the Internet does not route.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress, IPInterface, IPNetwork
from topologies.lab.network import nat
from topologies.lab.network.pods import PodNetwork, Route, pod_cidr, pod_network, routes_through
from topologies.schema.enums import ArrivesAt, PodRoutes

if TYPE_CHECKING:
    from topologies.schema.topology import Node, Topology

CONTROL_PLANE = "cp"
BALANCER = "lb"
ROUTER = "rt"
NODES = "nodes"  # the bridge the nodes are plugged into
SECOND = "second"  # the bridge of the nodes' second cards
OUTSIDE = "outside"  # the bridge of the external hosts
TRANSIT = IPNetwork("198.18.2.0/30")
BALANCED = IPNetwork("198.18.100.0/24")
EVERYWHERE = IPNetwork("0.0.0.0/0")
HASH_PORTS = ("ipv4/fib_multipath_hash_policy", "1")  # of several next hops, one for each connection
VXLAN_PORT = 8472


@dataclass(frozen=True, slots=True)
class Leg:
    """A network card: one end of a veth pair. The other end is a port of a bridge, or a card of another host."""

    name: str
    address: IPInterface
    switch: str | None = None
    peer: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """One network namespace. `rules` is its nft ruleset, or an empty string."""

    name: str
    legs: tuple[Leg, ...]
    routes: tuple[Route, ...]
    sysctls: tuple[tuple[str, str], ...] = ()
    pods: PodNetwork | None = None
    rules: str = ""

    @property
    def address(self) -> IPAddress:
        """The address of the first card."""
        return self.legs[0].address.ip


def node_network(topology: Topology) -> IPNetwork:
    """Return the LAN of the nodes: the /24 of the first node's address."""
    return IPNetwork((topology.nodes[0].address, 24), strict=False)


def layer3(topology: Topology) -> bool:
    """Return whether a node reaches even its neighbours through the gateway only, as in a VPC."""
    balancer = topology.load_balancer
    translates = balancer.exists and balancer.arrives_at is not ArrivesAt.ADDRESS
    keeps = translates and balancer.keeps_client and not balancer.masquerade_inside
    return keeps or topology.cni.pod_routes is PodRoutes.NETWORK


def port(host: str, leg: Leg) -> str:
    """Return the name of the bridge port of a card."""
    return f"{host[:6]}-{int(leg.address.ip):08x}"


def control_plane(topology: Topology) -> IPAddress:
    """Return the API server's address: as declared, or the tenth of the nodes' LAN."""
    return topology.control_plane or node_network(topology)[10]


def balanced(topology: Topology) -> IPNetwork:
    """Return the addresses that the load balancer assigns."""
    return topology.load_balancer.addresses or BALANCED


def routed_to_balancer(topology: Topology) -> IPNetwork:
    """Return what the router sends to the load balancer: its addresses and the adjacent ones for `externalIPs`."""
    network = balanced(topology)
    return network.supernet(new_prefix=min(22, network.prefixlen))


def fabric(topology: Topology) -> tuple[Host, ...]:
    """Return every host of the lab, the control plane first."""
    return (
        _control_plane(topology),
        *(_node(topology, node) for node in topology.nodes),
        _balancer(topology),
        _router(topology),
        *_external(topology),
    )


def _outside(topology: Topology) -> IPNetwork:
    addresses = [external.address for external in topology.external] or [IPAddress("198.18.3.100")]
    return IPNetwork((addresses[0], 24), strict=False)


def _pod_routes(topology: Topology, *, besides: Node | None = None, device: str | None = None) -> tuple[Route, ...]:
    """Return the routes to pods through their nodes. `device`: of a host that has no neighbours by its address."""
    return tuple(
        Route(pod_cidr(topology, node), node.address, device, onlink=bool(device))
        for node in topology.nodes
        if node is not besides
    )


def _control_plane(topology: Topology) -> Host:
    """Return the API server's host. It reaches pods as a control-plane node does, for proxies and webhooks.

    If the gateway routes to no pods, each node's pods are reached through the node, without a tunnel: a VTEP of this
    host would be a peer in every node's tables. No client of a cell runs here.
    """
    network, alone = node_network(topology), layer3(topology)
    card = Leg("eth0", IPInterface((control_plane(topology), network.prefixlen)), switch=NODES)
    legs = (_alone(control_plane(topology)) if alone else card,)
    away = _by_gateway(network[1]) if alone else (Route(EVERYWHERE, network[1]),)
    by_gateway = alone and not topology.cni.overlaid
    pods = () if by_gateway else _pod_routes(topology, device="eth0" if alone else None)
    return Host(CONTROL_PLANE, legs, (*away, *pods))


def _alone(address: IPAddress) -> Leg:
    """Return a card with a /32 address, whose host has no neighbours."""
    return Leg("eth0", IPInterface((address, 32)), switch=NODES)


def _by_gateway(gateway: IPAddress) -> tuple[Route, ...]:
    """Return the routes of a host whose only neighbour is the gateway."""
    return Route(IPNetwork(gateway), device="eth0"), Route(EVERYWHERE, gateway)


def _node(topology: Topology, node: Node) -> Host:
    network, alone = node_network(topology), layer3(topology)
    card = Leg("eth0", IPInterface((node.address, network.prefixlen)), switch=NODES)
    legs = [_alone(node.address) if alone else card]
    if node.secondary_address:
        legs.append(Leg("eth1", IPInterface((node.secondary_address, 24)), switch=SECOND))
    away = _by_gateway(network[1]) if alone else (Route(EVERYWHERE, network[1]),)
    pods = pod_network(topology, node)
    return Host(
        node.name,
        tuple(legs),
        (*away, *_routes_to_pods(topology, node, pods)),
        _node_sysctls(topology, node),
        pods,
    )


def _routes_to_pods(topology: Topology, node: Node, pods: PodNetwork) -> tuple[Route, ...]:
    """Return the routes to other nodes' pods: through the tunnel device, through the nodes, or none (default route)."""
    if pods.tunnel:
        return routes_through(pods.tunnel)
    return () if layer3(topology) else _pod_routes(topology, besides=node)


def _node_sysctls(topology: Topology, node: Node) -> tuple[tuple[str, str], ...]:
    kernel = topology.kernel_of(node.name)
    filtered = str(kernel.rp_filter)
    always = (
        ("ipv4/ip_forward", "1"),
        ("ipv4/ip_unprivileged_port_start", "0"),  # an echo pod on the host network may listen on 443
        ("ipv4/conf/all/rp_filter", filtered),
        ("ipv4/conf/default/rp_filter", filtered),
        ("bridge/bridge-nf-call-iptables", str(int(kernel.bridge_nf_call_iptables))),
    )
    return always + _icmp(topology)


def _icmp(topology: Topology) -> tuple[tuple[str, str], ...]:
    limit = topology.lab.icmp_ratelimit if topology.lab else 1000
    return () if limit == 1000 else (("ipv4/icmp_ratelimit", str(limit)),)  # noqa: PLR2004 - the kernel's default


def _balancer(topology: Topology) -> Host:
    network = node_network(topology)
    pods = _pod_routes(topology) if topology.external_routes_to_pods or not topology.cni.overlaid else ()
    ours = () if not topology.load_balancer.exists else (Route(routed_to_balancer(topology)),)
    legs = [
        Leg("in0", IPInterface((network[1], network.prefixlen)), switch=NODES),
        Leg("out0", IPInterface((TRANSIT[2], TRANSIT.prefixlen)), peer=(ROUTER, "wan0")),
    ]
    if second := next((node.secondary_address for node in topology.nodes if node.secondary_address), None):
        legs.append(Leg("in1", IPInterface((IPNetwork((second, 24), strict=False)[1], 24)), switch=SECOND))
    return Host(
        BALANCER,
        tuple(legs),
        (Route(EVERYWHERE, TRANSIT[1]), *pods, *ours),
        (("ipv4/ip_forward", "1"), HASH_PORTS, *_quiet(), *_loose(), *_icmp(topology)),
    )


def _quiet() -> tuple[tuple[str, str], ...]:
    """Return the sysctls that disable ICMP redirects, for a router that sends packets back through the same card."""
    return tuple((f"ipv4/conf/{which}/send_redirects", "0") for which in ("all", "default"))


def _loose() -> tuple[tuple[str, str], ...]:
    return (("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"))


def _router(topology: Topology) -> Host:
    outside = _outside(topology)
    inwards = [node_network(topology), routed_to_balancer(topology)]
    if second := next((node.secondary_address for node in topology.nodes if node.secondary_address), None):
        inwards.append(IPNetwork((second, 24), strict=False))
    if topology.load_balancer.advertises_cluster_ips:
        inwards.append(topology.service_cidr)
    if topology.external_routes_to_pods:
        inwards.append(topology.cni.pod_cidr)
    return Host(
        ROUTER,
        (
            Leg("wan0", IPInterface((TRANSIT[1], TRANSIT.prefixlen))),
            Leg("lan0", IPInterface((outside[1], outside.prefixlen)), switch=OUTSIDE),
        ),
        (*(Route(network, TRANSIT[2]) for network in inwards), Route(EVERYWHERE)),
        (("ipv4/ip_forward", "1"), *_quiet(), *_loose()),
        rules=nat.public_addresses(topology),
    )


def _external(topology: Topology) -> tuple[Host, ...]:
    outside = _outside(topology)
    return tuple(
        Host(
            external.name,
            (Leg("eth0", IPInterface((external.address, outside.prefixlen)), switch=OUTSIDE),),
            (Route(EVERYWHERE, outside[1]),),
        )
        for external in topology.external
    )
