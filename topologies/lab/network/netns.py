"""Create the hosts of plan.py as network namespaces. The one module that imports pyroute2.

Everything happens in the caller's network namespace, which must be the sandbox's: it has the bridges of the nodes, of
their second cards and of the external hosts, and nothing else.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute, netns

from topologies.common.subprocesses import run
from topologies.lab.network.plan import VXLAN_PORT, port
from topologies.lab.network.pods import BRIDGE, HOLDER, LINK_LOCAL_MAC, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.lab.network.plan import Host, Leg
    from topologies.lab.network.pods import PodNetwork, TunnelDevice

SYSCTL = Path("/proc/sys/net")
NO_IPV6 = (("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1"))
PERMANENT = 0x80
BURST = 1 << 26  # bytes
EVERY_PROTOCOL = 0x0003  # ETH_P_ALL of linux/if_ether.h
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23  # linux/socket.h, linux/if_packet.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x24)  # transmit checksum, TSO, GSO: ETHTOOL_S... of linux/ethtool.h


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Switch this thread to the named namespace: sockets and processes of the block belong to it."""
    netns.pushns(name)
    try:
        yield
    finally:
        netns.popns()


def create_switches(switches: Iterable[str]) -> None:
    """Set up the namespace with the switches: loopback, bridges, no IPv6, no bridged frames in iptables."""
    _sysctls((*NO_IPV6, ("bridge/bridge-nf-call-iptables", "0")))
    with IPRoute() as ipr:
        _up(ipr, "lo")
        for switch in switches:
            _bridge(ipr, switch)


def open_card_socket(card: str, switch: str) -> socket.socket:
    """Return a packet socket that acts as a network card connected to a switch.

    Its receive buffer holds a burst until the reader gets to it. Offloads are off: packets have their checksums and at
    most the MTU's size, because the reader cannot complete them.
    """
    with IPRoute() as ipr:
        ipr.link("add", ifname=f"{card}-in", kind="veth", peer={"ifname": card})
        _up(ipr, card)
    for offload in OFFLOADS:
        _ethtool(f"{card}-in", offload, 0)
    connect_card(f"{card}-in", switch)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    wire.bind((card, EVERY_PROTOCOL))
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BURST)
    wire.setblocking(False)
    return wire


def connect_card(card: str, switch: str) -> None:
    """Connect a card of the caller's namespace to a switch there."""
    with IPRoute() as ipr:
        ipr.link("set", index=_index(ipr, card), master=_index(ipr, switch), state="up")


def build_hosts(hosts: Iterable[Host]) -> None:
    """Create the hosts' namespaces, then their links, then what is inside each."""
    hosts = tuple(hosts)
    for host in hosts:
        netns.create(host.name)
        with inside(host.name):
            _sysctls((*NO_IPV6, *host.sysctls))
    with IPRoute() as ipr:
        for host in hosts:
            for leg in host.legs:
                _cable(ipr, host, leg)
    for host in hosts:
        _furnish(host)


def load_ruleset(rules: str) -> None:
    """Load an nft ruleset into the caller's namespace, unless it is empty.

    Raises:
        ProcessError: nft refuses it.

    """
    if rules:
        run(["nft", "-f", "-"], stdin=rules)


def _cable(ipr: Any, host: Host, leg: Leg) -> None:  # noqa: ANN401 - pyroute2 has no types
    if leg.switch:
        other_end = port(host.name, leg)
        ipr.link("add", ifname=other_end, kind="veth", peer={"ifname": leg.name, "net_ns_fd": host.name})
        ipr.link("set", index=_index(ipr, other_end), master=_index(ipr, leg.switch), state="up")
    elif leg.peer:
        other, name = leg.peer
        with inside(host.name), IPRoute() as own:
            own.link("add", ifname=leg.name, kind="veth", peer={"ifname": name, "net_ns_fd": other})


