"""What the probe pod's script prints on a node: the same form as `/proc` and `/sys` have it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

UP = 0x1


@dataclass(frozen=True)
class NodeOutput:
    """A node as its `/proc`, `/sys` and kube-proxy show it.

    `routes`: (destination, device, gateway or an empty string). `devices`: DEVTYPE by device; an empty one for a card.
    `ports`: bridge and hairpin mode by the name of the bridge's port. `config`: of kube-proxy's /configz.
    """

    routes: tuple[tuple[str, str, str], ...]
    local: tuple[str, ...]
    devices: dict[str, str] = field(default_factory=dict)
    ports: dict[str, tuple[str, int]] = field(default_factory=dict)
    mode: str = "iptables"
    version: str = "v1.29.4"
    config: dict[str, Any] | None = field(default_factory=dict)
    rp_filter: dict[str, int] = field(default_factory=lambda: {"all": 0, "eth0": 0})
    bridge_nf: int | None = 1

    def printed(self) -> bytes:
        """The script's standard output."""
        proxied = self.config is not None
        whole = {"kubeproxy.config.k8s.io": self.config} if proxied else None
        lines = ["@proxyMode", self.mode if proxied else "", "@configz", json.dumps(whole) if proxied else "", "@build"]
        lines += [f'kubernetes_build_info{{git_version="{self.version}",major="1"}} 1' if proxied else ""]
        lines += [
            "@rp_filter",
            *(f"/proc/sys/net/ipv4/conf/{name}/rp_filter:{value}" for name, value in self.rp_filter.items()),
        ]
        lines += ["@bridge_nf", "" if self.bridge_nf is None else str(self.bridge_nf), ""]
        lines += ["@routes", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"]
        lines += [self._route(*route) for route in self.routes]
        lines += ["@local", *(f"           |-- {address}" for address in ("127.0.0.1", *self.local, *self.local))]
        lines += [
            "@devices",
            *self._devices(),
            "@end",
        ]
        return "\n".join(lines).encode() + b"\n"

    @staticmethod
    def _route(destination: str, device: str, gateway: str) -> str:
        network = IPv4Network(destination)
        via = IPv4Address(gateway) if gateway else IPv4Address(0)
        fields = (_word(network.network_address), _word(via), f"{UP | (0x2 if gateway else 0):04X}")
        return "\t".join([device, *fields, "0", "0", "0", _word(network.netmask), "0", "0", "0"])

    def _devices(self) -> list[str]:
        lines = []
        for name, kind in {"eth0": "", **self.devices}.items():
            lines += [f"/sys/class/net/{name}/uevent:DEVTYPE={kind}"] if kind else []
            lines += [f"/sys/class/net/{name}/uevent:INTERFACE={name}"]
        for name, (bridge, hairpin) in self.ports.items():
            lines += [f"/sys/class/net/{name}/uevent:INTERFACE={name}"]
            lines += [f"/sys/class/net/{name}/brport/hairpin_mode:{hairpin}"]
            lines += [f"/sys/class/net/{name}/brport/bridge/uevent:INTERFACE={bridge}"]
        return lines


def _word(address: IPv4Address) -> str:
    return f"{struct.unpack('<I', address.packed)[0]:08X}"
