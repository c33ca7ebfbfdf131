"""What an unprivileged hostNetwork pod can read of its node: the script, and the reader of what it prints. Pure.

kube-proxy's own report, sysctls, routes (`/proc/net/route`), local addresses (`/proc/net/fib_trie`), devices with their
kind and their bridge (`/sys/class/net`). None of it needs a capability or root.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.cluster_state import proxy_facts
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.discovery.inventory import as_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from topologies.cluster_state.proxy_facts import ProxyFacts

TIMEOUT_S = 20.0
LARGEST = 512 * 1024  # bytes of a section: a node may have thousands of routes
RP_FILTER, BRIDGE_NF, ROUTES, LOCAL = "@rp_filter", "@bridge_nf", "@routes", "@local"
DEVICES = "@devices"
END = "@end"
HEADINGS = (RP_FILTER, BRIDGE_NF, ROUTES, LOCAL, DEVICES, END)
NETWORK_DEVICES = "/sys/class/net"
SCRIPT = f"""{proxy_facts.SCRIPT}
most() {{ head -c {LARGEST}; }}
echo {RP_FILTER}; grep -Hs . /proc/sys/net/ipv4/conf/*/rp_filter | most
echo {BRIDGE_NF}; head -c 10 /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null; echo
echo {ROUTES}; most < /proc/net/route
echo {LOCAL}; grep -B1 'host LOCAL' /proc/net/fib_trie | grep -e '|--' | most
echo {DEVICES}; grep -Hs . {NETWORK_DEVICES}/*/uevent {NETWORK_DEVICES}/*/brport/hairpin_mode \
{NETWORK_DEVICES}/*/brport/bridge/uevent | grep -e DEVTYPE -e hairpin_mode -e INTERFACE | most
echo {END}
"""
_SYSCTL = re.compile(r"/conf/([^/]+)/rp_filter:([0-2])$")
_DEVICE = re.compile(rf"{NETWORK_DEVICES}/([^/]+)/(uevent|brport/hairpin_mode|brport/bridge/uevent):(.*)$")
_UP = 0x1


@dataclass(frozen=True, slots=True)
class NodeRoute:
    """A route of the main table. `via` is None if the destination is on link."""

    destination: IPNetwork
    device: str
    via: IPAddress | None = None

    @property
    def is_to_connected_network(self) -> bool:
        """Whether it is a card's network on link, not a host route."""
        return self.via is None and self.destination.prefixlen < self.destination.max_prefixlen


@dataclass(frozen=True, slots=True)
class NetworkDevice:
    """A device: `kind` is the kernel's DEVTYPE (bridge, vxlan, geneve, wireguard …), empty for cards and veths.

    `bridge` and `hairpin`: of a bridge's port.
    """

    name: str
    kind: str = ""
    bridge: str = ""
    hairpin: bool | None = None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What one node reports of itself. None, or empty: not read.

    `pod_address`: of the pod that ran beside the hostNetwork pod; `rp_filter`: by device, with `all`.
    """

    node: str
    proxy: ProxyFacts
    rp_filter: Mapping[str, int] = field(default_factory=dict)
    bridge_nf: bool | None = None
    routes: tuple[NodeRoute, ...] = ()
    local: tuple[IPAddress, ...] = ()
    devices: Mapping[str, NetworkDevice] = field(default_factory=dict)
    pod_address: IPAddress | None = None

    def route_to(self, address: IPAddress) -> NodeRoute | None:
        """Return the most specific route to an address; None if there is none."""
        fitting = [route for route in self.routes if address in route.destination]
        return max(fitting, key=lambda route: route.destination.prefixlen, default=None)

    def device_of(self, address: IPAddress) -> str:
        """Return the device of the connected network that a local address is in; empty if there is none."""
        connected = [route for route in self.routes if route.via is None and address in route.destination]
        best = max(connected, key=lambda route: route.destination.prefixlen, default=None)
        return best.device if best else ""

    def kind_of(self, device: str) -> str:
        """Return the DEVTYPE of a device, or what its name shows for those without one (ipip)."""
        found = self.devices.get(device)
        if found and found.kind:
            return found.kind
        return "ipip" if device.startswith("tunl") else ""


def parse(node: str, output: bytes, pod_address: IPAddress | None = None) -> NodeFacts:
    """Return what the script has printed; whatever cannot be read stays None or empty."""
    parts = proxy_facts.split_at_headings(output, HEADINGS)
    bridge_nf = "".join(parts.get(BRIDGE_NF, [])[:1]).strip()
    complete = END in parts
    return NodeFacts(
        node,
        proxy_facts.parse(node, output),
        rp_filter={found[1]: int(found[2]) for line in parts.get(RP_FILTER, ()) if (found := _SYSCTL.search(line))},
        bridge_nf=_bridge_nf(bridge_nf, readable=complete and bool(parts.get(RP_FILTER))),
        routes=tuple(_routes(parts.get(ROUTES, []))),
        local=as_addresses(line.split()[-1] for line in parts.get(LOCAL, ()) if line.strip()),
        devices=_devices(parts.get(DEVICES, [])),
        pod_address=pod_address,
    )


def _bridge_nf(text: str, *, readable: bool) -> bool | None:
    """Return the sysctl; False if the other sysctls are there and this one is not: br_netfilter is not loaded."""
    if text in {"0", "1"}:
        return text == "1"
    return False if readable and not text else None


def _routes(lines: list[str]) -> Iterator[NodeRoute]:
    """Yield the routes that are up: `Iface Destination Gateway Flags … Mask`, little-endian hexadecimal."""
    for line in lines[1:]:
        fields = line.split()
        try:
            destination, gateway, flags, mask = (int(fields[index], 16) for index in (1, 2, 3, 7))
            network = IPNetwork(f"{_address(destination)}/{_address(mask)}")
        except (IndexError, ValueError, struct.error):
            continue
        if flags & _UP:
            yield NodeRoute(network, fields[0], _address(gateway) if gateway else None)


def _address(number: int) -> IPAddress:
    return IPAddress(struct.pack("<I", number))


def _devices(lines: list[str]) -> dict[str, NetworkDevice]:
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        if not (match := _DEVICE.search(line)):
            continue
        name, file, text = match.groups()
        about = found.setdefault(name, {})
        key, _, value = text.partition("=")
        if file == "uevent" and key == "DEVTYPE":
            about["kind"] = value
        elif file == "brport/bridge/uevent" and key == "INTERFACE":
            about["bridge"] = value
        elif file == "brport/hairpin_mode":
            about["hairpin"] = text
    return {
        name: NetworkDevice(name, about.get("kind", ""), about.get("bridge", ""), _flag(about.get("hairpin")))
        for name, about in found.items()
    }


def _flag(text: str | None) -> bool | None:
    return {"0": False, "1": True}.get(text or "")