def _furnish(host: Host) -> None:
    with inside(host.name), IPRoute() as ipr:
        _up(ipr, "lo")
        for leg in host.legs:
            address = leg.address
            ipr.addr("add", index=_index(ipr, leg.name), address=str(address.ip), prefixlen=address.network.prefixlen)
            _up(ipr, leg.name)
        if host.pods:
            _pods(ipr, host, host.pods)
        for route in host.routes:
            _route(ipr, route)
        load_ruleset(host.rules)


def _route(ipr: Any, route: Route) -> None:  # noqa: ANN401
    how: dict[str, Any] = {} if route.device else {"type": "unreachable"}
    if route.via:
        how = {"gateway": str(route.via)}
    if route.device:
        how["oif"] = _index(ipr, route.device)
        how["scope"] = "universe" if route.via else "link"
    if route.onlink:
        how["flags"] = ["onlink"]
    ipr.route("add", dst=str(route.destination), **how)


def _pods(ipr: Any, host: Host, pods: PodNetwork) -> None:  # noqa: ANN401
    if pods.bridge or pods.gateway:
        name = BRIDGE if pods.bridge else HOLDER
        _bridge(ipr, name, address=_mac(pods), mtu=pods.mtu)
        if pods.gateway:
            prefix = pods.gateway.network.prefixlen
            ipr.addr("add", index=_index(ipr, name), address=str(pods.gateway.ip), prefixlen=prefix)
        else:
            _route(ipr, Route(pods.cidr, device=name))
    if pods.tunnel:
        _vxlan(ipr, host, pods.mtu, pods.tunnel)


def _mac(pods: PodNetwork) -> str:
    """Return the MAC address of the device towards a node's own pods: made of its address, as plugins make it."""
    octets = pods.gateway.ip.packed if pods.gateway else b""
    return "0a:58:" + ":".join(f"{octet:02x}" for octet in octets) if octets else LINK_LOCAL_MAC


def _vxlan(ipr: Any, host: Host, mtu: int, tunnel: TunnelDevice) -> None:  # noqa: ANN401
    under = {"vxlan_local": str(host.address), "vxlan_link": _index(ipr, "eth0"), "vxlan_port": VXLAN_PORT}
    how = {"address": tunnel.mac, "vxlan_id": 1, "vxlan_learning": 0, "mtu": mtu}
    ipr.link("add", ifname=tunnel.name, kind="vxlan", **how, **under)
    device = _index(ipr, tunnel.name)
    _up(ipr, tunnel.name)
    if tunnel.address:
        ipr.addr("add", index=device, address=str(tunnel.address), prefixlen=32)
    for one in tunnel.tunnels:
        ipr.neigh("replace", ifindex=device, dst=str(one.hop), lladdr=one.mac, state=PERMANENT)
        ipr.fdb("append", ifindex=device, lladdr=one.mac, dst=str(one.underlay))


def _bridge(ipr: Any, name: str, **more: object) -> None:  # noqa: ANN401
    ipr.link("add", ifname=name, kind="bridge", br_forward_delay=0, **more)
    _up(ipr, name)


def _up(ipr: Any, name: str) -> None:  # noqa: ANN401
    ipr.link("set", index=_index(ipr, name), state="up")


def _index(ipr: Any, name: str) -> int:  # noqa: ANN401
    return int(ipr.link_lookup(ifname=name)[0])


def _ethtool(card: str, setting: int, value: int) -> None:
    """Change a setting that is a single number. Source: linux/ethtool.h `struct ethtool_value`."""
    given = array("B", struct.pack("II", setting, value))
    asked = struct.pack("16sP", card.encode(), given.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, asked)


def _sysctls(wanted: Iterable[tuple[str, str]]) -> None:
    """Write sysctls below /proc/sys/net; skip those that the kernel lacks (no IPv6, no br_netfilter)."""
    for name, value in wanted:
        path = SYSCTL / name
        if path.exists():
            path.write_text(value)
